import { describe, expect, test } from "vitest";
import type { ConsumeSpec, Delivery, Envelope, Settlement } from "../../src/contract/provider.ts";
import {
  memoryProvider,
  providerLike,
  startTestBus,
  type TestBusOptions,
} from "../support/test-bus.ts";

type Deliver = (delivery: Delivery) => Promise<Settlement>;

/** A bus, and the means to hand deliveries over to it by hand. */
async function startHandedOver(options: TestBusOptions = {}) {
  const inner = memoryProvider();
  const delivers = new Map<string, Deliver>();
  const provider = providerLike(inner, {
    consume(spec: ConsumeSpec, deliver) {
      delivers.set(spec.subscriptionId, deliver);
      return inner.consume(spec, deliver);
    },
  });
  const started = await startTestBus({ provider, ...options });
  return {
    ...started,
    async handOver(delivery: Partial<Delivery>): Promise<Settlement> {
      await started.bus.inspect();
      await started.clock.advance(0);
      const deliver = delivers.get("mail") as Deliver;
      return deliver({ envelope, crashes: 0, ...delivery });
    },
  };
}

const envelope: Envelope = {
  id: "1",
  name: "a",
  data: null,
  metadata: { created_at: 0, published_at: 0, correlationId: "1" },
};

describe("hand-overs that ended in a crash", () => {
  test("do not count as attempts, up to maxCrashes", async () => {
    const { bus, handOver } = await startHandedOver();
    const attempts: number[] = [];
    bus.subscribe("a", (_, { attempt }) => void attempts.push(attempt), { subscriberId: "mail" });
    for (const crashes of [0, 1, 5]) {
      expect(await handOver({ crashes })).toEqual({ type: "ack" });
    }
    expect(attempts).toEqual([1, 1, 1]);
  });

  test("beyond maxCrashes are death with the reason crashed, without another run", async () => {
    const { bus, clock, logger, handOver } = await startHandedOver();
    let runs = 0;
    bus.subscribe("a", () => void runs++, { subscriberId: "mail", attempts: 100 });
    const settlement = await handOver({ crashes: 6 });
    expect(runs).toBe(0);
    expect(settlement).toEqual({
      type: "dead",
      reason: "crashed",
      state: {
        runs: 0,
        errors: [
          {
            at: clock.now(),
            name: "Crash",
            message: "The process ended 6 times while this was being handled",
          },
        ],
      },
    });
    expect(logger.at("error")).toMatchObject([
      { fields: { subscriberId: "mail", eventId: "1", reason: "crashed" } },
    ]);
    expect((await bus.inspect()).counters).toMatchObject({ dead: 1, failed: 0 });
  });

  test.each([
    [0, 0, "ack"],
    [0, 1, "dead"],
    [2, 2, "ack"],
    [2, 3, "dead"],
  ])("with maxCrashes %d, %d of them are %s", async (maxCrashes, crashes, type) => {
    const { bus, handOver } = await startHandedOver({ maxCrashes });
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    expect(await handOver({ crashes })).toMatchObject({ type });
  });

  test("keep the failures there were before them", async () => {
    const { bus, handOver } = await startHandedOver();
    const fail = () => {
      throw new Error("no");
    };
    bus.subscribe("a", fail, { subscriberId: "mail", attempts: 9, backoff: 70 });
    const retry = await handOver({});
    expect(retry).toMatchObject({ type: "retry", delayMs: 70, state: { runs: 1 } });
    const { state } = retry as Extract<Settlement, { type: "retry" }>;
    const dead = await handOver({ state, crashes: 6 });
    expect(dead).toMatchObject({
      type: "dead",
      state: { runs: 1, errors: [{ message: "no" }, { name: "Crash" }] },
    });
  });

  test("in the memory provider run again at once, and then are a dead letter", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      // As if the process died in every run, before anything was settled.
      consume: (spec, deliver) =>
        inner.consume(spec, async (delivery) => {
          const settlement = await deliver(delivery);
          if (settlement.type === "ack") throw new Error("killed");
          return settlement;
        }),
    });
    const { bus, clock } = await startTestBus({ provider, maxCrashes: 3 });
    let runs = 0;
    bus.subscribe("a", () => void runs++, { subscriberId: "mail" });
    await bus.emit("a", 1);
    await clock.advance(0);
    expect(runs).toBe(4);
    expect((await bus.deadLetters.list()).items).toMatchObject([
      { reason: "crashed", attempts: 0, errors: [{ name: "Crash" }] },
    ]);
  });
});

describe("a delivery that is released", () => {
  test("for want of code counts as nothing", async () => {
    const { bus, handOver } = await startHandedOver();
    const attempts: number[] = [];
    bus.subscribe("a", (_, { attempt }) => void attempts.push(attempt), { subscriberId: "mail" });
    const foreign = { ...envelope, name: "of.another.release" };
    expect(await handOver({ envelope: foreign })).toMatchObject({ type: "release" });
    expect(await handOver({})).toEqual({ type: "ack" });
    expect(attempts).toEqual([1]);
    expect((await bus.inspect()).counters).toMatchObject({ failed: 0, dead: 0 });
  });

  test("with code for the name again is delivered, first attempt as before", async () => {
    const { bus, clock } = await startTestBus();
    const attempts: number[] = [];
    const context = { subscriberId: "mail" };
    const handler = () => {};
    bus.subscribe("a", handler, context).subscribe("b", handler, context);
    await bus.pause("mail");
    await bus.emit("a", 1);
    bus.unsubscribe("a", handler);
    await bus.resume("mail");
    await clock.advance(60_000);
    bus.subscribe("a", (_, { attempt }) => void attempts.push(attempt), context);
    await clock.advance(1000);
    expect(attempts).toEqual([1]);
  });
});
