import { expect, describe, test } from "vitest";
import type { PublishResult } from "../../src/contract/provider.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { collect } from "../support/collect.ts";

const HOUR_MS = 3_600_000;
const REFUSED: PublishResult = {
  status: "rejected",
  code: "refused",
  reason: "busy",
  retryable: true,
};

describe.each([
  ["back", -HOUR_MS],
  ["forward", HOUR_MS],
])("a wall clock that is set an hour %s", (_, stepMs) => {
  test("moves no delay", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    await bus.emit("order.placed", 1, { delay: 600 });
    clock.stepWall(stepMs);
    await clock.advance(599);
    expect(seen.data).toEqual([]);
    await clock.advance(1);
    expect(seen.data).toEqual([1]);
  });

  test("moves no backoff", async () => {
    const { bus, clock } = await startTestBus();
    let attempts = 0;
    bus.subscribe(
      "order.placed",
      () => {
        attempts += 1;
        if (attempts === 1) throw new Error("again");
      },
      { subscriberId: "mail", attempts: 2, backoff: 300 },
    );
    await bus.emit("order.placed", 1);
    clock.stepWall(stepMs);
    await clock.advance(299);
    expect(attempts).toBe(1);
    await clock.advance(1);
    expect(attempts).toBe(2);
  });

  test("ends no emit that waits for room, and keeps none waiting beyond its limit", async () => {
    const { bus, clock } = await startTestBus({
      provider: memoryProvider({ maxPending: 1 }),
      emitTimeoutMs: 1_000,
    });
    let free: () => void = () => {};
    bus.subscribe("order.placed", () => new Promise<void>((resolve) => (free = resolve)), {
      subscriberId: "mail",
      concurrency: 1,
    });
    await bus.emit("order.placed", "runs");
    await clock.advance(0);
    await bus.emit("order.placed", "waits");
    const first = bus.emit("order.placed", "in time");
    clock.stepWall(stepMs);
    await clock.advance(500);
    free();
    await expect(first).resolves.toHaveLength(1);
    const second = bus.emit("order.placed", "too late");
    clock.stepWall(stepMs);
    const refused = expect(second).rejects.toMatchObject({ code: "BUSBAR_OVERLOADED" });
    await clock.advance(1_000);
    await refused;
  });

  test("moves no time limit of a handler", async () => {
    const { bus, clock, logger } = await startTestBus();
    const started: number[] = [];
    bus.subscribe(
      "order.placed",
      () =>
        new Promise<void>((resolve) => {
          started.push(1);
          clock.setTimeout(resolve, 150);
        }),
      { subscriberId: "mail", timeoutMs: 100 },
    );
    await bus.emit("order.placed", 1);
    await clock.advance(0);
    clock.stepWall(stepMs);
    await clock.advance(200);
    expect(started).toHaveLength(1);
    const late = logger.lines.find(({ message }) => message.includes("past its time limit"));
    expect(late?.fields).toMatchObject({ tookMs: 150 });
  });

  test("drops no dead letter, and forgets no deduplicationId", async () => {
    const { bus, clock } = await startTestBus({
      provider: memoryProvider({ deduplicationWindowMs: 60_000 }),
      deadLetters: { maxAgeMs: 60_000 },
    });
    bus.subscribe(
      "order.placed",
      () => {
        throw new Error("always");
      },
      { subscriberId: "mail" },
    );
    const id = { deduplicationId: "order-1" };
    await bus.emit("order.placed", 1, id);
    await bus.settled();
    clock.stepWall(stepMs);
    await bus.emit("order.placed", 1, id);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
    await clock.advance(60_000);
    expect((await bus.deadLetters.list()).items).toHaveLength(0);
    await bus.emit("order.placed", 1, id);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
  });

  test("expires no group", async () => {
    const { bus, clock } = await startTestBus({ groupTtlMs: 60_000 });
    await bus.emit({ name: "order.placed", data: 1, metadata: { eventGroupId: "g" } });
    clock.stepWall(stepMs);
    await clock.advance(59_999);
    expect((await bus.inspect()).groups).toHaveLength(1);
    await clock.advance(1);
    expect((await bus.inspect()).groups).toHaveLength(0);
  });
});

describe("a delay", () => {
  test("counts from the publish, also if the provider takes the event later", async () => {
    const inner = memoryProvider();
    let refusals = 3;
    const provider = providerLike(inner, {
      publish: async (batch, options) =>
        refusals-- > 0 ? batch.map(() => REFUSED) : inner.publish(batch, options),
    });
    const { bus, clock } = await startTestBus({ provider });
    const seen = collect(bus);
    const emitted = bus.emit("order.placed", 1, { delay: 1_000 });
    await clock.advance(150);
    await emitted;
    await clock.advance(849);
    expect(seen.data).toEqual([]);
    await clock.advance(1);
    expect(seen.data).toEqual([1]);
  });

  test("is over when a dead letter is replayed", async () => {
    const { bus, clock } = await startTestBus();
    let runs = 0;
    bus.subscribe(
      "order.placed",
      () => {
        runs += 1;
        throw new Error("always");
      },
      { subscriberId: "mail" },
    );
    await bus.emit("order.placed", 1, { delay: 1_000 });
    await clock.advance(1_000);
    expect(runs).toBe(1);
    await bus.deadLetters.replay("mail");
    await clock.advance(0);
    expect(runs).toBe(2);
  });
});
