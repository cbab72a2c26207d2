import { timeOf, type WebhookStore, wholeOf } from "./store/webhook-store.ts";

/** Webhooks in numbers, over all processes. */
export interface WebhooksInspection {
  /** Deliveries that wait for their first attempt or for another one. */
  readonly waiting: number;
  /** Of these, those whose subscription is disabled. */
  readonly paused: number;
  /** Deliveries of which an attempt is under way. */
  readonly running: number;
  /** Deliveries that have failed for good. */
  readonly dead: number;
  /** Since when the oldest delivery is due of those that wait and are not paused. Null if none is due. */
  readonly oldestDueAt: Date | null;
  /** Subscriptions that are enabled. */
  readonly enabled: number;
  /** Subscriptions that are disabled. */
  readonly disabled: number;
  /** Endpoints that get no attempts for the moment, because too many have failed in a row. */
  readonly open: number;
}

/** Counts what there is. Reads indexes only, but all of their entries. */
export async function inspectWebhooks({
  own,
  sql,
  tables,
}: WebhookStore): Promise<WebhooksInspection> {
  const waiting = `FROM ${tables.deliveries} AS deliveries
    JOIN ${tables.subscriptions} AS subscriptions ON subscriptions.id = subscription_id
    WHERE state = 'waiting'`;
  const [row] = await own.execute(
    `SELECT
      (SELECT count(*) FROM ${tables.deliveries} WHERE state = 'waiting') AS waiting,
      (SELECT count(*) ${waiting} AND enabled = 0) AS paused,
      (SELECT count(*) FROM ${tables.deliveries} WHERE state = 'running') AS running,
      (SELECT count(*) FROM ${tables.deliveries} WHERE state = 'dead') AS dead,
      (SELECT min(due_at) ${waiting} AND enabled = 1 AND due_at <= ${sql.now}) AS oldest,
      (SELECT count(*) FROM ${tables.subscriptions} WHERE deleted_at IS NULL AND enabled = 1)
        AS enabled,
      (SELECT count(*) FROM ${tables.subscriptions} WHERE deleted_at IS NULL AND enabled = 0)
        AS disabled,
      (SELECT count(*) FROM ${tables.endpoints} WHERE breaker <> 'closed') AS open`,
  );
  return {
    waiting: wholeOf(row?.["waiting"]),
    paused: wholeOf(row?.["paused"]),
    running: wholeOf(row?.["running"]),
    dead: wholeOf(row?.["dead"]),
    oldestDueAt: timeOf(row?.["oldest"]),
    enabled: wholeOf(row?.["enabled"]),
    disabled: wholeOf(row?.["disabled"]),
    open: wholeOf(row?.["open"]),
  };
}
