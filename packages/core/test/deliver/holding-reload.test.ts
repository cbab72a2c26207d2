import { beforeAll, describe, expect, test } from "vitest";
import type {
  BatchOptions,
  BatchSubscriber,
  SubscriberContext,
} from "../../src/contract/subscriber.ts";
import { subscribeWith } from "../../src/event-bus.ts";
import { emitMany, numbers, watchBatches } from "../support/batches.ts";
import { idle } from "../support/manual-clock.ts";
import { createGate, startTestBus, type TestBus } from "../support/test-bus.ts";

const batch = { maxEvents: 5 };
const rate = { max: 1, perMs: 1_000 };

/** Subscribes again, as a reload of the file does. */
function reload(
  { bus }: TestBus,
  handler: BatchSubscriber,
  context: Omit<SubscriberContext<BatchOptions | undefined>, "subscriberId">,
): void {
  subscribeWith(
    bus,
    ["a"],
    handler as never,
    { subscriberId: "mail", ...context },
    { replaces: ["a"] },
  );
}

// It is loaded with the first subscription that needs it, while the manual clock does not wait for that.
beforeAll(() => import("../../src/deliver/holding-intake.ts"));

describe("a subscriber that is loaded again", () => {
  test("with batches now, gets each event that the earlier consumer still delivers", async () => {
    const it = await startTestBus();
    const seen: unknown[] = [];
    const gate = createGate();
    const one = ({ data }: { readonly data: unknown }): Promise<void> => {
      seen.push(data);
      return gate.opened;
    };
    it.bus.subscribe("a", one, { subscriberId: "mail", concurrency: 1 });
    await emitMany(it, numbers(20));
    await idle();
    reload(it, (events) => void seen.push(...events.map(({ data }) => data)), { batch });
    gate.open();
    await it.clock.advance(1_000);
    expect((await it.bus.inspect()).counters.acknowledged).toBe(20);
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(20));
  });

  test("without its rate now, gets its batches without one", async () => {
    const it = await startTestBus();
    let released = 0;
    it.bus.on("released", () => void (released += 1));
    const batches = watchBatches(it, batch, { rate });
    const handler: BatchSubscriber = (events) => void batches.push(events.map(({ data }) => data));
    await emitMany(it, [0]);
    await idle();
    reload(it, handler, { batch });
    for (const data of [1, 2]) {
      await emitMany(it, [data]);
      await idle();
    }
    expect(batches).toEqual([[0], [1], [2]]);
    expect(released).toBe(0);
  });

  test("with a rate again, still counts the starts before", async () => {
    const it = await startTestBus();
    const batches = watchBatches(it, batch, { rate });
    const handler: BatchSubscriber = (events) => void batches.push(events.map(({ data }) => data));
    await emitMany(it, [0]);
    await idle();
    reload(it, handler, { batch });
    await it.bus.settled();
    reload(it, handler, { batch, rate });
    await emitMany(it, [1]);
    await it.clock.advance(999);
    expect(batches).toEqual([[0]]);
    await it.clock.advance(1);
    expect(batches).toEqual([[0], [1]]);
  });

  test("loses no event in any change of its rate and batches", async () => {
    const it = await startTestBus();
    const seen: unknown[] = [];
    const both = (given: unknown): void => {
      const events = (Array.isArray(given) ? given : [given]) as readonly {
        readonly data: unknown;
      }[];
      seen.push(...events.map(({ data }) => data));
    };
    const often = { max: 3, perMs: 10 };
    const ways = [{}, { batch }, { rate: often }, { batch, rate: often }];
    it.bus.subscribe("a", both, { subscriberId: "mail" });
    let count = 0;
    for (const from of ways) {
      for (const to of ways) {
        reload(it, both, from);
        await emitMany(it, numbers(4, count));
        reload(it, both, to);
        await it.clock.advance(3);
        count += 4;
      }
    }
    await it.clock.advance(2_000);
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(count));
    expect((await it.bus.inspect()).subscriptions).toMatchObject([{ ready: 0, inFlight: 0 }]);
  });
});
