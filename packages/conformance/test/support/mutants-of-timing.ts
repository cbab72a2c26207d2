import { type Clock, type Envelope, type PublishResult, systemClock } from "@busbar/core/provider";
import { ACK } from "../../src/builders.ts";
import {
  consumes,
  faulty,
  faultyDelivery,
  faultyEnvelopes,
  HASTY,
  memoryProvider,
} from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

const LATE: PublishResult = { status: "rejected", code: "refused", reason: "late" };

function wallClockOnly(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.now(),
    setTimeout: (callback, delayMs, options) => clock.setTimeout(callback, delayMs, options),
  };
}

/** It stands still, and its timers never fire. */
const standing: Clock = {
  now: () => 1_700_000_000_000,
  monotonic: () => 0,
  setTimeout: () => ({ cancel() {} }),
};

function later(envelope: Envelope, ms: number): Envelope {
  const { delayMs } = envelope;
  return delayMs === undefined ? envelope : { ...envelope, delayMs: delayMs + ms };
}

export const timingMutants: readonly Mutant[] = [
  {
    mistake: "loses the order of a key after a retry",
    caughtBy: ["ordering/across-retry", "bus-delivery/ordered-failure"],
    harness: () => {
      const retried = new Set<string>();
      return faultyDelivery((deliver, _, inner) => async (it) => {
        const state = retried.has(it.envelope.id) ? { runs: 1, errors: [] } : it.state;
        const settlement = await deliver({ ...it, state });
        if (settlement.type !== "retry" || retried.has(it.envelope.id)) return settlement;
        retried.add(it.envelope.id);
        await inner.publish([it.envelope], {
          deadline: performance.now() + 1_000,
          inHandler: true,
        });
        return ACK;
      });
    },
  },
  {
    mistake: "orders nothing by key",
    caughtBy: ["ordering/by-key", "ordering/across-retry"],
    harness: () => faultyEnvelopes((it) => ({ ...it, orderingKey: undefined })),
  },
  {
    mistake: "orders by key what asks for no order",
    caughtBy: ["ordering/none"],
    harness: () => consumes((spec) => ({ ...spec, ordering: "key" })),
  },
  {
    mistake: "takes block for park",
    caughtBy: ["ordering/block-replay", "ordering/block-discard"],
    harness: () => consumes((spec) => ({ ...spec, onOrderedFailure: "park" })),
  },
  {
    mistake: "takes park for block",
    caughtBy: ["ordering/park", "ordering/park-replay"],
    harness: () => consumes((spec) => ({ ...spec, onOrderedFailure: "block" })),
  },
  {
    mistake: "ignores the delay of an envelope",
    caughtBy: ["delay/not-before", "bus/delay"],
    harness: () => faultyEnvelopes((it) => ({ ...it, delayMs: undefined })),
  },
  {
    mistake: "cannot count beyond 24.8 days",
    caughtBy: ["delay/far-future"],
    harness: () =>
      faultyEnvelopes((it) => ((it.delayMs ?? 0) > 2 ** 31 ? { ...it, delayMs: undefined } : it)),
  },
  {
    mistake: "counts durations by the wall clock",
    caughtBy: ["clocks/delay-while-set", "clocks/dead-letters", "clocks/deduplication"],
    harness: () =>
      faulty((inner) => ({
        start: (context) => inner.start({ ...context, clock: wallClockOnly(context.clock) }),
      })),
  },
  {
    mistake: "goes by the clock that it brings, and not by the one that it is given",
    caughtBy: ["delay/not-before"],
    harness: () =>
      faulty((inner) => ({
        clock: standing,
        start: (context) => inner.start({ ...context, clock: standing }),
      })),
    without: () => faulty(() => ({ clock: standing })),
  },
  {
    mistake: "brings a clock that goes backwards",
    caughtBy: ["clocks/own"],
    harness: () => {
      const monotonic = (): number => -systemClock.monotonic();
      return faulty(() => ({ clock: { ...standing, now: () => Date.now(), monotonic } }));
    },
    without: () => faulty(() => ({ clock: systemClock })),
  },
  {
    mistake: "brings random numbers beyond 1",
    caughtBy: ["clocks/own-random"],
    harness: () => faulty(() => ({ random: () => Math.random() * 100 })),
    without: () => faulty(() => ({ random: Math.random })),
  },
  {
    mistake: "takes a publish for late by the wall clock",
    caughtBy: ["clocks/publish"],
    harness: () =>
      faulty((inner) => {
        let clock = systemClock;
        return {
          start: (context) => {
            clock = context.clock;
            return inner.start(context);
          },
          async publish(batch, options) {
            const deadline = clock.now() + options.deadline - clock.monotonic();
            const results = await inner.publish(batch, options);
            return clock.now() < deadline ? results : batch.map(() => LATE);
          },
        };
      }),
  },
  {
    mistake: "delays until a moment of the emitter's clock",
    caughtBy: ["clocks/delay"],
    harness: () =>
      faulty((inner) => {
        let aheadMs = 0;
        return {
          start: (context) => {
            aheadMs = context.clock.now() - Date.now();
            return inner.start(context);
          },
          publish: (batch, options) =>
            inner.publish(
              batch.map((it) => later(it, aheadMs)),
              options,
            ),
        };
      }),
  },
  {
    mistake: "reverses priorities",
    caughtBy: ["priority/most-urgent-first"],
    harness: () => faultyEnvelopes((it) => ({ ...it, priority: 2_097_152 - (it.priority ?? 100) })),
  },
  {
    mistake: "puts what has no priority first",
    caughtBy: ["priority/most-urgent-first"],
    harness: () => faultyEnvelopes((it) => ({ ...it, priority: it.priority ?? 1 })),
  },
  {
    mistake: "forgets deduplicationIds",
    caughtBy: ["deduplication/once", "bus/deduplication"],
    harness: () => faultyEnvelopes((it) => ({ ...it, deduplicationId: undefined })),
  },
  {
    mistake: "deduplicates across subscriptions",
    caughtBy: ["deduplication/per-subscription"],
    harness: () => {
      const seen = new Set<string>();
      return faulty((inner) => ({
        publish: async (batch, options) => {
          const results: PublishResult[] = [];
          for (const it of batch) {
            const id = it.deduplicationId;
            if (id !== undefined && seen.has(id))
              results.push({ status: "duplicate", subscriptions: 1 });
            else results.push(...(await inner.publish([it], options)));
            if (id !== undefined) seen.add(id);
          }
          return results;
        },
      }));
    },
  },
  {
    mistake: "remembers deduplicationIds for ever",
    caughtBy: ["deduplication/window"],
    harness: () => ({
      create: ({ maxPending }) => memoryProvider({ maxPending }),
      adjusts: ["deduplicationWindowMs"],
      timing: HASTY,
    }),
  },
  {
    mistake: "says that it does not deduplicate, and does",
    caughtBy: ["deduplication/declined"],
    harness: () =>
      faulty((inner) => ({ capabilities: { ...inner.capabilities, deduplication: false } })),
    without: () =>
      faulty((inner) => ({
        capabilities: { ...inner.capabilities, deduplication: false },
        publish: (batch, options) => {
          const plain = batch.map((it) => ({ ...it, deduplicationId: undefined }));
          return inner.publish(plain, options);
        },
      })),
  },
  {
    mistake: "lets an emit in a handler wait for room",
    caughtBy: ["back-pressure/in-handler"],
    harness: () =>
      faulty((inner) => ({
        publish: (batch, options) => inner.publish(batch, { ...options, inHandler: false }),
      })),
  },
  {
    mistake: "says that it takes batches as a whole, and takes what there is room for",
    caughtBy: ["batch/whole"],
    harness: () =>
      faulty((inner) => ({ capabilities: { ...inner.capabilities, wholeBatches: true } })),
    without: () =>
      faulty((inner) => ({
        capabilities: { ...inner.capabilities, wholeBatches: true },
        publish: async (batch, options) =>
          batch.length === 1
            ? inner.publish(batch, options)
            : batch.map(() => ({ status: "rejected", code: "overloaded", reason: "no room" })),
      })),
  },
  {
    mistake: "takes more than it has room for",
    caughtBy: ["back-pressure/waits", "back-pressure/deadline"],
    harness: () =>
      faulty((inner) => ({
        publish: (batch, options) => inner.publish(batch, { ...options, inHandler: true }),
      })),
  },
  {
    mistake: "answers in another order",
    caughtBy: ["batch/positional"],
    harness: () =>
      faulty((inner) => ({
        publish: async (batch, options) => (await inner.publish(batch, options)).toReversed(),
      })),
  },
  {
    mistake: "accepts before it has anything",
    caughtBy: ["fan-out/atomic"],
    harness: () =>
      faulty((inner) => ({
        publish: async (batch, options) => {
          setTimeout(() => void inner.publish(batch, options), 10);
          return batch.map(() => ({ status: "accepted", subscriptions: 5 }));
        },
      })),
  },
];
