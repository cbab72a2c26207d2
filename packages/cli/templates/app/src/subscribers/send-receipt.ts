import { events } from "../events.ts";
import type { Mailer } from "../mailer.ts";

/** Sends a receipt for each order. The name of the file is the id of the subscription. */
export default events.subscriber(
  "order.placed",
  async ({ event, container }) => {
    const { orderId, customer, totalCents } = event.data;
    await container.resolve<Mailer>("mailer").send({
      key: `receipt-${event.id}`,
      to: customer,
      text: `receipt for order ${orderId} over ${(totalCents / 100).toFixed(2)}`,
    });
  },
  { attempts: 5, backoff: { type: "exponential", delay: 1_000 } },
);
