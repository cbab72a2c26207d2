import type {
  ConsumeSpec,
  Delivery,
  EventProvider,
  Settlement,
} from "../../src/contract/provider.ts";
import { matchesPattern } from "../../src/provider/router.ts";

interface Consumer extends ConsumeSpec {
  readonly deliver: (delivery: Delivery) => Promise<Settlement>;
}

/**
 * What somebody writes in an afternoon: it can start, publish, consume and stop, and nothing else.
 * Every consumer gets what it wants at once, one run for each attempt.
 */
export function createMinimalProvider(members: Partial<EventProvider> = {}): EventProvider {
  const consumers = new Set<Consumer>();
  const running = new Set<Promise<void>>();
  let isStopped = false;

  async function run({ deliver }: Consumer, first: Delivery): Promise<void> {
    let settlement = await deliver(first);
    while (settlement.type === "retry" && !isStopped) {
      settlement = await deliver({ ...first, state: settlement.state });
    }
  }

  return {
    name: "minimal",
    capabilities: {
      durable: false,
      payload: "shared",
      delay: false,
      retryDelay: false,
      priority: false,
      deduplication: false,
      ordering: false,
      redeliverAfterMs: 0,
    },
    async start() {},
    async publish(batch) {
      return batch.map((envelope) => {
        const wanting = [...consumers].filter(({ events }) =>
          events.some((event) => matchesPattern(event, envelope.name)),
        );
        for (const consumer of wanting) {
          const ended = run(consumer, { envelope, crashes: 0 }).then(
            () => void running.delete(ended),
          );
          running.add(ended);
        }
        return { status: "accepted", subscriptions: wanting.length };
      });
    },
    async consume(spec, deliver) {
      const consumer = { ...spec, deliver };
      consumers.add(consumer);
      return { close: async () => void consumers.delete(consumer) };
    },
    async stop() {
      isStopped = true;
      await Promise.all(running);
    },
    ...members,
  };
}
