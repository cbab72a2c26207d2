import { createEventBus } from "@busbar/core";
import { sqliteProvider } from "../src/index.ts";

interface OrderPlaced {
  readonly order: number;
}

const [directory = ".", ...args] = process.argv.slice(2);
const bus = createEventBus({
  name: "shop",
  provider: sqliteProvider({ directory, leaseMs: 1_000 }),
});

bus.subscribe<OrderPlaced>(
  "order.placed",
  async ({ data: { order } }) => {
    if (order === 8 && args.includes("hang")) {
      process.send?.({ did: "hang", order });
      await new Promise(() => {});
    }
    process.send?.({ did: "receipt", order });
  },
  { subscriberId: "send-receipt", concurrency: 1 },
);

await bus.start();
if (args.includes("emit")) {
  const orders = Array.from({ length: 20 }, (_, index) => ({ order: index + 1 }));
  await bus.emit(orders.map((data) => ({ name: "order.placed", data })));
}
await bus.settled();
await bus.stop();
process.disconnect?.();
