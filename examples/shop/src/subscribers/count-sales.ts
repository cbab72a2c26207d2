import { euros, line } from "../output.ts";
import { shopEvents } from "../events.ts";

export default shopEvents.subscriber("order.placed", ({ event }) => {
  line("sales", `${euros(event.data.totalCents)} more today`);
});
