import type { InboxStore } from "@busbar/core/plugin";
import {
  defineStore as defineSqlStore,
  type PgClient,
  pgStore as pgSqlStore,
  type PgStoreOptions,
  postgresStore as postgresSqlStore,
  type PostgresStoreOptions,
  type PostgresTransaction,
  type SqliteDatabase,
  type SqliteFileOptions,
  sqliteStore as sqliteSqlStore,
  type SqliteStoreOptions,
  type SqlStore,
  type StoreParts,
} from "@busbar/sql";
import { inbox } from "./inbox.ts";

/**
 * A database, by way of one driver, query builder or ORM, that `createEventBus` also takes as `inbox`.
 * Every other feature that needs a database takes the same store.
 *
 * @typeParam Tx What the application knows as a transaction: what it gives to `withTransaction`, and
 *   what a handler within `once` finds in `context.tx`.
 */
export interface OutboxStore<Tx = unknown> extends SqlStore<Tx>, InboxStore<Tx> {}

/**
 * Makes a store, for a driver or query builder that has none here. Errors of its statements lose what must not be
 * logged: statements, parameters, and values of rows.
 *
 * @example
 * ```ts
 * defineStore<MyTransaction>({ dialect: "postgres", schema: undefined, within, execute, transaction });
 * ```
 */
export function defineStore<Tx>(parts: StoreParts<Tx>): OutboxStore<Tx> {
  return withInbox(defineSqlStore(parts));
}

/**
 * Makes a store on PostgreSQL that uses `pg`. A transaction is a client on which `BEGIN` has run.
 *
 * @example
 * ```ts
 * const store = pgStore({ pool: new Pool({ connectionString: process.env.DATABASE_URL }) });
 * ```
 */
export function pgStore<Client extends PgClient>(
  options: PgStoreOptions<Client>,
): OutboxStore<Client> {
  return withInbox(pgSqlStore(options));
}

/** Makes a store on PostgreSQL that uses `postgres` (Postgres.js). A transaction is what `begin` gives. */
export function postgresStore<Tx extends PostgresTransaction>(
  options: PostgresStoreOptions<Tx>,
): OutboxStore<Tx> {
  return withInbox(postgresSqlStore(options));
}

/**
 * Makes a store on a SQLite file. A transaction is a database on which `BEGIN` has run. Transactions take turns,
 * in the order of their calls.
 *
 * A database that you open should be in WAL mode, and its own `timeout` short: it blocks the process.
 */
export function sqliteStore(options: SqliteFileOptions): OutboxStore<SqliteDatabase>;
export function sqliteStore<Database extends SqliteDatabase>(
  options: SqliteStoreOptions<Database>,
): OutboxStore<Database>;
export function sqliteStore(
  options: SqliteFileOptions | SqliteStoreOptions,
): OutboxStore<SqliteDatabase> {
  return withInbox(sqliteSqlStore(options as SqliteStoreOptions));
}

function withInbox<Tx>(store: SqlStore<Tx>): OutboxStore<Tx> {
  return {
    ...store,
    createInbox() {
      return inbox({ store: this });
    },
  };
}
