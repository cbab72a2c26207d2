import { describe, expect, test } from "vitest";
import type { EventMessage } from "../../src/contract/event.ts";
import type { Delivery, Envelope, EventProvider } from "../../src/contract/provider.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
  type TestBus,
} from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";

function startMinimal(members?: Partial<EventProvider>): Promise<TestBus> {
  return startTestBus({ provider: createMinimalProvider(members) });
}

describe("a provider that can only start, publish, consume and stop", () => {
  test("delivers", async () => {
    const { bus } = await startMinimal();
    const seen = collect(bus, { subscriberId: "s" }, ["order.*", "cart.closed"]);
    await bus.emit([1, 2].map((data) => ({ name: "order.placed", data })));
    await bus.emit("cart.closed", 3);
    await bus.emit("cart.opened", 4);
    await bus.settled();
    expect(seen.data).toEqual([1, 2, 3]);
    expect((await bus.inspect()).counters).toMatchObject({
      emitted: 4,
      unrouted: 1,
      acknowledged: 3,
    });
  });

  test("delays", async () => {
    const { bus, clock } = await startMinimal();
    const seen = collect(bus);
    await bus.emit("order.placed", 1, { delay: 1000 });
    await bus.emit("order.placed", 2);
    await clock.advance(999);
    expect(seen.data).toEqual([2]);
    await clock.advance(1);
    expect(seen.data).toEqual([2, 1]);
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 2, unrouted: 0 });
  });

  test("never sees a delay that it cannot do", async () => {
    const published: Envelope[] = [];
    const inner = createMinimalProvider();
    const { bus, clock } = await startTestBus({
      provider: providerLike(inner, {
        publish: (batch, options) => {
          published.push(...batch);
          return inner.publish(batch, options);
        },
      }),
    });
    collect(bus);
    await bus.emit("order.placed", 1, { delay: 1000 });
    await clock.advance(1000);
    expect(published.map(({ delayMs }) => delayMs)).toEqual([undefined]);
  });

  test("retries with backoff", async () => {
    const { bus, clock } = await startMinimal();
    const runs: [number, number][] = [];
    const startedAt = clock.now();
    bus.subscribe(
      "order.placed",
      (_, { attempt }) => {
        runs.push([attempt, clock.now() - startedAt]);
        if (attempt < 3) throw new Error("not yet");
      },
      { subscriberId: "s", attempts: 3, backoff: { type: "exponential", delay: 1000 } },
    );
    await bus.emit("order.placed", 1);
    const settled = bus.settled();
    await clock.advance(3000);
    await settled;
    expect(runs).toEqual([
      [1, 0],
      [2, 1000],
      [3, 3000],
    ]);
  });

  test("keeps dead letters, which can be listed, replayed and discarded", async () => {
    const { bus } = await startMinimal();
    let isBroken = true;
    const seen: unknown[] = [];
    bus.subscribe(
      "order.placed",
      ({ data }, { attempt }) => {
        if (isBroken) throw new Error(`broken ${String(data)}`);
        seen.push([data, attempt]);
      },
      { subscriberId: "s", attempts: 2 },
    );
    const other = collect(bus, { subscriberId: "other" });
    await bus.emit([1, 2, 3].map((data) => ({ name: "order.placed", data })));
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    expect(items).toMatchObject(
      [1, 2, 3].map((data) => ({
        subscriberId: "s",
        event: { data },
        reason: "failed",
        attempts: 2,
        errors: [{ message: `broken ${String(data)}` }, { message: `broken ${data}` }],
      })),
    );
    expect((await bus.inspect()).subscriptions).toMatchObject([
      { subscriberId: "other", dead: 0 },
      { subscriberId: "s", dead: 3 },
    ]);
    isBroken = false;
    const [first, second] = items.map(({ id }) => id);
    expect(await bus.deadLetters.replay("s", [String(first)])).toBe(1);
    expect(await bus.deadLetters.discard("s", [String(second)])).toBe(1);
    await bus.settled();
    expect(await bus.deadLetters.replay("s")).toBe(1);
    await bus.settled();
    expect(seen).toEqual([
      [1, 1],
      [3, 1],
    ]);
    expect((await bus.deadLetters.list()).items).toEqual([]);
    expect(other.data).toEqual([1, 2, 3]);
  });

  test("a replay retries and dies as any delivery", async () => {
    const { bus, clock } = await startMinimal();
    const attempts: number[] = [];
    bus.subscribe(
      "order.placed",
      (_, { attempt }) => {
        attempts.push(attempt);
        throw new Error("broken");
      },
      { subscriberId: "s", attempts: 2, backoff: 1000 },
    );
    await bus.emit("order.placed", 1);
    await clock.advance(1000);
    await bus.deadLetters.replay("s");
    await clock.advance(1000);
    await bus.settled();
    expect(attempts).toEqual([1, 2, 1, 2]);
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
  });

  test("drops what has the same deduplicationId, for an hour", async () => {
    const { bus, clock } = await startMinimal();
    const seen = collect(bus);
    const emit = (data: number) => bus.emit("order.placed", data, { deduplicationId: "1" });
    await emit(1);
    await emit(2);
    await Promise.all([emit(3), bus.emit("order.placed", 4, { deduplicationId: "2" })]);
    await clock.advance(3_600_000);
    await emit(5);
    await bus.settled();
    expect(seen.data).toEqual([1, 4, 5]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 3, duplicates: 2 });
  });

  test("drops what has the same deduplicationId within one emit, and in two at once", async () => {
    const { bus } = await startMinimal();
    const seen = collect(bus);
    const message = (data: number): EventMessage => ({
      name: "order.placed",
      data,
      options: { deduplicationId: "1" },
    });
    await Promise.all([bus.emit([message(1), message(2)]), bus.emit(message(3))]);
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });

  test.each(["rejects", "throws"])(
    "a deduplicationId is not remembered when the provider %s the event",
    async (how) => {
      const inner = createMinimalProvider();
      let isDown = true;
      const { bus } = await startTestBus({
        provider: providerLike(inner, {
          publish: async (batch, options) => {
            if (!isDown) return inner.publish(batch, options);
            if (how === "throws") throw new Error("down");
            return batch.map(() => ({ status: "rejected", code: "refused", reason: "down" }));
          },
        }),
      });
      const seen = collect(bus);
      const emit = () => bus.emit("order.placed", 1, { deduplicationId: "1" });
      await expect(emit()).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
      isDown = false;
      await emit();
      await bus.settled();
      expect(seen.data).toEqual([1]);
    },
  );

  test("a delayed event that cannot be published later is counted and logged, and does not hold up settled()", async () => {
    const { bus, clock, logger } = await startMinimal({
      publish: () => Promise.reject(new Error("down")),
    });
    collect(bus);
    await bus.emit("order.placed", 1, { delay: 1000 });
    await clock.advance(1000);
    expect((await bus.inspect()).counters.discarded).toBe(1);
    expect(logger.at("error")).toHaveLength(1);
    await bus.settled();
  });

  test("stop ends the waits and reports what was discarded", async () => {
    const { bus, clock, logger } = await startMinimal();
    const seen = collect(bus);
    await bus.emit("order.placed", 1, { delay: 1000 });
    await bus.emit("order.placed", 2, { delay: 2000 });
    await bus.stop();
    expect(clock.pendingTimers()).toBe(0);
    expect(logger.at("warn").map(({ fields }) => fields)).toEqual([
      { provider: "minimal", subscriberId: "(delayed events)", count: 2 },
    ]);
    await clock.advance(5000);
    expect(seen.data).toEqual([]);
  });

  test("stop does not wait for the backoff of a retry, whether it has begun or not", async () => {
    const { bus, clock } = await startMinimal();
    const gate = createGate();
    const runs: unknown[] = [];
    bus.subscribe(
      "order.placed",
      async ({ data }) => {
        runs.push(data);
        if (data === "slow") await gate.opened;
        throw new Error("no");
      },
      { subscriberId: "s", attempts: 2, backoff: 3_600_000 },
    );
    await bus.emit([
      { name: "order.placed", data: "fast" },
      { name: "order.placed", data: "slow" },
    ]);
    await idle();
    const stop = bus.stop();
    await idle();
    gate.open();
    await stop;
    expect(clock.pendingTimers()).toBe(0);
    expect(runs).toEqual(["fast", "slow"]);
  });

  test("stop waits for a retry that comes due in time, and runs nothing again before", async () => {
    const inner = createMinimalProvider();
    const { bus, clock } = await startTestBus({
      provider: providerLike(inner, {
        // When it stops it first delivers what is due, and that is what was handed back.
        consume: (spec, deliver) =>
          inner.consume(spec, async (first) => {
            for (let delivery = first; ;) {
              const settlement = await deliver(delivery);
              if (settlement.type === "retry") delivery = { ...first, state: settlement.state };
              else if (settlement.type !== "release") return settlement;
            }
          }),
      }),
    });
    const attempts: number[] = [];
    bus.subscribe(
      "order.placed",
      (_event, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 3 && attempts.length < 10) throw new Error("no");
      },
      { subscriberId: "s", attempts: 3, backoff: { type: "exponential", delay: 1_000 } },
    );
    await bus.emit("order.placed", 1);
    await idle();
    const stop = bus.stop({ graceMs: 2_000 });
    await clock.advance(999);
    expect(attempts).toEqual([1]);
    await clock.advance(1);
    await stop;
    // The third attempt would come too late.
    expect(attempts).toEqual([1, 2]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("what is emitted with a delay while the bus stops is counted as discarded", async () => {
    const { bus, logger, clock } = await startMinimal();
    const gate = createGate();
    bus.subscribe("a", async () => {
      await gate.opened;
      await bus.emit("b", null, { delay: 1000 });
    });
    collect(bus, { subscriberId: "b" }, "b");
    await bus.emit("a", null);
    await idle();
    const stop = bus.stop();
    await idle();
    gate.open();
    await stop;
    expect(clock.pendingTimers()).toBe(0);
    expect(logger.at("warn").map(({ fields }) => fields)).toEqual([
      { provider: "minimal", subscriberId: "(delayed events)", count: 1 },
    ]);
  });

  test("a replay that waits for its retry when the bus stops is counted as discarded", async () => {
    const { bus, logger, clock } = await startMinimal();
    bus.subscribe("a", () => Promise.reject(new Error("no")), {
      subscriberId: "s",
      attempts: 2,
      backoff: 1000,
    });
    await bus.emit("a", null);
    await clock.advance(1000);
    await bus.deadLetters.replay("s");
    await idle();
    await bus.stop();
    await idle();
    expect(clock.pendingTimers()).toBe(0);
    const discarded = logger.at("warn").filter(({ fields }) => "count" in fields);
    expect(discarded.map(({ fields }) => fields)).toEqual([
      { provider: "minimal", subscriberId: "s", count: 1 },
    ]);
  });

  test("ignores a priority, and warns of it once", async () => {
    const { bus, logger } = await startMinimal();
    const seen = collect(bus);
    await bus.emit("order.placed", 1, { priority: "low" });
    await bus.emit("order.placed", 2, { priority: 1 });
    await bus.emit("order.placed", 3, { priority: "normal" });
    await bus.settled();
    expect(seen.data).toEqual([1, 2, 3]);
    expect(logger.at("warn")).toMatchObject([{ fields: { provider: "minimal" } }]);
  });

  test.each(["key", "all"] as const)("refuses the ordering %s at subscribe", async (ordering) => {
    const unsupported = expect.objectContaining({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "ordering" },
    });
    const { bus } = createTestBus({ provider: createMinimalProvider() });
    const subscribe = () => bus.subscribe("a", () => {}, { subscriberId: "s", ordering });
    expect(subscribe).toThrow(unsupported);
    await bus.start();
    expect(subscribe).toThrow(unsupported);
    expect((await bus.inspect()).subscriptions).toEqual([]);
    bus.subscribe("a", () => {}, { subscriberId: "s", ordering: "none" });
  });

  test("refuses an orderingKey at emit, and sends nothing", async () => {
    const { bus } = await startMinimal();
    const seen = collect(bus);
    const emit = bus.emit([
      { name: "order.placed", data: 1 },
      { name: "order.placed", data: 2, options: { orderingKey: "k" } },
    ]);
    await expect(emit).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "orderingKey" },
    });
    await expect(emit).rejects.toThrow(
      `Provider "minimal" does not support the option "orderingKey"`,
    );
    await bus.settled();
    expect(seen.data).toEqual([]);
  });

  test('refuses the role "server" at start', async () => {
    const { bus } = createTestBus({ provider: createMinimalProvider(), role: "server" });
    await expect(bus.start()).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "role" },
    });
  });

  test("stages groups in memory", async () => {
    const { bus } = await startMinimal();
    const seen = collect(bus);
    await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });

  test("hears of events that a subscription gets after start, and runs each event once", async () => {
    const { bus } = await startMinimal();
    const seen: string[] = [];
    const handle = ({ name }: { name: string }): void => void seen.push(name);
    bus.subscribe("a", handle, { subscriberId: "s" });
    await bus.emit("a", null);
    bus.subscribe("b", handle, { subscriberId: "s" });
    await bus.emit("a", null);
    await bus.emit("b", null);
    bus.unsubscribe("a", handle);
    await bus.emit("a", null);
    await bus.emit("b", null);
    await bus.settled();
    expect(seen).toEqual(["a", "a", "b", "b"]);
  });

  test("tells the bus of a delivery that crashed by handing it over again", async () => {
    const handed: Delivery[] = [];
    const { bus } = await startMinimal({
      consume: async (_, deliver) => {
        const envelope = {
          id: "1",
          name: "a",
          data: null,
          metadata: { created_at: 0, published_at: 0, correlationId: "1" },
        };
        for (const crashes of [5, 6]) {
          handed.push({ envelope, crashes });
          await deliver({ envelope, crashes });
        }
        return { close: async () => {} };
      },
    });
    const seen = collect(bus);
    await idle();
    expect(handed).toHaveLength(2);
    expect(seen.events).toHaveLength(1);
    expect((await bus.deadLetters.list()).items).toMatchObject([
      { reason: "crashed", attempts: 0 },
    ]);
  });
});

describe("a provider in memory with an admin part of its own, and no delay", () => {
  test("gets delays, and keeps its dead letters itself", async () => {
    const inner = memoryProvider();
    const capabilities = { ...inner.capabilities, delay: false, deduplication: false };
    const { bus, clock } = await startTestBus({ provider: providerLike(inner, { capabilities }) });
    const runs: number[] = [];
    bus.subscribe(
      "a",
      (_, { attempt }) => {
        runs.push(attempt);
        throw new Error("no");
      },
      { subscriberId: "s", attempts: 2, backoff: 1000 },
    );
    await bus.emit("a", 1, { delay: 1000, deduplicationId: "1" });
    await bus.emit("a", 2, { delay: 1000, deduplicationId: "1" });
    await clock.advance(999);
    expect(runs).toEqual([]);
    await clock.advance(1);
    expect(runs).toEqual([1]);
    await clock.advance(1000);
    expect(runs).toEqual([1, 2]);
    const { items } = await inner.admin.listDead("s", { limit: 10 });
    expect(items.map(({ envelope }) => envelope.data)).toEqual([1]);
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
  });
});
