export { defineStore, type StoreParts } from "./define-store.ts";
export type {
  AdapterOptions,
  AnswerOptions,
  Dialect,
  Listen,
  SqlExecutor,
  SqlRow,
  SqlStore,
  SqlValue,
  StoreOptions,
} from "./store.ts";
export {
  type PgClient,
  pgListen,
  type PgListenOptions,
  type PgPool,
  type PgPrepared,
  type PgQueryable,
  type PgResult,
  pgStore,
  type PgStoreOptions,
} from "./stores/pg-store.ts";
export {
  postgresListen,
  type PostgresSql,
  postgresStore,
  type PostgresStoreOptions,
  type PostgresTransaction,
} from "./stores/postgres-store.ts";
export type { SqliteDatabase, SqliteStatement } from "./stores/sqlite-database.ts";
export {
  type SqliteFileOptions,
  sqliteStore,
  type SqliteStoreOptions,
} from "./stores/sqlite-store.ts";
