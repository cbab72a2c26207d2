import assert from "node:assert/strict";
import type { BatchSubscriber } from "@busbar/core";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, durable, has } from "../requirements.ts";
import { settled } from "../run-recorder.ts";

/** A subscriber of batches that writes down what it is given, and then does what the case says. */
function recorder(context: CaseContext, work: BatchSubscriber = () => {}) {
  const batches: (readonly [data: unknown, attempt: number])[][] = [];
  const subscriber: BatchSubscriber = (events, batch) => {
    batches.push(events.map((event) => [event.data, batch.attempt(event)]));
    const working = work(events, batch);
    context.waiting.changed();
    return working;
  };
  const has = (count: number): Promise<void> =>
    context.waiting.until(
      () => `${count} events in batches (there were ${batches.flat().length})`,
      () => batches.flat().length >= count,
    );
  return { batches, subscriber, has };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

export const busBatches: readonly ConformanceCase[] = defineCases("bus-batches", [
  {
    id: "full",
    name: "a batch gets all the events that it has room for at the same time",
    promise: "contract: ConsumeSpec.concurrency; bus: a batch has up to maxEvents events",
    async run(context) {
      const bus = await context.bus();
      const { batches, subscriber, has: hasEvents } = recorder(context);
      // Longer than the case: only a batch that is full begins.
      const batch = { maxEvents: 40, maxWaitMs: 600_000 };
      bus.subscribe("a", subscriber, { subscriberId: "mail", batch });
      await bus.start();
      await bus.emit(numbers(80).map((data) => ({ name: "a", data })));
      await hasEvents(80);
      assert.deepEqual(
        batches.map((events) => events.length),
        [40, 40],
      );
      await settled(context, bus);
      assert.equal(batches.length, 2);
    },
  },
  {
    id: "each-alone",
    name: "of a batch, only the event that failed is retried, and only that can die",
    promise: "bus: each event of a batch is acknowledged or fails on its own",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const { batches, subscriber } = recorder(context, (events, { fail }) => {
        for (const event of events) {
          if (event.data === 7) fail(event, new Error("fails, as it should"));
        }
      });
      const batch = { maxEvents: 20, maxWaitMs: 600_000 };
      bus.subscribe("a", subscriber, { subscriberId: "mail", attempts: 2, batch });
      await bus.start();
      await bus.emit(numbers(20).map((data) => ({ name: "a", data })));
      await context.waiting.until("a batch", () => batches.length > 0);
      // The retry waits for others in its batch.
      await bus.emit(numbers(19).map((data) => ({ name: "a", data: data + 100 })));
      await context.waiting.until("the batch of the retry", () => batches.length > 1);
      await settled(context, bus);
      assert.equal(batches.length, 2);
      const retried = batches[1]?.filter(([, attempt]) => attempt > 1);
      assert.deepEqual(retried, [[7, 2]]);
      const { items } = await bus.deadLetters.list();
      assert.deepEqual(
        items.map(({ event, attempts }) => [event.data, attempts]),
        [[7, 2]],
      );
    },
  },
  {
    id: "killed",
    name: "a batch that was in flight when its process was killed comes again, and nothing of it is dead",
    promise: "guarantee: a crash repeats only what had not been recorded as settled",
    when: all(durable, has("admin")),
    limitMs: ({ redeliverAfterMs }) => 20_000 + 2 * redeliverAfterMs,
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      const worker = await context.worker({
        subscriptionId: "mail",
        event: "a",
        concurrency: 1,
        maxCrashes: 5,
        busyMs: 60_000,
        poison: "none",
        killsAfterMs: 0,
        batch: { maxEvents: 10 },
      });
      const ids = await bus.emit(numbers(20).map((data) => ({ name: "a", data })));
      await context.waiting.until("a batch in the worker", () => worker.begun.length > 0);
      await worker.kill();
      const seen = new Set<string>();
      const { batches, subscriber } = recorder(context, (events) => {
        for (const { id } of events) seen.add(id);
      });
      bus.subscribe("a", subscriber, { subscriberId: "mail", batch: { maxEvents: 10 } });
      await context.waiting.until(
        () => `20 events (there were ${seen.size})`,
        () => ids.every((id) => seen.has(id)),
      );
      await settled(context, bus);
      assert.equal(batches.flat().length, 20, "each once");
      assert.deepEqual((await bus.deadLetters.list()).items, []);
    },
  },
]);
