import type { Delivery, PublishResult } from "@busbar/core/provider";
import type { MemoryProvider } from "@busbar/core/memory";
import type { ProviderHarness } from "../../src/harness.ts";
import { faulty, faultyDelivery } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

type AtOnce = NonNullable<MemoryProvider["tryPublish"]>;

const SOON = { deadline: Number.POSITIVE_INFINITY, inHandler: true };

/** The memory provider with another way to publish at once. */
function atOnce(change: (inner: MemoryProvider) => AtOnce): ProviderHarness {
  return faulty((inner) => ({ tryPublish: change(inner) }));
}

function mutant(
  mistake: string,
  caughtBy: readonly string[],
  change: (inner: MemoryProvider) => AtOnce,
): Mutant {
  return {
    mistake,
    caughtBy,
    harness: () => atOnce(change),
    without: () => atOnce((inner) => (batch) => inner.tryPublish?.(batch)),
  };
}

function accepted(batch: readonly unknown[]): readonly PublishResult[] {
  return batch.map(() => ({ status: "accepted", subscriptions: 1 }));
}

export const atOnceMutants: readonly Mutant[] = [
  mutant("publishes at once what there is room for", ["at-once/whole"], (inner) => (batch) => {
    const results = inner.tryPublish?.(batch);
    if (!results) for (const it of batch) inner.tryPublish?.([it]);
    return results;
  }),
  mutant(
    "publishes at once what there is no room for",
    ["at-once/whole", "at-once/behind-those-that-wait"],
    (inner) => (batch) => {
      void inner.publish(batch, SOON).catch(() => {});
      return accepted(batch);
    },
  ),
  mutant(
    "publishes at once and says that it has not",
    ["at-once/as-publish"],
    (inner) => (batch) => void inner.tryPublish?.(batch),
  ),
  mutant("counts no subscriptions when it publishes at once", ["at-once/as-publish"], (inner) => {
    return (batch) => inner.tryPublish?.(batch) && accepted(batch);
  }),
  mutant("answers a publish at once with one result", ["at-once/as-publish"], (inner) => {
    return (batch) => inner.tryPublish?.(batch)?.slice(0, 1);
  }),
  mutant(
    "accepts at once while it is not open",
    ["at-once/while-open"],
    (inner) => (batch) => inner.tryPublish?.(batch) ?? accepted(batch),
  ),
  mutant("puts off what it publishes at once", ["at-once/order"], (inner) => (batch) => {
    setTimeout(() => void inner.publish(batch, SOON).catch(() => {}), 5);
    return accepted(batch);
  }),
  mutant("forgets deduplicationIds at once", ["at-once/duplicates"], (inner) => (batch) => {
    return inner.tryPublish?.(batch.map((it) => ({ ...it, deduplicationId: undefined })));
  }),
  mutant("ignores the delay of what it publishes at once", ["at-once/delay"], (inner) => {
    return (batch) => inner.tryPublish?.(batch.map((it) => ({ ...it, delayMs: undefined })));
  }),
  {
    mistake: "runs handlers within a publish at once",
    caughtBy: ["at-once/hands-over-later"],
    harness: () =>
      faulty((inner) => {
        let deliver: ((it: Delivery) => Promise<unknown>) | undefined;
        return {
          consume: (spec, given) => inner.consume(spec, (deliver = given)),
          tryPublish(batch) {
            for (const envelope of batch) void deliver?.({ envelope, crashes: 0 });
            return accepted(batch);
          },
        };
      }),
    without: () => atOnce((inner) => (batch) => inner.tryPublish?.(batch)),
  },
];

export const declinedMutants: readonly Mutant[] = [
  {
    mistake: "has no admin part, and delivers again what is dead",
    caughtBy: ["capabilities/no-admin-refused"],
    harness: () => {
      const dying = faultyDelivery((deliver) => async (it) => {
        const settlement = await deliver(it);
        return settlement.type === "dead"
          ? { ...settlement, type: "retry", delayMs: 0 }
          : settlement;
      });
      return without("admin", dying);
    },
    without: () =>
      without(
        "admin",
        faulty(() => ({})),
      ),
  },
  {
    mistake: "has no subscription list, and routes what is consumed once only",
    caughtBy: ["capabilities/no-list-refused"],
    harness: () =>
      faulty((inner) => ({
        subscriptions: undefined,
        publish: async (batch, options) => {
          const results = await inner.publish(batch, options);
          await inner.subscriptions.retire("mail", { backlog: "keep" });
          return results;
        },
      })),
    without: () =>
      without(
        "subscriptions",
        faulty(() => ({})),
      ),
  },
];

function without(part: "admin" | "subscriptions", harness: ProviderHarness): ProviderHarness {
  return {
    ...harness,
    create: async (request) => ({ ...(await harness.create(request)), [part]: undefined }),
  };
}
