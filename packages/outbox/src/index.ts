export { defineStore, type StoreParts } from "./define-store.ts";
export type { FailedEvent, FailedEvents } from "./failed-events.ts";
export {
  cleanInbox,
  inbox,
  type InboxOptions,
  once,
  type OnceContext,
  type OnceOptions,
} from "./inbox.ts";
export type { DrainedOptions } from "./drained.ts";
export type { OutboxInspection } from "./inspection.ts";
export { migrate } from "./migrate.ts";
export { outbox, type Outbox, type OutboxOptions } from "./outbox.ts";
export type { RelayOptions, RelayState } from "./relay.ts";
export type {
  AdapterOptions,
  AnswerOptions,
  Dialect,
  Listen,
  OutboxStore,
  SqlExecutor,
  SqlRow,
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
export {
  type SqliteDatabase,
  type SqliteStatement,
  sqliteStore,
  type SqliteStoreOptions,
} from "./stores/sqlite-store.ts";
