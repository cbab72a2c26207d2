import type { PgClient } from "@busbar/outbox";
import type { Order } from "../order.ts";
import type { Pool } from "./pg.ts";

/** Takes events in the caller's own transactions, and hands over those that were committed. */
export interface TransactionalQueue {
  /** Where they wait in the database. */
  readonly table: string;
  /** Adds events, in one call, to the transaction that this client is in. */
  readonly add: (client: PgClient, orders: readonly Order[]) => Promise<unknown>;
  /** Begins to hand over. */
  readonly start: () => Promise<void>;
  /** Has to be told of a commit, if there. */
  readonly committed?: () => void;
  /** Resolves when all that was handed over is gone from the database, if it goes. */
  readonly whenEmpty?: () => Promise<void>;
  /** Waits for what is being handled, and disconnects. */
  readonly close: () => Promise<void>;
}

/** What a {@link TransactionalQueue} is opened with. */
export interface QueueOptions {
  readonly url: string;
  /** The caller's connections. It stays open. */
  readonly pool: Pool;
  readonly handler: (order: Order) => Promise<void>;
}

/** Opens a queue; its tables are there when it resolves, and nothing is handed over yet. */
export type OpenQueue = (options: QueueOptions) => Promise<TransactionalQueue>;

/** The same with one call for each event. */
export function oneByOne(open: OpenQueue): OpenQueue {
  return async (options) => {
    const queue = await open(options);
    return {
      ...queue,
      async add(client, orders) {
        for (const order of orders) await queue.add(client, [order]);
      },
    };
  };
}
