import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";

const bus = createEventBus({ provider: localProvider() });

bus.subscribe<{ orderId: string }>(
  "order.placed",
  ({ data }, { attempt }) => {
    if (attempt === 1) throw new Error("the mail server is busy");
    console.log(`Receipt for order ${data.orderId} sent at attempt ${attempt}`);
  },
  { subscriberId: "send-receipt", attempts: 3, backoff: 100 },
);

await bus.start();
await bus.emit("order.placed", { orderId: "42" });
await bus.settled();
await bus.stop();
