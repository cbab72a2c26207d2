import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestShop, type TestShop } from "./open-test-shop.ts";
import { customer as newCustomer, product, SKU, STORE } from "./scenarios.ts";

let opened: TestShop;
let customer: number;
let order: number;

beforeAll(async () => {
  opened = await openTestShop();
  await product(opened.quietly, SKU);
});

beforeEach(async () => {
  const { quietly } = opened;
  customer = await newCustomer(quietly);
  order = await quietly.orders.place({ customerId: customer, items: [{ sku: SKU, quantity: 2 }] });
});

afterEach(() => opened.hooks.subscriptions.setEnabled({ enabled: true }, false));

afterAll(() => opened.close());

function subscribe(payload: "emitted" | "once" = "once", scope: string | null = null) {
  const { subscriptions } = opened.hooks;
  return subscriptions.create({
    events: ["*.**"],
    destination: "here",
    notifier: "keeper",
    payload,
    scope,
  });
}

test("what is changed and changed back in one unit of work is no change", async () => {
  const { shop, api, deliveredBy } = opened;
  await subscribe();
  const before = await api.order(order);
  const delivered = await deliveredBy(() =>
    shop.transaction(async () => {
      await shop.orders.annotate(order, "Ring twice");
      expect(await api.order(order)).toMatchObject({ note: "Ring twice" });
      await shop.orders.hold(order);
      await shop.orders.unhold(order);
      await shop.orders.annotate(order, "");
    }),
  );
  expect(delivered).toEqual([]);
  expect(await api.order(order)).toEqual(before);
});

test("members in another order are no change", async () => {
  const { shop, quietly, deliveredBy } = opened;
  await subscribe();
  const home = { street: ["Hauptstraße 1"], postcode: "10115", city: "Berlin", country: "DE" };
  const id = await quietly.customers.addAddress(customer, home);
  const { street, ...rest } = home;
  const same = { ...rest, street: [...street] };
  expect(await deliveredBy(() => shop.customers.updateAddress(id, same))).toEqual([]);
});

test("changes of an object at the same time are all kept", async () => {
  const { quietly, api } = opened;
  for (let turnsApart = 0; turnsApart < 10; turnsApart += 1) {
    const names = { firstName: `Augusta ${turnsApart}`, lastName: `King ${turnsApart}` };
    const changeLastName = async (): Promise<void> => {
      for (let turn = 0; turn < turnsApart; turn += 1) await Promise.resolve();
      await quietly.customers.update(customer, { lastName: names.lastName });
    };
    await quietly.transaction(() =>
      Promise.all([
        quietly.customers.update(customer, { firstName: names.firstName }),
        changeLastName(),
      ]),
    );
    expect(await api.customer(customer)).toMatchObject(names);
  }
});

test("an order is shipped with its last parcel, and paid with its last invoice", async () => {
  const { shop, deliveredBy } = opened;
  await subscribe();
  const one = [{ sku: SKU, quantity: 1 }];
  const parcel = { carrier: "DHL", trackingNumber: "0034", lines: one };
  const both = async (): Promise<void> => {
    await shop.orders.ship(order, parcel);
    await shop.orders.pay(await shop.orders.invoice(order, one));
  };
  const first = await deliveredBy(both);
  expect(first.map(({ name }) => name)).not.toContain("sales.order.shipped");
  expect(first.map(({ name }) => name)).not.toContain("sales.order.paid");
  const second = await deliveredBy(both);
  expect(second.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["sales.order.shipped", "sales.order.paid"]),
  );
  await expect(both()).rejects.toThrow("Too many of cup");
});

test("a payload made at emit is the object as it is committed", async () => {
  const { shop, quietly, deliveredBy } = opened;
  await subscribe("emitted");
  const delivered = await deliveredBy(async () => {
    await shop.transaction(async () => {
      await shop.orders.annotate(order, "first");
      await shop.orders.annotate(order, "second");
    });
    await quietly.orders.annotate(order, "third");
  });
  expect(delivered).toMatchObject([{ name: "sales.order.updated", data: { note: "second" } }]);
});

test("the subscription of another store gets nothing", async () => {
  const { shop, deliveredBy } = opened;
  await subscribe("once", String(STORE + 1));
  expect(await deliveredBy(() => shop.orders.hold(order))).toEqual([]);
  await subscribe("once", String(STORE));
  expect(await deliveredBy(() => shop.orders.unhold(order))).toMatchObject([
    { name: "sales.order.unholded", scope: String(STORE) },
    { name: "sales.order.updated", scope: String(STORE) },
  ]);
});
