import type { EventModule } from "../../../src/contract/event-module.ts";
import type {
  ConsumeSpec,
  Delivery,
  EventProvider,
  Settlement,
} from "../../../src/contract/provider.ts";

/** Options of {@link valueModule}: what goes wrong, and what waits. */
export interface ValueModuleOptions {
  readonly start?: () => Promise<void>;
  readonly stop?: () => Promise<void>;
  readonly durable?: boolean;
}

interface Consumer {
  readonly spec: ConsumeSpec;
  readonly deliver: (delivery: Delivery) => Promise<Settlement>;
}

/** An event module as a value, and a note of everything that its provider was asked. */
export interface ValueModule extends EventModule {
  readonly calls: string[];
}

/** Makes a module whose provider delivers in this process, in as few lines as that takes. */
export function valueModule(options: ValueModuleOptions = {}): ValueModule {
  const calls: string[] = [];
  const consumers = new Map<string, Consumer>();
  const inFlight = new Set<Promise<unknown>>();
  const provider: EventProvider = {
    name: "small",
    capabilities: {
      durable: options.durable ?? false,
      payload: "shared",
      delay: false,
      retryDelay: false,
      priority: false,
      deduplication: false,
      ordering: false,
      redeliverAfterMs: 0,
    },
    async start() {
      calls.push("start");
      await options.start?.();
    },
    async publish(batch) {
      return batch.map((envelope) => {
        const wanted = [...consumers.values()].filter(({ spec }) =>
          spec.events.includes(envelope.name),
        );
        for (const { deliver } of wanted) {
          const run: Promise<unknown> = deliver({ envelope, crashes: 0 }).finally(() =>
            inFlight.delete(run),
          );
          inFlight.add(run);
        }
        return { status: "accepted", subscriptions: wanted.length };
      });
    },
    async consume(spec, deliver) {
      calls.push(`consume ${spec.subscriptionId}`);
      consumers.set(spec.subscriptionId, { spec, deliver });
      return {
        async close() {
          consumers.delete(spec.subscriptionId);
          await Promise.all(inFlight);
        },
      };
    },
    async stop() {
      await Promise.all(inFlight);
      calls.push("stop");
      await options.stop?.();
    },
  };
  return { name: "small", calls, provider: () => provider };
}
