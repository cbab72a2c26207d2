import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { outbox } from "@busbar/outbox";
import { sqliteStore } from "@busbar/sql";
import { type Notifier, webhooks } from "@busbar/webhooks";
import { z } from "zod";
import { commonEvents, openShop } from "../src/index.ts";

const folder = await mkdtemp(join(tmpdir(), "busbar-"));
const store = sqliteStore({ file: join(folder, "shop.db") });

const lines: string[] = [];
/** Takes the place of systems outside the shop. */
const screen: Notifier = {
  name: "screen",
  settings: z.strictObject({}),
  signs: false,
  checkDestination: () => undefined,
  async deliver({ event: { name, scope, data } }) {
    const { id } = data as { readonly id: number };
    lines.push(`  ${name.padEnd(25)} of ${id} in store ${scope}`);
    return { ok: true, retryable: false };
  },
};

const { api, publishingTo } = await openShop(store);
const hooks = webhooks({
  store,
  events: commonEvents,
  notifiers: [screen],
  encryptionKeys: [{ id: "demo", key: Buffer.alloc(32, 1) }],
  container: { resolve: (name) => ({ shopApi: api })[name] as never },
});
const plugin = outbox({ store });
const bus = createEventBus({ provider: localProvider(), plugins: [plugin, hooks] });
await bus.start();
const shop = publishingTo(hooks);
await hooks.subscriptions.create({ events: ["*.**"], destination: "screen", notifier: "screen" });

/** Runs `work`, and prints the events that were delivered because of it. */
async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  console.log(title);
  const result = await work();
  await plugin.drained();
  await bus.settled();
  for (let open = 1; open > 0; await sleep(5)) {
    const { waiting, running } = await hooks.inspect();
    open = waiting + running;
  }
  console.log(lines.splice(0).toSorted().join("\n") || "  nothing");
  return result;
}

await step("The catalogue and the pages are filled", async () => {
  const cup = { storeId: 1, sku: "cup", name: "Cup", priceCents: 1_200, enabled: true };
  const text = { storeId: 1, title: "About us", content: "We sell cups.", enabled: true };
  await shop.products.create(cup);
  await shop.pages.create({ ...text, identifier: "about" });
  await shop.blocks.create({ ...text, identifier: "footer" });
});
await step("The catalogue and the pages are changed", async () => {
  await shop.products.update(1, { priceCents: 1_100 });
  await shop.pages.update(1, { title: "Who we are" });
  await shop.blocks.update(1, { content: "Cups, and plates." });
});
await step("The price is set to what it is", () => shop.products.update(1, { priceCents: 1_100 }));
const ada = await step("Ada registers, with an address", async () => {
  const person = { firstName: "Ada", lastName: "Lovelace", email: "ada@example.com" };
  const id = await shop.customers.register({ storeId: 1, ...person });
  const home = { street: ["Hauptstraße 1"], postcode: "10115", city: "Berlin", country: "DE" };
  await shop.customers.addAddress(id, home);
  return id;
});
await step("Ada logs in, and changes her name and her address", async () => {
  await shop.customers.loggedIn(ada);
  await shop.customers.update(ada, { lastName: "King" });
  await shop.customers.updateAddress(1, { street: ["Nebenstraße 2"] });
});
const cups = { customerId: ada, items: [{ sku: "cup", quantity: 2 }] };
const order = await step("Ada orders two cups", () => shop.orders.place(cups));
await step("The order is put on hold", () => shop.orders.hold(order));
await step("The order goes on", () => shop.orders.unhold(order));
const invoice = await step("The order gets an invoice", () => shop.orders.invoice(order));
await step("The invoice is paid", () => shop.orders.pay(invoice));
const dhl = { carrier: "DHL", trackingNumber: "00340434161094021501" };
await step("The order is shipped", () => shop.orders.ship(order, dhl));
await step("The cups are broken", () => shop.orders.refund(order, "Arrived broken"));
await step("Ada places another order and cancels it, in one transaction", () =>
  shop.transaction(async () => shop.orders.cancel(await shop.orders.place(cups))),
);
await step("An order is changed and changed back, in one transaction", () =>
  shop.transaction(async () => {
    await shop.orders.annotate(order, "Ring twice");
    await shop.orders.annotate(order, "");
  }),
);
await step("An order is placed, and the transaction fails", () =>
  shop
    .transaction(async () => {
      await shop.orders.place(cups);
      throw new Error("The card was declined");
    })
    .catch(({ message }: Error) => console.log(`  ${message}`)),
);

await bus.stop();
await store.close();
await rm(folder, { recursive: true });
