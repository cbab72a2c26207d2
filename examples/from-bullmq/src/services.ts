/** An order that a customer has placed. */
export interface Order {
  readonly orderId: string;
  readonly email: string;
}

/** A cart that a customer has left. */
export interface Cart {
  readonly cartId: string;
  readonly email: string;
}

/** What the shop does outside of its own process. */
export interface Services {
  readonly mail: (to: string, text: string) => Promise<void>;
  readonly bookParcel: (orderId: string) => Promise<void>;
  readonly alert: (text: string) => void;
}
