import { createPollingConsumer, createRouter, defineProvider } from "@busbar/core/provider";
import type { Delivery, EventProvider } from "@busbar/core/provider";

export function tinyProvider(): EventProvider {
  return defineProvider({
    name: "tiny",
    capabilities: { durable: false, payload: "shared", redeliverAfterMs: 0 },
    async open({ report, ...context }) {
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
          const options = { ...context, ...spec, deliver };
          return createPollingConsumer<Delivery>({
            ...options,
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
            if (count > 0) report({ type: "discarded", subscriptionId, count });
        },
      };
    },
  });
}
