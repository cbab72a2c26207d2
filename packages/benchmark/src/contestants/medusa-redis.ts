import { EVENT_NAME, type Order } from "../order.ts";
import { requirePeer } from "../peers.ts";
import { type MedusaMessage, silentLogger } from "./medusa.ts";
import { createMedusaWorkflow } from "./medusa-workflow.ts";
import type { RedisBus, RedisBusOptions } from "./redis-bus.ts";

interface MedusaRedisBus {
  readonly __hooks: {
    onApplicationStart(): Promise<void>;
    onApplicationPrepareShutdown(): Promise<void>;
    onApplicationShutdown(): Promise<void>;
  };
  releaseGroupedEvents(eventGroupId: string): Promise<void>;
  emit(messages: MedusaMessage | readonly MedusaMessage[]): Promise<void>;
  subscribe(
    name: string,
    handler: (event: { readonly data: Order }) => Promise<void>,
    context: { readonly subscriberId: string },
  ): void;
}

type Resolvers = Readonly<Record<string, { resolve(): unknown }>>;

interface MedusaRedisModule {
  readonly default: {
    readonly service: new (
      dependencies: object,
      options: object,
      declaration: object,
    ) => MedusaRedisBus;
    readonly loaders: readonly ((application: {
      readonly container: { register(resolvers: Resolvers): void };
      readonly logger: object;
      readonly options: object;
    }) => Promise<void>)[];
  };
}

/**
 * Medusa's bus on Redis with the connection and the defaults that its own loader makes, without the
 * application. One job is one event, and runs all subscribers.
 */
export async function openMedusaRedis({
  url,
  handlers,
  concurrency,
  role,
}: RedisBusOptions): Promise<RedisBus> {
  const { service: Service, loaders } = requirePeer<MedusaRedisModule>(
    "@medusajs/event-bus-redis",
  ).default;
  const dependencies: Record<string, unknown> = { logger: silentLogger };
  const container = {
    register(resolvers: Resolvers) {
      for (const [name, resolver] of Object.entries(resolvers)) {
        dependencies[name] = resolver.resolve();
      }
    },
  };
  const options = { redisUrl: url, workerOptions: { concurrency } };
  for (const load of loaders) await load({ container, logger: silentLogger, options });
  const bus = new Service(dependencies, options, { worker_mode: role });
  for (const [index, handler] of handlers.entries()) {
    bus.subscribe(EVENT_NAME, ({ data }) => handler(data), {
      subscriberId: `subscriber-${index}`,
    });
  }
  await bus.__hooks.onApplicationStart();
  return {
    emitOne: (data) => bus.emit({ name: EVENT_NAME, data }),
    emitMany: (orders) => bus.emit(orders.map((data) => ({ name: EVENT_NAME, data }))),
    stage: (data, eventGroupId) => bus.emit({ name: EVENT_NAME, data, metadata: { eventGroupId } }),
    release: (eventGroupId) => bus.releaseGroupedEvents(eventGroupId),
    openWorkflow: () => createMedusaWorkflow(bus),
    close: async () => {
      await bus.__hooks.onApplicationPrepareShutdown();
      await bus.__hooks.onApplicationShutdown();
    },
  };
}
