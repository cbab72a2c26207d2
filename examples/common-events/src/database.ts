import { AsyncLocalStorage } from "node:async_hooks";
import type { SqlExecutor, SqlStore } from "@busbar/sql";
import type { WebhookPublisher } from "@busbar/webhooks";
import { tables } from "./entities.ts";
import type { CommonEventArgs } from "./events.ts";
import { UnitOfWork } from "./unit-of-work.ts";

/** What publishes within a transaction: `webhooks()` does. */
export interface EventPublisher {
  withTransaction(transaction: unknown): WebhookPublisher<CommonEventArgs>;
}

/** The unit of work that calls are in, until it ends. */
interface Current {
  readonly unit: UnitOfWork;
  isOver: boolean;
}

/** The SQLite database of the shop. */
export class Database {
  readonly #store: SqlStore;
  readonly #current = new AsyncLocalStorage<Current>();

  constructor(store: SqlStore) {
    this.#store = store;
  }

  /** Makes the tables that are missing. */
  async migrate(): Promise<void> {
    for (const { name } of Object.values(tables)) {
      await this.#store.execute(
        `CREATE TABLE IF NOT EXISTS ${name} (id INTEGER PRIMARY KEY, store_id INTEGER NOT NULL,
          created_at TEXT NOT NULL, updated_at TEXT NOT NULL, data TEXT NOT NULL)`,
      );
    }
    await this.#index(true, tables.customers.name, "email");
    await this.#index(true, tables.products.name, "sku");
    await this.#index(false, tables.addresses.name, "customerId");
  }

  /** How to read: what the current unit of work has changed included, if there is one. */
  async reader(): Promise<SqlExecutor> {
    const current = this.#ongoing();
    return current ? current.unit.write() : this.#store;
  }

  /**
   * Runs `work` in a unit of work: all of its changes and events, or none of them. Within another unit, `work` is a part
   * of that.
   */
  async unit<T>(publisher: EventPublisher, work: (unit: UnitOfWork) => Promise<T>): Promise<T> {
    const ongoing = this.#ongoing();
    if (ongoing) return work(ongoing.unit);
    return this.#store.transaction(async (transaction) => {
      const current = { unit: new UnitOfWork(this.#store.within(transaction)), isOver: false };
      return this.#current.run(current, async () => {
        try {
          const result = await work(current.unit);
          await current.unit.write();
          await current.unit.publish(publisher.withTransaction(transaction));
          return result;
        } finally {
          current.isOver = true;
        }
      });
    });
  }

  /** What was begun within a unit, such as a timer, may run when the unit is over: then it is in none. */
  #ongoing(): Current | undefined {
    const current = this.#current.getStore();
    return current?.isOver === false ? current : undefined;
  }

  async #index(unique: boolean, table: string, member: string): Promise<void> {
    await this.#store.execute(
      `CREATE ${unique ? "UNIQUE " : ""}INDEX IF NOT EXISTS ${table}_${member.toLowerCase()}
        ON ${table} (${unique ? "store_id, " : ""}json_extract(data, '$.${member}'))`,
    );
  }
}
