import { createApp } from "@busbar/core";

import { heading, line } from "./output.ts";
import type { Carriers } from "./services/carriers.ts";
import type { Stock } from "./services/stock.ts";
import { type OrderInput, placeOrder } from "./workflows/place-order.ts";

const app = await createApp();
await app.start();
const { bus, container } = app;

async function order(input: OrderInput): Promise<void> {
  const { errors } = await placeOrder(container).run({ input, throwOnError: false });
  if (errors.length > 0) line("order", "not placed, and nobody heard of it", "red");
  await bus.settled();
}

const cup = { sku: "cup", cents: 1200 };
const kettle = { sku: "kettle", cents: 8900 };

heading("Order 1001: two cups to Berlin. The mail server is busy at first.");
await order({
  orderId: "1001",
  customer: "ada@example.com",
  country: "DE",
  card: "4242 4242 4242 4242",
  lines: [{ ...cup, quantity: 2 }],
});

heading("Order 1002: a kettle, and a card that is declined.");
await order({
  orderId: "1002",
  customer: "bob@example.com",
  country: "DE",
  card: "4000 0000 0000 0002",
  lines: [{ ...kettle, quantity: 1 }],
});
line("stock", `${container.resolve<Stock>("stock").onHand("kettle")} kettle on the shelf again`);

heading("Order 1003: a cup to Reykjavík, where no carrier goes yet.");
await order({
  orderId: "1003",
  customer: "eva@example.com",
  country: "IS",
  card: "5555 5555 5555 4444",
  lines: [{ ...cup, quantity: 1 }],
});

heading("The parcel of order 1003 is a dead letter. Nothing is lost.");
const { items } = await bus.deadLetters.list();
for (const { subscriberId, event, reason, errors } of items) {
  line(
    "dead letter",
    `${event.name} for ${subscriberId} (${reason}): ${errors[0]?.message}`,
    "red",
  );
}

heading("A carrier is found, and the dead letter replayed: only the parcel runs again.");
container.resolve<Carriers>("carriers").add("IS", "Pósturinn");
await bus.deadLetters.replay("book-parcel");
await bus.settled();

const { counters, provider } = await bus.inspect();
heading(
  `Provider ${provider}: ${counters.emitted} events, ${counters.failed} failed runs, 0 lost.`,
);
await app.stop();
