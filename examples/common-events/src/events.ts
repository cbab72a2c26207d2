import { defineAsyncEvents, EntityGone, type ResolveContext } from "@busbar/webhooks";
import type { z } from "zod";
import {
  addressSchema,
  contentSchema,
  creditMemoSchema,
  customerSchema,
  invoiceSchema,
  orderSchema,
  productSchema,
  type ShopApi,
  shipmentSchema,
} from "./api.ts";
import * as examples from "./examples.ts";

/** What travels with each event: which object it is about. */
export interface EntityArgs {
  readonly id: number;
}

/** The events about one kind of object: their payload is what the API answers for the object. */
interface Kind<Payload> {
  readonly schema: z.ZodType<Payload, Payload>;
  readonly example: Payload;
  /** What a caller must be allowed, to subscribe to the events. */
  readonly permission: string;
  readonly read: (api: ShopApi, id: number) => Promise<Payload | undefined>;
}

/** Declares an event. The resolver runs in the worker, and reads the object as it is then. */
function about<Payload>(
  { schema, example, permission, read }: Kind<Payload>,
  description: string,
): {
  readonly description: string;
  readonly schema: z.ZodType<Payload, Payload>;
  readonly example: NoInfer<Payload>;
  readonly permissions: readonly string[];
  readonly validate: true;
  resolve(args: EntityArgs, context: ResolveContext): Promise<Payload>;
} {
  return {
    description,
    schema,
    example,
    permissions: [permission],
    validate: true,
    async resolve({ id }, { container, event }) {
      const found = await read(container.resolve<ShopApi>("shopApi"), id);
      if (found === undefined) throw new EntityGone(`The object ${id} of ${event.name} is gone`);
      return found;
    },
  };
}

const customer = {
  schema: customerSchema,
  example: examples.customerExample,
  permission: "customers.view",
  read: (api: ShopApi, id: number) => api.customer(id),
};
const address = {
  schema: addressSchema,
  example: examples.addressExample,
  permission: "customers.view",
  read: (api: ShopApi, id: number) => api.address(id),
};
const order = {
  schema: orderSchema,
  example: examples.orderExample,
  permission: "sales.orders.view",
  read: (api: ShopApi, id: number) => api.order(id),
};
const invoice = {
  schema: invoiceSchema,
  example: examples.invoiceExample,
  permission: "sales.invoices.view",
  read: (api: ShopApi, id: number) => api.invoice(id),
};
const shipment = {
  schema: shipmentSchema,
  example: examples.shipmentExample,
  permission: "sales.shipments.view",
  read: (api: ShopApi, id: number) => api.shipment(id),
};
const creditMemo = {
  schema: creditMemoSchema,
  example: examples.creditMemoExample,
  permission: "sales.creditmemos.view",
  read: (api: ShopApi, id: number) => api.creditMemo(id),
};
const product = {
  schema: productSchema,
  example: examples.productExample,
  permission: "catalog.products.view",
  read: (api: ShopApi, id: number) => api.product(id),
};
const page = {
  schema: contentSchema,
  example: examples.contentExample,
  permission: "cms.pages.view",
  read: (api: ShopApi, id: number) => api.page(id),
};
const block = {
  ...page,
  permission: "cms.blocks.view",
  read: (api: ShopApi, id: number) => api.block(id),
};

/** The 22 events that most shops have, under the names that Mage-OS gives them. */
export const commonEvents = defineAsyncEvents({
  "customer.created": about(customer, "A customer has registered."),
  "customer.updated": about(customer, "The data of a customer have changed."),
  "customer.login": about(customer, "A customer has logged in."),
  "customer.address.created": about(address, "A customer has a new address."),
  "customer.address.updated": about(address, "An address of a customer has changed."),
  "sales.order.created": about(order, "A customer has placed an order."),
  "sales.order.updated": about(order, "An order has changed, whatever has changed about it."),
  "sales.order.paid": about(order, "An order is paid in full."),
  "sales.order.shipped": about(order, "Everything of an order is shipped."),
  "sales.order.holded": about(order, "An order was put on hold."),
  "sales.order.unholded": about(order, "An order is no longer on hold."),
  "sales.order.cancelled": about(order, "An order was cancelled."),
  "sales.shipment.created": about(shipment, "A parcel of an order is on its way."),
  "sales.invoice.created": about(invoice, "An order, or a part of it, has an invoice."),
  "sales.invoice.paid": about(invoice, "An invoice is paid."),
  "sales.creditmemo.created": about(creditMemo, "An order, or a part of it, was refunded."),
  "catalog.product.created": about(product, "There is a new product."),
  "catalog.product.updated": about(product, "A product has changed."),
  "cms.page.created": about(page, "There is a new page."),
  "cms.page.updated": about(page, "A page has changed."),
  "cms.block.created": about(block, "There is a new block."),
  "cms.block.updated": about(block, "A block has changed."),
});

/** What travels with each of the events, by their names. */
export type CommonEventArgs = NonNullable<(typeof commonEvents)["types"]>["args"];

/** The name of one of the events. */
export type CommonEventName = keyof CommonEventArgs;
