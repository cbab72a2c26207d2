import { describe, expect, test } from "vitest";
import type { DeliverTo, Delivery, Envelope, Settlement } from "../../src/contract/provider.ts";
import type { Subscriber } from "../../src/contract/subscriber.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

const envelope: Envelope = {
  id: "1",
  name: "a",
  data: null,
  metadata: { created_at: 0, published_at: 0, correlationId: "1" },
};

/** The `deliverTo` that a provider gets for a subscriber to "a", and what it settles with. */
async function consumeWith(handler: Subscriber) {
  let deliverTo: DeliverTo | undefined;
  const inner = memoryProvider();
  const provider = providerLike(inner, {
    consume(spec, deliver, given) {
      deliverTo = given;
      return inner.consume(spec, deliver);
    },
  });
  const { bus, clock } = await startTestBus({ provider });
  bus.subscribe("a", handler, { subscriberId: "s", attempts: 2 });
  await bus.inspect();
  const settlements: Settlement[] = [];
  return {
    clock,
    settlements,
    run(delivery: Partial<Delivery> = {}): void {
      deliverTo?.({ envelope, crashes: 0, ...delivery }, (it) => void settlements.push(it));
    },
  };
}

describe("deliverTo", () => {
  test("settles before it returns when the handler is not asynchronous", async () => {
    const { run, settlements } = await consumeWith(() => {});
    run();
    expect(settlements).toEqual([{ type: "ack" }]);
  });

  test("settles when the handler has ended", async () => {
    const gate = createGate();
    const { run, settlements } = await consumeWith(() => gate.opened);
    run();
    await Promise.resolve();
    expect(settlements).toEqual([]);
    gate.open();
    await expect.poll(() => settlements).toEqual([{ type: "ack" }]);
  });

  test.each<[string, Subscriber]>([
    ["throws", () => fail()],
    ["rejects", async () => fail()],
  ])("does not throw when the handler %s", async (_, handler) => {
    const { run, settlements } = await consumeWith(handler);
    run();
    await expect.poll(() => settlements).toMatchObject([{ type: "retry", state: { runs: 1 } }]);
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
    const { run, settlements, clock } = await consumeWith(() => {});
    const metadata = { ...envelope.metadata, published_at: clock.now() - ageMs };
    run({ envelope: { ...envelope, name: "b", metadata } });
    expect(settlements).toEqual([{ type: "release", delayMs }]);
  });

  test("settles what it has no code for, and what crashed too often", async () => {
    const { run, settlements } = await consumeWith(() => {});
    run({ envelope: { ...envelope, name: "b" } });
    run({ crashes: 6 });
    expect(settlements).toMatchObject([{ type: "release" }, { type: "dead", reason: "crashed" }]);
  });
});

function fail(): never {
  throw new Error("down");
}
