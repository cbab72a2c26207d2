import type { EventBus } from "@busbar/core";
// @if outbox
import { store } from "./database.ts";
// @end
import type { AppEvents } from "./events.ts";

export type Order = AppEvents["order.placed"];

// @if outbox
/** Writes an order and its event in one transaction: there is both or neither. */
// @end
// @if !outbox
/** Places an order. Resolves once the provider has accepted the event, and does not wait for handlers. */
// @end
export async function placeOrder(bus: EventBus<AppEvents>, order: Order): Promise<void> {
  // @if outbox
  await store.transaction(async (tx) => {
    tx.prepare("INSERT INTO orders VALUES (?, ?)").run(order.orderId, order.totalCents);
    await bus.withTransaction(tx).emit("order.placed", order);
  });
  // @end
  // @if !outbox
  await bus.emit("order.placed", order);
  // @end
}
