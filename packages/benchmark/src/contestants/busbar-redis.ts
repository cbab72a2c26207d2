import { createEventBus } from "@busbar/core";
import type { Plugin } from "@busbar/core/plugin";
import { EVENT_NAME, type Order } from "../order.ts";
import { createBusbarWorkflow } from "./busbar-workflow.ts";
import type { RedisBus, RedisBusOptions } from "./redis-bus.ts";

/** Busbar's bus with the Redis provider and defaults. */
export async function openBusbarRedis({
  url,
  handlers,
  concurrency,
  role,
  plugins = [],
}: RedisBusOptions & { readonly plugins?: readonly Plugin[] }): Promise<RedisBus> {
  // Imported here: what it loads shall not be in the processes of the other contestants.
  const { redisProvider } = await import("@busbar/redis");
  const bus = createEventBus({ provider: redisProvider({ redisUrl: url }), role, plugins });
  for (const [index, handler] of handlers.entries()) {
    bus.subscribe<Order>(EVENT_NAME, ({ data }) => handler(data), {
      subscriberId: `subscriber-${index}`,
      concurrency,
    });
  }
  await bus.start();
  return {
    emitOne: (order) => bus.emit(EVENT_NAME, order),
    emitMany: (orders) => bus.emit(orders.map((data) => ({ name: EVENT_NAME, data }))),
    stage: (data, eventGroupId) => bus.emit({ name: EVENT_NAME, data, metadata: { eventGroupId } }),
    release: (eventGroupId) => bus.releaseGroupedEvents(eventGroupId),
    openWorkflow: () => createBusbarWorkflow({ resolve: () => bus }),
    close: () => bus.stop(),
  };
}
