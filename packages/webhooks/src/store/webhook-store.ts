import type { SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";

/** The names of the tables, in the schema of the store. */
export interface TableNames {
  readonly state: string;
  readonly subscriptions: string;
  readonly versions: string;
  readonly endpoints: string;
  readonly events: string;
  readonly deliveries: string;
  readonly attempts: string;
  readonly replays: string;
  readonly sequences: string;
  readonly terms: string;
  readonly requests: string;
  readonly leases: string;
}

/** The store of webhooks, with what its statements have in common. */
export interface WebhookStore {
  /** The store as the application gave it. */
  readonly store: SqlStore;
  /** Runs statements and transactions. */
  readonly own: OwnWork<unknown>;
  readonly sql: Sql;
  readonly tables: TableNames;
  /** Locks the rows of a SELECT until the end of the transaction. SQLite has one writer anyway. */
  readonly forUpdate: string;
}

/** Makes a {@link WebhookStore} of a store whose tables are up to date. */
export function webhookStore(store: SqlStore): WebhookStore {
  const sql = sqlOf(store);
  return {
    store,
    sql,
    own: new OwnWork(store),
    forUpdate: store.dialect === "postgres" ? "FOR UPDATE" : "",
    tables: {
      state: sql.table("busbar_webhook_state"),
      subscriptions: sql.table("busbar_webhook_subscriptions"),
      versions: sql.table("busbar_webhook_subscription_versions"),
      endpoints: sql.table("busbar_webhook_endpoints"),
      events: sql.table("busbar_webhook_events"),
      deliveries: sql.table("busbar_webhook_deliveries"),
      attempts: sql.table("busbar_webhook_attempts"),
      replays: sql.table("busbar_webhook_replays"),
      sequences: sql.table("busbar_webhook_sequences"),
      terms: sql.table("busbar_webhook_terms"),
      requests: sql.table("busbar_webhook_requests"),
      leases: sql.table("busbar_webhook_leases"),
    },
  };
}

/** A whole number of a row. Drivers return big ones as text. */
export function wholeOf(value: unknown): number {
  return Number(value);
}

/** A whole number of a row, or null. */
export function wholeOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : wholeOf(value);
}

/** A time of a row, or null. */
export function timeOf(value: unknown): Date | null {
  return value === null || value === undefined ? null : new Date(Number(value));
}

/** A text of a row, or null. */
export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** A text, such as an id that a caller gives, as every database takes it. */
export function storable(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}
