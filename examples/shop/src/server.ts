// Takes orders, and handles no event itself: workers do, in processes of their own.
import { createApp } from "@busbar/core";

import { heading, line } from "./output.ts";
import { placeOrder } from "./workflows/place-order.ts";

const ORDERS = 20;

const app = await createApp();
await app.start();

heading(`${ORDERS} orders. Every fourth card is declined.`);
let placed = 0;
for (let number = 2001; number < 2001 + ORDERS; number += 1) {
  const { errors } = await placeOrder(app.container).run({
    input: {
      orderId: String(number),
      customer: `customer-${number}@example.com`,
      country: "DE",
      card: number % 4 === 0 ? "4000 0000 0000 0002" : "4242 4242 4242 4242",
      lines: [{ sku: "pen", cents: 300, quantity: 1 }],
    },
    throwOnError: false,
  });
  if (errors.length === 0) placed += 1;
}
line("orders", `${placed} placed, and announced to the workers`, "green");
await app.stop();
