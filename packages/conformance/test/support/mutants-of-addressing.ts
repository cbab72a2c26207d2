import type { MemoryProvider } from "@busbar/core/memory";
import type { Envelope, PublishResult } from "@busbar/core/provider";
import type { ProviderHarness } from "../../src/harness.ts";
import { faulty, faultyEnvelopes } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

type Cancel = NonNullable<MemoryProvider["admin"]["cancel"]>;

/** Of `cancel`, of the `to` of envelopes, and of `next`. */
export const addressingMutants: readonly Mutant[] = [
  {
    mistake: "says that it has cancelled, and has not",
    caughtBy: ["cancel/delayed", "cancel/ready"],
    harness: () =>
      cancels((inner) => async (eventId) => {
        const count = async (id: string): Promise<number> =>
          (await inner.admin.listWaiting?.(id, { limit: 100, eventId }))?.items.length ?? 0;
        return (await count("mail")) + (await count("stock"));
      }),
  },
  {
    mistake: "cancels one delivery of an event",
    caughtBy: ["cancel/delayed"],
    harness: () =>
      cancels((inner) => async (eventId, options) => {
        const subscriptionId = "mail";
        return (await inner.admin.cancel?.(eventId, { ...options, subscriptionId })) ?? 0;
      }),
  },
  {
    mistake: "drains what it should cancel",
    caughtBy: ["cancel/ready"],
    harness: () =>
      cancels(
        (inner) => async () => (await inner.admin.drain?.("mail", { backlog: "discard" })) ?? 0,
      ),
  },
  {
    mistake: "cancels only what has not run yet",
    caughtBy: ["cancel/retrying", "cancel/in-order"],
    harness: () => {
      const begun = new Set<string>();
      return faulty((inner) => ({
        consume: (spec, deliver) =>
          inner.consume(spec, (delivery) => {
            begun.add(delivery.envelope.id);
            return deliver(delivery);
          }),
        admin: {
          ...inner.admin,
          cancel: async (eventId, options) =>
            begun.has(eventId) ? 0 : ((await inner.admin.cancel?.(eventId, options)) ?? 0),
        },
      }));
    },
  },
  {
    mistake: "takes back what is in flight",
    caughtBy: ["cancel/in-flight"],
    harness: () => {
      const unwanted = new Set<string>();
      return faulty((inner) => ({
        consume: (spec, deliver) =>
          inner.consume(spec, async (delivery) => {
            const settlement = await deliver(delivery);
            return unwanted.has(delivery.envelope.id) ? { type: "ack" } : settlement;
          }),
        admin: {
          ...inner.admin,
          cancel: async (eventId, options) => {
            unwanted.add(eventId);
            return (await inner.admin.cancel?.(eventId, options)) ?? 0;
          },
        },
      }));
    },
  },
  {
    mistake: "discards dead letters of what it cancels",
    caughtBy: ["cancel/dead-stay"],
    harness: () =>
      cancels((inner) => async (eventId, options) => {
        const { items } = await inner.admin.listDead("mail", { limit: 1_000 });
        const ids = items.filter(({ envelope }) => envelope.id === eventId).map(({ id }) => id);
        const count = (await inner.admin.cancel?.(eventId, options)) ?? 0;
        return count + (await inner.admin.discardDead("mail", ids));
      }),
  },
  {
    mistake: "cancels an event of one subscription in all of them",
    caughtBy: ["cancel/one-subscription"],
    harness: () =>
      cancels((inner) => async (eventId) => (await inner.admin.cancel?.(eventId, {})) ?? 0),
  },
  {
    mistake: "remembers the deduplicationId of what was cancelled",
    caughtBy: ["cancel/deduplication"],
    harness: () => {
      const seen = new Set<string>();
      return publishes((inner, envelope, publish) => {
        const { deduplicationId } = envelope;
        if (deduplicationId === undefined || !seen.has(deduplicationId)) {
          if (deduplicationId !== undefined) seen.add(deduplicationId);
          return publish(envelope);
        }
        return Promise.resolve({ status: "duplicate", subscriptions: 2 });
      });
    },
  },
  {
    mistake: "delivers to everybody what is meant for some",
    caughtBy: ["to/named", "to/in-order", "to/delayed", "to/on-the-bus"],
    harness: () => faultyEnvelopes((envelope) => ({ ...envelope, to: undefined })),
  },
  {
    mistake: "does not know earlier ids of the subscriptions in to",
    caughtBy: ["to/named"],
    harness: () =>
      publishes((_, envelope, publish) => {
        const { to } = envelope;
        if (!to?.includes("letters")) return publish(envelope);
        return publish({ ...envelope, to: to.filter((id) => id !== "letters") });
      }),
  },
  {
    mistake: "delivers to the subscriptions in to that it knows",
    caughtBy: ["to/unknown"],
    harness: () =>
      publishes(async (inner, envelope, publish) => {
        const result = await publish(envelope);
        if (result.status !== "rejected" || !envelope.to?.includes("mail")) return result;
        await publish({ ...envelope, to: ["mail"] });
        return result;
      }),
  },
  {
    mistake: "does not say which subscription in to it does not know",
    caughtBy: ["to/unknown"],
    harness: () =>
      publishes(async (_, envelope, publish) => {
        const result = await publish(envelope);
        return result.status === "rejected" ? { ...result, subscriptionId: undefined } : result;
      }),
  },
  {
    mistake: "remembers a deduplicationId for subscriptions that are not in to",
    caughtBy: ["to/deduplication"],
    harness: () => {
      const seen = new Set<string>();
      return publishes((_, envelope, publish) => {
        const { deduplicationId } = envelope;
        const isAgain = deduplicationId !== undefined && seen.has(deduplicationId);
        if (isAgain) return Promise.resolve({ status: "duplicate", subscriptions: 1 });
        if (deduplicationId !== undefined) seen.add(deduplicationId);
        return publish(envelope);
      });
    },
  },
  {
    mistake: "keeps temporary subscriptions",
    caughtBy: ["bus/next"],
    harness: () =>
      faulty((inner) => ({
        subscriptions: {
          ...inner.subscriptions,
          retire: async (id, options) =>
            id.startsWith("next:") ? 0 : inner.subscriptions.retire(id, options),
        },
      })),
  },
];

function cancels(cancel: (inner: MemoryProvider) => Cancel): ProviderHarness {
  return faulty((inner) => ({ admin: { ...inner.admin, cancel: cancel(inner) } }));
}

/** Publishes each envelope as the mistake has it. */
function publishes(
  change: (
    inner: MemoryProvider,
    envelope: Envelope,
    publish: (envelope: Envelope) => Promise<PublishResult>,
  ) => Promise<PublishResult>,
): ProviderHarness {
  return faulty((inner) => ({
    async publish(batch, options) {
      const publish = async (envelope: Envelope): Promise<PublishResult> => {
        const [result] = await inner.publish([envelope], options);
        return result as PublishResult;
      };
      const results: PublishResult[] = [];
      for (const envelope of batch) results.push(await change(inner, envelope, publish));
      return results;
    },
  }));
}
