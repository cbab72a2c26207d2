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

const createdAt = "2026-11-30T09:00:00.000Z";
const entity = { id: 42, storeId: 1, createdAt, updatedAt: createdAt };
const line = { sku: "cup", quantity: 2, priceCents: 1_200 };

export const addressExample: Address = {
  ...entity,
  customerId: 7,
  street: ["Hauptstraße 1"],
  postcode: "10115",
  city: "Berlin",
  country: "DE",
};

export const customerExample: Customer = {
  ...entity,
  email: "ada@example.com",
  firstName: "Ada",
  lastName: "Lovelace",
  addresses: [{ ...addressExample, customerId: 42 }],
};

export const productExample: Product = {
  ...entity,
  sku: "cup",
  name: "Cup",
  priceCents: 1_200,
  enabled: true,
};

export const contentExample: Content = {
  ...entity,
  identifier: "about-us",
  title: "About us",
  content: "<p>We sell cups.</p>",
  enabled: true,
};

export const orderExample: Order = {
  ...entity,
  customerId: 7,
  state: "processing",
  note: "",
  items: [{ ...line, name: "Cup", invoiced: 2, shipped: 0, refunded: 0 }],
  totalCents: 2_400,
  paidCents: 2_400,
  dueCents: 0,
  refundedCents: 0,
};

export const invoiceExample: Invoice = {
  ...entity,
  orderId: 42,
  state: "paid",
  items: [line],
  totalCents: 2_400,
};

export const shipmentExample: Shipment = {
  ...entity,
  orderId: 42,
  items: [{ sku: "cup", quantity: 2 }],
  carrier: "DHL",
  trackingNumber: "00340434161094021501",
};

export const creditMemoExample: CreditMemo = {
  ...entity,
  orderId: 42,
  items: [line],
  reason: "Arrived broken",
  totalCents: 2_400,
};
