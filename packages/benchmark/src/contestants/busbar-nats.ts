import { createEventBus } from "@busbar/core";
import { EVENT_NAME, type Order } from "../order.ts";
import type { OpenNatsBus } from "./nats-bus.ts";

/** Events of a subscription that are handled at the same time. */
const CONCURRENCY = 100;

/** Busbar's bus with the NATS provider, over that many partitions. All else is its default. */
export function openBusbarNats(partitions: number): OpenNatsBus {
  return async ({ url, handlers, role }) => {
    const { natsProvider } = await import("@busbar/nats");
    const bus = createEventBus({ provider: natsProvider({ servers: url, partitions }), role });
    for (const [index, handler] of handlers.entries()) {
      bus.subscribe<Order>(EVENT_NAME, ({ data }) => handler(data), {
        subscriberId: `subscriber-${index}`,
        concurrency: CONCURRENCY,
      });
    }
    await bus.start();
    return {
      emitOne: (order) => bus.emit(EVENT_NAME, order),
      emitMany: (orders) => bus.emit(orders.map((data) => ({ name: EVENT_NAME, data }))),
      close: () => bus.stop(),
    };
  };
}
