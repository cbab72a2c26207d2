/** The payload of every event: 243 to 262 bytes of JSON, two levels deep. */
export interface Order {
  readonly orderId: string;
  readonly customer: { readonly id: string; readonly email: string };
  readonly items: readonly {
    readonly sku: string;
    readonly quantity: number;
    readonly price: number;
  }[];
  readonly total: number;
  readonly currency: string;
  readonly placedAt: string;
}

/** The name of every event. */
export const EVENT_NAME = "order.placed";

const COUNT = 64;
const PREFIX = "order-";

/** Orders of one shape and different values, made beforehand: to make them costs the bus nothing. */
const orders: readonly Order[] = Array.from({ length: COUNT }, (_, index) => ({
  orderId: `${PREFIX}${index}`,
  customer: { id: `customer-${index * 7}`, email: `customer${index}@example.com` },
  items: [
    { sku: `A-${index}`, quantity: 1 + (index % 3), price: 19.99 },
    { sku: `B-${index}`, quantity: 2, price: 4.5 },
  ],
  total: 28.99 + index,
  currency: "EUR",
  placedAt: "2026-01-31T12:00:00.000Z",
}));

/** The order for an index: the same ones again and again. */
export function orderAt(index: number): Order {
  return orders[index % COUNT] as Order;
}

/** Orders of which each is known by its number, from `first` on. */
export function numberedOrders(first: number, count: number): readonly Order[] {
  return Array.from({ length: count }, (_, index) => ({
    ...orderAt(first + index),
    orderId: `${PREFIX}${first + index}`,
  }));
}

/** The number of one of {@link numberedOrders}. */
export function numberOf({ orderId }: Order): number {
  return Number(orderId.slice(PREFIX.length));
}
