import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, curl } from "./curl.ts";
import { heading, line } from "./output.ts";
import { startReceiver } from "./receiver.ts";
import { startShop } from "./shop.ts";

const TOKEN = "a-token-of-the-administrator";
const folder = await mkdtemp(join(tmpdir(), "busbar-"));
const receiver = await startReceiver(2);
const running = await startShop(folder, TOKEN);
const { shop, url } = running;
const send = async <T>(command: Command): Promise<T> =>
  (await curl({ url, token: TOKEN }, command)) as T;

const customerId = await shop.customers.register({
  storeId: 1,
  email: "ada@example.com",
  firstName: "Ada",
  lastName: "Lovelace",
});
await shop.products.create({
  storeId: 1,
  sku: "cup",
  name: "Cup",
  priceCents: 1_200,
  enabled: true,
});
const cups = { customerId, items: [{ sku: "cup", quantity: 2 }] };

heading("A system outside the shop subscribes, while the shop runs");
const subscription = await send<{ readonly id: string; readonly secret: string }>({
  method: "POST",
  path: "/subscriptions",
  body: `{
  "events": ["sales.order.created", "sales.order.paid"],
  "destination": "${receiver.url}",
  "retry": { "type": "schedule", "delaysMs": [100, 200, 400] }
}`,
});
line("shop", `made subscription ${subscription.id}, and shows its secret this once`);
receiver.trust(subscription.secret);

heading("An order is placed, but its transaction fails: nobody hears of it");
const placing = shop.transaction(async () => {
  await shop.orders.place(cups);
  throw new Error("the card was declined");
});
await placing.catch(({ message }: Error) => line("shop", message));

heading("An order is placed. The receiver is down at first, so the shop tries again");
const order = await shop.orders.place(cups);
await receiver.answered(3);

heading("The order is paid");
await shop.orders.pay(await shop.orders.invoice(order));
await receiver.answered(4);
await running.recorded();

heading("What has failed?");
const failed = await send<{ readonly items: readonly Attempt[] }>({
  path: "/attempts",
  query: "event_name: sales.order.* AND success: false",
});
failed.items.forEach(show);

heading("What became of new orders of cups?");
const found = await send<{ readonly items: readonly Delivery[] }>({
  path: "/deliveries",
  query: "*.created AND data.items.sku: cup",
});
for (const { id, statusText } of found.items) line("log", `${id}: ${statusText}`);

heading("Deliver that once more");
const [delivery] = found.items as readonly [Delivery];
await send({ method: "POST", path: `/deliveries/${delivery.id}/replay` });
await receiver.answered(5);
await running.recorded();

heading("Everything about this delivery");
const trace = await send<{ readonly attempts: readonly Attempt[] }>({
  path: `/deliveries/${delivery.id}`,
});
trace.attempts.forEach(show);

receiver.close();
await running.stop();
await rm(folder, { recursive: true });

interface Delivery {
  readonly id: string;
  readonly statusText: string;
}

interface Attempt {
  readonly number: number;
  readonly trigger: string;
  readonly status: number;
  readonly durationMs: number;
}

function show({ number, trigger, status, durationMs }: Attempt): void {
  line("log", `attempt ${number} (${trigger}): ${status} after ${durationMs} ms`);
}
