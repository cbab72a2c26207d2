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
export {
  defineStore,
  type OutboxStore,
  pgStore,
  postgresStore,
  sqliteStore,
} from "./outbox-store.ts";
export {
  type AdapterOptions,
  type AnswerOptions,
  type Dialect,
  type Listen,
  type PgClient,
  pgListen,
  type PgListenOptions,
  type PgPool,
  type PgPrepared,
  type PgQueryable,
  type PgResult,
  type PgStoreOptions,
  postgresListen,
  type PostgresSql,
  type PostgresStoreOptions,
  type PostgresTransaction,
  type SqliteDatabase,
  type SqliteFileOptions,
  type SqliteStatement,
  type SqliteStoreOptions,
  type SqlExecutor,
  type SqlRow,
  type SqlValue,
  type StoreOptions,
  type StoreParts,
} from "@busbar/sql";
