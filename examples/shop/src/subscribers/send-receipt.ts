import { line } from "../output.ts";
import { shopEvents } from "../events.ts";
import type { MailServer } from "../services/mail-server.ts";

export default shopEvents.subscriber(
  "order.placed",
  ({ event, container, attempt }) => {
    const { orderId, customer } = event.data;
    try {
      container.resolve<MailServer>("mailServer").send(customer, `Your order ${orderId}`);
    } catch (error) {
      line("receipt", `attempt ${attempt} failed: ${(error as Error).message}`, "yellow");
      throw error;
    }
    line("receipt", `attempt ${attempt} sent it to ${customer}`, "green");
  },
  { attempts: 5, backoff: { type: "exponential", delay: 50 } },
);
