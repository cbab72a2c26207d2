import type {
  Address,
  Content,
  CreditMemo,
  Customer,
  Invoice,
  Order,
  Product,
  Shipment,
} from "./api.ts";
import type { CommonEventName } from "./events.ts";

/** An object as the shop stores it. */
export interface Entity {
  readonly id: number;
  /** The store that it belongs to: the scope of its events. */
  readonly storeId: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** An object that is not stored yet. */
export type New<Row extends Entity> = Omit<Row, "id" | "createdAt" | "updatedAt">;

/** Where objects of one kind are stored, and which events a change of such an object makes. */
export interface Table<Row extends Entity> {
  readonly name: string;
  /**
   * The events of a change, as pure logic.
   *
   * @param before The object at the beginning of the unit of work. Undefined if it is new.
   * @param after The object at its end. It differs from `before`.
   */
  eventsOf(before: Row | undefined, after: Row): readonly CommonEventName[];
}

/** Customers without the addresses, which are rows of their own. */
export type CustomerRow = Omit<Customer, "addresses">;

/** Orders without the sums, which are made of the items, and with what only the shop knows. */
export interface OrderRow extends Omit<Order, "totalCents" | "dueCents"> {
  /** What the state of an order on hold will be afterwards. */
  readonly heldState: Order["state"] | null;
}

/** All tables of the shop. */
export const tables: {
  readonly customers: Table<CustomerRow>;
  readonly addresses: Table<Address>;
  readonly products: Table<Product>;
  readonly pages: Table<Content>;
  readonly blocks: Table<Content>;
  readonly orders: Table<OrderRow>;
  readonly invoices: Table<Invoice>;
  readonly shipments: Table<Shipment>;
  readonly creditMemos: Table<CreditMemo>;
} = {
  customers: {
    name: "shop_customers",
    eventsOf: (before) => [before ? "customer.updated" : "customer.created"],
  },
  addresses: {
    name: "shop_addresses",
    eventsOf: (before) => [before ? "customer.address.updated" : "customer.address.created"],
  },
  products: {
    name: "shop_products",
    eventsOf: (before) => [before ? "catalog.product.updated" : "catalog.product.created"],
  },
  pages: {
    name: "shop_pages",
    eventsOf: (before) => [before ? "cms.page.updated" : "cms.page.created"],
  },
  blocks: {
    name: "shop_blocks",
    eventsOf: (before) => [before ? "cms.block.updated" : "cms.block.created"],
  },
  orders: { name: "shop_orders", eventsOf: eventsOfOrder },
  invoices: {
    name: "shop_invoices",
    eventsOf(before, after) {
      const isPaid = after.state === "paid" && before?.state !== "paid";
      return [
        ...(before ? [] : (["sales.invoice.created"] as const)),
        ...(isPaid ? (["sales.invoice.paid"] as const) : []),
      ];
    },
  },
  shipments: {
    name: "shop_shipments",
    eventsOf: (before) => (before ? [] : ["sales.shipment.created"]),
  },
  creditMemos: {
    name: "shop_credit_memos",
    eventsOf: (before) => (before ? [] : ["sales.creditmemo.created"]),
  },
};

/** The sum of an order. */
export function totalOf({ items }: Pick<OrderRow, "items">): number {
  return items.reduce((sum, { priceCents, quantity }) => sum + priceCents * quantity, 0);
}

/** Whether an order is paid in full. */
export function isPaid(order: OrderRow): boolean {
  return order.paidCents >= totalOf(order);
}

/** Whether everything of an order is shipped. */
export function isShipped({ items }: OrderRow): boolean {
  return items.every(({ quantity, shipped }) => shipped === quantity);
}

function eventsOfOrder(before: OrderRow | undefined, after: OrderRow): readonly CommonEventName[] {
  const becomes = (is: (order: OrderRow) => boolean): boolean =>
    is(after) && !(before && is(before));
  const isHeld = (order: OrderRow): boolean => order.state === "holded";
  const events: CommonEventName[] = [before ? "sales.order.updated" : "sales.order.created"];
  if (becomes(isPaid)) events.push("sales.order.paid");
  if (becomes(isShipped)) events.push("sales.order.shipped");
  if (becomes(isHeld)) events.push("sales.order.holded");
  if (before && isHeld(before) && !isHeld(after)) events.push("sales.order.unholded");
  if (becomes(({ state }) => state === "canceled")) events.push("sales.order.cancelled");
  return events;
}
