import { assertOptions } from "@busbar/core/provider";
import { defineStore } from "../define-store.ts";
import { methodsOf, storeOptions } from "../option-checks.ts";
import type { Listen, SqlStore, SqlExecutor, SqlRow, StoreOptions } from "../store.ts";
import { assertTransaction } from "../transactions.ts";

/** The part of a `postgres` (Postgres.js) transaction that is used. */
export interface PostgresTransaction {
  /** Runs SQL with parameters `$1`, `$2`, … */
  // oxlint-disable-next-line typescript/no-explicit-any -- Postgres.js types its parameters by its own types
  unsafe(query: string, parameters?: any[]): PromiseLike<readonly unknown[]>;
}

/** The part of a `postgres` (Postgres.js) client that is used. */
export interface PostgresSql<Tx extends PostgresTransaction> extends PostgresTransaction {
  /** Runs `work` in a transaction. */
  begin<T>(work: (transaction: Tx) => Promise<T>): Promise<unknown>;
  /** The other form of `begin`. Not called: TypeScript infers `Tx` from the last form of a client. */
  begin<T>(options: string, work: (transaction: Tx) => Promise<T>): Promise<unknown>;
  /** Listens to a channel. */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen?: () => void,
  ): PromiseLike<{ unlisten(): Promise<void> }>;
}

/** Options of {@link postgresStore}. */
export interface PostgresStoreOptions<Tx extends PostgresTransaction> extends StoreOptions {
  /** What `postgres()` returned. It stays yours: never closed. */
  readonly sql: PostgresSql<Tx>;
}

/** A store on PostgreSQL by way of `postgres` (Postgres.js). A transaction is what `begin` gives. */
export function postgresStore<Tx extends PostgresTransaction>(
  options: PostgresStoreOptions<Tx>,
): SqlStore<Tx> {
  assertOptions(
    "postgresStore()",
    options,
    { ...storeOptions, sql: methodsOf("what postgres() returns", ["begin", "listen", "unsafe"]) },
    { sql: "such as postgres(url)" },
  );
  const { sql, schema } = options;
  return defineStore<Tx>({
    dialect: "postgres",
    schema,
    listen: postgresListen(sql),
    within(transaction) {
      // A connection that is reserved has none of both, and may have begun one by hand.
      assertTransaction(!("begin" in transaction), "a client");
      return executor(transaction);
    },
    execute: (text, parameters) => executor(sql).execute(text, parameters),
    async transaction(work) {
      // Postgres.js would look into an array for promises.
      const result = await sql.begin(async (transaction) => ({ value: await work(transaction) }));
      return (result as { value: Awaited<ReturnType<typeof work>> }).value;
    },
  });
}

/** Hears notifications by way of a client of `postgres`, which connects again by itself. */
export function postgresListen<Tx extends PostgresTransaction>(sql: PostgresSql<Tx>): Listen {
  return async (channel, onNotify) => {
    let hasListened = false;
    // Each time that it listens again it may have missed some. The first time proves nothing: see Listener.
    const onListen = (): void => {
      if (hasListened) onNotify();
      hasListened = true;
    };
    const listening = await sql.listen(channel, onNotify, onListen);
    return () => listening.unlisten();
  };
}

function executor(sql: PostgresTransaction): SqlExecutor {
  return {
    execute: async (text, parameters = []) =>
      (await sql.unsafe(text, [...parameters])) as readonly SqlRow[],
  };
}
