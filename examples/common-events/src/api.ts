import { z } from "zod";

const id = z.int().positive();
const time = z.iso.datetime();
const cents = z.int().nonnegative();
const quantity = z.int().positive();

/** What every object of the shop has. */
const entity = { id, storeId: id, createdAt: time, updatedAt: time };

export const addressSchema = z.object({
  ...entity,
  customerId: id,
  street: z.array(z.string()).min(1),
  postcode: z.string(),
  city: z.string(),
  country: z.string().length(2),
});

export const customerSchema = z.object({
  ...entity,
  email: z.email(),
  firstName: z.string(),
  lastName: z.string(),
  addresses: z.array(addressSchema),
});

export const productSchema = z.object({
  ...entity,
  sku: z.string().min(1),
  name: z.string(),
  priceCents: cents,
  enabled: z.boolean(),
});

/** A page and a block have the same members. */
export const contentSchema = z.object({
  ...entity,
  identifier: z.string().min(1),
  title: z.string(),
  content: z.string(),
  enabled: z.boolean(),
});

const line = z.object({ sku: z.string(), quantity });
const pricedLine = z.object({ ...line.shape, priceCents: cents });

export const orderSchema = z.object({
  ...entity,
  customerId: id,
  state: z.enum(["new", "processing", "holded", "complete", "closed", "canceled"]),
  note: z.string(),
  items: z.array(
    z.object({
      ...pricedLine.shape,
      name: z.string(),
      /** How many of `quantity` are on an invoice, were shipped, and were refunded. */
      invoiced: cents,
      shipped: cents,
      refunded: cents,
    }),
  ),
  totalCents: cents,
  paidCents: cents,
  dueCents: cents,
  refundedCents: cents,
});

export const invoiceSchema = z.object({
  ...entity,
  orderId: id,
  state: z.enum(["open", "paid"]),
  items: z.array(pricedLine),
  totalCents: cents,
});

export const shipmentSchema = z.object({
  ...entity,
  orderId: id,
  items: z.array(line),
  carrier: z.string(),
  trackingNumber: z.string(),
});

export const creditMemoSchema = z.object({
  ...entity,
  orderId: id,
  items: z.array(pricedLine),
  reason: z.string(),
  totalCents: cents,
});

export type Address = z.infer<typeof addressSchema>;
export type Customer = z.infer<typeof customerSchema>;
export type Product = z.infer<typeof productSchema>;
export type Content = z.infer<typeof contentSchema>;
export type Order = z.infer<typeof orderSchema>;
export type Invoice = z.infer<typeof invoiceSchema>;
export type Shipment = z.infer<typeof shipmentSchema>;
export type CreditMemo = z.infer<typeof creditMemoSchema>;

/** What the shop answers its clients. Each method resolves with undefined if there is no such object. */
export interface ShopApi {
  customer(id: number): Promise<Customer | undefined>;
  address(id: number): Promise<Address | undefined>;
  product(id: number): Promise<Product | undefined>;
  page(id: number): Promise<Content | undefined>;
  block(id: number): Promise<Content | undefined>;
  order(id: number): Promise<Order | undefined>;
  invoice(id: number): Promise<Invoice | undefined>;
  shipment(id: number): Promise<Shipment | undefined>;
  creditMemo(id: number): Promise<CreditMemo | undefined>;
}
