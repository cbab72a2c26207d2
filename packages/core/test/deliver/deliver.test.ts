import { describe, expect, test } from "vitest";
import type { Deliver, Delivery, Envelope, Settlement } from "../../src/contract/provider.ts";
import type { Subscriber } from "../../src/contract/subscriber.ts";
import {
  createGate,
  memoryProvider,
  providerLike,
  startTestBus,
  type TestBusOptions,
} from "../support/test-bus.ts";

const envelope: Envelope = {
  id: "1",
  name: "a",
  data: null,
  metadata: { created_at: 0, published_at: 0, correlationId: "1" },
};

/** The `deliver` that a provider gets for a subscriber to "a", and what it settles with. */
async function consumeWith(handler: Subscriber, options: TestBusOptions = {}) {
  let deliver: Deliver | undefined;
  const inner = memoryProvider();
  const provider = providerLike(inner, {
    consume(spec, given) {
      deliver = given;
      return inner.consume(spec, given);
    },
  });
  const { bus, clock, logger } = await startTestBus({ ...options, provider });
  bus.subscribe("a", handler, { subscriberId: "s", attempts: 2 });
  await bus.inspect();
  return {
    bus,
    clock,
    logger,
    run(delivery: Partial<Delivery> = {}): Promise<Settlement> {
      return (deliver as Deliver)({ envelope, crashes: 0, ...delivery });
    },
  };
}

describe("deliver", () => {
  test("settles when the handler has ended", async () => {
    const gate = createGate();
    const { run } = await consumeWith(() => gate.opened);
    let settlement: Settlement | undefined;
    const settled = run().then((it) => (settlement = it));
    await new Promise(setImmediate);
    expect(settlement).toBeUndefined();
    gate.open();
    expect(await settled).toEqual({ type: "ack" });
  });

  test.each<[string, Subscriber]>([
    ["throws", () => fail()],
    ["rejects", async () => fail()],
  ])("neither throws nor rejects when the handler %s", async (_, handler) => {
    const { run } = await consumeWith(handler);
    expect(await run()).toMatchObject({ type: "retry", state: { runs: 1 } });
  });

  test.each([
    [0, 50],
    [50, 50],
    [51, 100],
    [399, 400],
    [3_600_000, 800],
    // The clock of its emitter is ahead.
    [-3_600_000, 800],
  ])("hands back what it has no code for, %i ms old, for %i ms", async (ageMs, delayMs) => {
    const { run, clock } = await consumeWith(() => {});
    const metadata = { ...envelope.metadata, published_at: clock.now() - ageMs };
    const settlement = await run({ envelope: { ...envelope, name: "b", metadata } });
    expect(settlement).toEqual({ type: "release", delayMs });
  });

  test("settles what it has no code for, and what crashed too often", async () => {
    const { run } = await consumeWith(() => {});
    expect(await run({ envelope: { ...envelope, name: "b" } })).toMatchObject({ type: "release" });
    expect(await run({ crashes: 6 })).toMatchObject({ type: "dead", reason: "crashed" });
  });

  describe("with a source of random numbers that throws", () => {
    const backoff = { type: "fixed", delay: 0, jitter: 1 } as const;
    const random = (): number => {
      throw new Error("no entropy");
    };
    const options = { random, defaults: { attempts: 2, backoff } };

    test("rejects, and says so in the log", async () => {
      const { run, logger } = await consumeWith(fail, options);
      const policy = { attempts: 2, backoff };
      await expect(run({ envelope: { ...envelope, policy } })).rejects.toThrow(
        "The bus could not settle the delivery",
      );
      expect(logger.at("error")).toMatchObject([
        { fields: { subscriberId: "s", err: { message: "no entropy" } } },
      ]);
    });

    test("leaves the delivery to the queue, which counts a crash", async () => {
      const { bus } = await consumeWith(fail, options);
      const [eventId] = await bus.emit("a", null);
      await bus.settled({ eventId });
      expect(await bus.deadLetters.list({ subscriberId: "s" })).toMatchObject({
        items: [{ reason: "crashed" }],
      });
    });
  });
});

function fail(): never {
  throw new Error("down");
}
