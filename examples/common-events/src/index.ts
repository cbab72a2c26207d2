export type {
  Address,
  Content,
  CreditMemo,
  Customer,
  Invoice,
  Order,
  Product,
  ShopApi,
  Shipment,
} from "./api.ts";
export type { Customers } from "./customers.ts";
export type { EventPublisher } from "./database.ts";
export { type CommonEventArgs, type CommonEventName, commonEvents } from "./events.ts";
export type { Line, NewOrder, Orders } from "./orders.ts";
export { type OpenedShop, openShop, type Shop } from "./shop.ts";
