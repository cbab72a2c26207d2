import {
  createPollingConsumer,
  createRouter,
  defineProvider,
  type Delivery,
  type EventProvider,
} from "@busbar/core/provider";

/**
 * Carries events in the memory of one process. Replace the map of queues by your store, step by step, and run the
 * conformance suite after each step. Declare a capability once the provider has it.
 */
export function acmeProvider(): EventProvider {
  return defineProvider({
    name: "acme",
    capabilities: { durable: false, payload: "shared", redeliverAfterMs: 0 },
    async open(context) {
      const router = createRouter();
      const queues = new Map<string, Delivery[]>();
      return {
        publish: async (batch) =>
          batch.map((envelope) => {
            const ids = router.match(envelope.name);
            for (const id of ids) queues.get(id)?.push({ envelope, crashes: 0 });
            return { status: "accepted", subscriptions: ids.length };
          }),
        async consume(spec, deliver) {
          const queue = queues.get(spec.subscriptionId) ?? [];
          queues.set(spec.subscriptionId, queue);
          router.add(spec.subscriptionId, spec.events);
          return createPollingConsumer<Delivery>({
            ...context,
            ...spec,
            deliver,
            fetch: async (max) => queue.splice(0, max).map((it) => ({ token: it, delivery: it })),
            async settle(it, { type, ...settlement }) {
              if (type === "retry") queue.push({ ...it, ...settlement, crashes: 0 });
              if (type === "release") queue.push(it);
            },
            crash: async (it) => void queue.push({ ...it, crashes: it.crashes + 1 }),
          });
        },
        async close() {
          for (const [subscriptionId, { length: count }] of queues)
            if (count > 0) context.report({ type: "discarded", subscriptionId, count });
        },
      };
    },
  });
}
