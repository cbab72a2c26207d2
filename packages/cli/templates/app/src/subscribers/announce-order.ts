import { events } from "../events.ts";
import { hooks } from "../webhooks.ts";

/** Announces each order to systems outside the application. */
export default events.subscriber(
  "order.placed",
  async (delivery) => {
    const { orderId, totalCents } = delivery.event.data;
    // @if outbox
    // Within the transaction of the inbox, so that each order is announced once.
    const outgoing = hooks.withTransaction(delivery.tx);
    await outgoing.publish("public.order.placed", { orderId, totalCents });
    // @end
    // @if !outbox
    // The id keeps a delivery that repeats from being announced twice.
    const id = `public-${delivery.event.id}`;
    await hooks.publish("public.order.placed", { orderId, totalCents }, { id });
    // @end
  },
  { attempts: 5, backoff: { type: "exponential", delay: 1_000 } },
);
