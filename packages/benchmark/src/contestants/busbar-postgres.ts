import { createEventBus } from "@busbar/core";
import { EVENT_NAME, type Order } from "../order.ts";
import type { OpenPostgresBus } from "./postgres-bus.ts";

/** Events of a subscription that are handled at the same time: as many as graphile-worker runs jobs. */
const CONCURRENCY = 24;

/** Busbar's bus with the PostgreSQL provider and its defaults. */
export const openBusbarPostgres: OpenPostgresBus = async ({ url, handlers, role }) => {
  const { postgresProvider } = await import("@busbar/postgres");
  const bus = createEventBus({ provider: postgresProvider({ connectionString: url }), role });
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
    emitWithin: (client, order) => bus.withTransaction(client).emit(EVENT_NAME, order),
    close: () => bus.stop(),
  };
};
