import { assertOptions, checks } from "@busbar/core/provider";
import type { AdapterOptions, SqlExecutor, SqlRow, SqlValue } from "@busbar/sql";
import { assertTransaction, methodsOf, splitAtParameters, storeOptions } from "@busbar/sql/feature";
import { type SQL, sql } from "drizzle-orm";
import type { OutboxStore } from "../outbox-store.ts";
import { defineStore } from "../outbox-store.ts";

/** What runs a query in Drizzle: a PostgreSQL database, or a transaction on one. */
export interface DrizzleExecutor {
  /** Runs one statement. */
  execute(query: SQL): PromiseLike<unknown>;
}

/** A PostgreSQL database of Drizzle, by way of `node-postgres`, `postgres-js` or another driver. */
export interface DrizzleDatabase<Tx extends DrizzleExecutor> extends DrizzleExecutor {
  /** Runs `work` in a transaction. */
  transaction<T>(work: (transaction: Tx) => Promise<T>): Promise<T>;
}

/** Options of {@link drizzleStore}. */
export interface DrizzleStoreOptions<Tx extends DrizzleExecutor> extends Omit<
  AdapterOptions,
  "dialect"
> {
  /** The database of Drizzle that has the outbox. */
  readonly db: DrizzleDatabase<Tx>;
}

/**
 * A store by way of Drizzle on PostgreSQL. A transaction is what `db.transaction` gives. For SQLite
 * there is `sqliteStore`: Drizzle's synchronous transactions cannot wait for an `emit`.
 */
export function drizzleStore<Tx extends DrizzleExecutor>(
  options: DrizzleStoreOptions<Tx>,
): OutboxStore<Tx> {
  assertOptions(
    "drizzleStore()",
    options,
    {
      ...storeOptions,
      listen: checks.function,
      db: methodsOf("a PostgreSQL database of Drizzle", ["execute", "transaction"]),
    },
    { db: "such as drizzle({ client })" },
  );
  const { db, schema, listen } = options;
  return defineStore<Tx>({
    dialect: "postgres",
    schema,
    listen,
    within(transaction) {
      assertTransaction("rollback" in transaction, "a database that is no transaction");
      return executor(transaction);
    },
    execute: (text, parameters) => executor(db).execute(text, parameters),
    transaction: (work) => db.transaction(work),
  });
}

function executor(db: DrizzleExecutor): SqlExecutor {
  return {
    async execute(text, parameters = []) {
      const result = (await db.execute(toQuery(text, parameters))) as
        | readonly SqlRow[]
        | { readonly rows: readonly SqlRow[] };
      return "rows" in result ? result.rows : result;
    },
  };
}

function toQuery(text: string, parameters: readonly SqlValue[]): SQL {
  const { parts, values } = splitAtParameters(text, parameters);
  const query = sql.empty();
  for (const [index, part] of parts.entries()) {
    query.append(sql.raw(part));
    if (index < values.length) query.append(sql`${values[index]}`);
  }
  return query;
}
