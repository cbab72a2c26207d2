import type { ShopApi } from "../src/api.ts";
import type { CommonEventName } from "../src/events.ts";
import type { Shop } from "../src/shop.ts";

/** One of the events, and how it comes about. */
export interface Scenario {
  readonly event: CommonEventName;
  /** Events of the same change about other objects, or about the same one. None by default. */
  readonly besides?: readonly CommonEventName[];
  /** What the API answers for the object of the event. */
  readonly read: keyof ShopApi;
  /** What there is before the change. */
  arrange(shop: Shop): Promise<number>;
  /**
   * The change. Resolves with the id of the object that the event is about.
   *
   * @param given What `arrange` has resolved with.
   */
  change(shop: Shop, given: number): Promise<number>;
  /** The same once more, which changes nothing. Missing where that would make another object. */
  readonly again?: (shop: Shop, given: number) => Promise<unknown>;
}

/** The store that all of it is in. */
export const STORE = 3;

let number = 0;
const unique = (what: string): string => `${what}-${(number += 1)}`;

/** Registers a customer. */
export function customer(shop: Shop): Promise<number> {
  const email = `${unique("ada")}@example.com`;
  return shop.customers.register({ storeId: STORE, email, firstName: "Ada", lastName: "Lovelace" });
}

const home = { street: ["Hauptstraße 1"], postcode: "10115", city: "Berlin", country: "DE" };

async function address(shop: Shop): Promise<number> {
  return shop.customers.addAddress(await customer(shop), home);
}

/** The article of all orders. It must be there. */
export const SKU = "cup";

/** Makes a product. */
export function product(shop: Shop, sku: string = unique("plate")): Promise<number> {
  return shop.products.create({
    storeId: STORE,
    sku,
    name: "Cup",
    priceCents: 1_200,
    enabled: true,
  });
}

const content = () => ({
  storeId: STORE,
  identifier: unique("page"),
  title: "About us",
  content: "Cups.",
  enabled: true,
});

async function order(shop: Shop): Promise<number> {
  return shop.orders.place({
    customerId: await customer(shop),
    items: [{ sku: SKU, quantity: 2 }],
  });
}

async function invoice(shop: Shop): Promise<number> {
  return shop.orders.invoice(await order(shop));
}

async function paidOrder(shop: Shop): Promise<number> {
  const id = await order(shop);
  await shop.orders.pay(await shop.orders.invoice(id));
  return id;
}

async function heldOrder(shop: Shop): Promise<number> {
  const id = await order(shop);
  await shop.orders.hold(id);
  return id;
}

const nothing = async (): Promise<number> => 0;
const dhl = { carrier: "DHL", trackingNumber: "0034" };

/** Runs a change of the object that is given, and resolves with its id. */
function changing(
  change: (shop: Shop, id: number) => Promise<unknown>,
): Pick<Scenario, "change" | "again"> {
  return {
    async change(shop, id) {
      await change(shop, id);
      return id;
    },
    again: change,
  };
}

/** Each of the 22 events. */
export const scenarios: readonly Scenario[] = [
  { event: "customer.created", read: "customer", arrange: nothing, change: customer },
  {
    event: "customer.updated",
    read: "customer",
    arrange: customer,
    ...changing((shop, id) => shop.customers.update(id, { lastName: "King" })),
  },
  {
    event: "customer.login",
    read: "customer",
    arrange: customer,
    async change(shop, id) {
      await shop.customers.loggedIn(id);
      return id;
    },
  },
  {
    event: "customer.address.created",
    read: "address",
    arrange: customer,
    change: (shop, id) => shop.customers.addAddress(id, home),
  },
  {
    event: "customer.address.updated",
    read: "address",
    arrange: address,
    ...changing((shop, id) => shop.customers.updateAddress(id, { street: ["Nebenstraße 2"] })),
  },
  {
    event: "catalog.product.created",
    read: "product",
    arrange: nothing,
    change: (shop) => product(shop),
  },
  {
    event: "catalog.product.updated",
    read: "product",
    arrange: (shop) => product(shop),
    ...changing((shop, id) => shop.products.update(id, { enabled: false })),
  },
  {
    event: "cms.page.created",
    read: "page",
    arrange: nothing,
    change: (shop) => shop.pages.create(content()),
  },
  {
    event: "cms.page.updated",
    read: "page",
    arrange: (shop) => shop.pages.create(content()),
    ...changing((shop, id) => shop.pages.update(id, { title: "Our cups" })),
  },
  {
    event: "cms.block.created",
    read: "block",
    arrange: nothing,
    change: (shop) => shop.blocks.create(content()),
  },
  {
    event: "cms.block.updated",
    read: "block",
    arrange: (shop) => shop.blocks.create(content()),
    ...changing((shop, id) => shop.blocks.update(id, { content: "Plates." })),
  },
  {
    event: "sales.order.created",
    read: "order",
    arrange: customer,
    change: (shop, id) => shop.orders.place({ customerId: id, items: [{ sku: SKU, quantity: 2 }] }),
  },
  {
    event: "sales.order.updated",
    read: "order",
    arrange: order,
    ...changing((shop, id) => shop.orders.annotate(id, "Ring twice")),
  },
  {
    event: "sales.invoice.created",
    read: "invoice",
    arrange: order,
    change: (shop, id) => shop.orders.invoice(id),
    besides: ["sales.order.updated"],
  },
  {
    event: "sales.invoice.paid",
    read: "invoice",
    arrange: invoice,
    ...changing((shop, id) => shop.orders.pay(id)),
    besides: ["sales.order.paid", "sales.order.updated"],
  },
  {
    event: "sales.order.paid",
    read: "order",
    arrange: order,
    async change(shop, id) {
      await shop.transaction(async () => shop.orders.pay(await shop.orders.invoice(id)));
      return id;
    },
    besides: ["sales.invoice.created", "sales.invoice.paid", "sales.order.updated"],
  },
  {
    event: "sales.order.shipped",
    read: "order",
    arrange: paidOrder,
    async change(shop, id) {
      await shop.orders.ship(id, dhl);
      return id;
    },
    besides: ["sales.order.updated", "sales.shipment.created"],
  },
  {
    event: "sales.shipment.created",
    read: "shipment",
    arrange: order,
    // Half of the order: it is not shipped yet.
    change: (shop, id) => shop.orders.ship(id, { ...dhl, lines: [{ sku: SKU, quantity: 1 }] }),
    besides: ["sales.order.updated"],
  },
  {
    event: "sales.order.holded",
    read: "order",
    arrange: order,
    ...changing((shop, id) => shop.orders.hold(id)),
    besides: ["sales.order.updated"],
  },
  {
    event: "sales.order.unholded",
    read: "order",
    arrange: heldOrder,
    ...changing((shop, id) => shop.orders.unhold(id)),
    besides: ["sales.order.updated"],
  },
  {
    event: "sales.order.cancelled",
    read: "order",
    arrange: order,
    ...changing((shop, id) => shop.orders.cancel(id)),
    besides: ["sales.order.updated"],
  },
  {
    event: "sales.creditmemo.created",
    read: "creditMemo",
    arrange: paidOrder,
    change: (shop, id) => shop.orders.refund(id, "Arrived broken"),
    besides: ["sales.order.updated"],
  },
];
