import type { PgClient } from "@busbar/outbox";
import type { Order } from "../order.ts";

/** A bus or a job queue on PostgreSQL, ready for events. */
export interface PostgresBus {
  /** Resolves when PostgreSQL has the event. */
  readonly emitOne: (order: Order) => Promise<unknown>;
  /** The same for many events in one call. */
  readonly emitMany: (orders: readonly Order[]) => Promise<unknown>;
  /** Adds the event to the transaction that this client is in. */
  readonly emitWithin: (client: PgClient, order: Order) => Promise<unknown>;
  /** Has to be told of a commit, if there. */
  readonly committed?: () => void;
  /** Waits for what is being handled, and disconnects. */
  readonly close: () => Promise<void>;
}

/** What a bus on PostgreSQL is opened with. */
export interface PostgresBusOptions {
  readonly url: string;
  /** One function for each subscriber. Emitters that handle nothing know them, too. */
  readonly handlers: readonly ((order: Order) => Promise<void>)[];
  /** Whether the bus emits only, handles only, or both. */
  readonly role: "server" | "worker" | "shared";
}

/** Opens a bus; its tables are there when it resolves. */
export type OpenPostgresBus = (options: PostgresBusOptions) => Promise<PostgresBus>;
