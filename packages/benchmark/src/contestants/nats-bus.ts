import type { Order } from "../order.ts";

/** A bus on NATS JetStream, ready for events. */
export interface NatsBus {
  /** Resolves when NATS has the event. */
  readonly emitOne: (order: Order) => Promise<unknown>;
  /** The same for many events in one call. */
  readonly emitMany: (orders: readonly Order[]) => Promise<unknown>;
  /** Waits for what is being handled, and disconnects. */
  readonly close: () => Promise<void>;
}

/** What a bus on NATS is opened with. */
export interface NatsBusOptions {
  readonly url: string;
  /** One function for each subscriber. Emitters that handle nothing know them, too. */
  readonly handlers: readonly ((order: Order) => Promise<void>)[];
  /** Whether the bus emits only, handles only, or both. */
  readonly role: "server" | "worker" | "shared";
}

/** Opens a bus; its streams and consumers are there when it resolves. */
export type OpenNatsBus = (options: NatsBusOptions) => Promise<NatsBus>;
