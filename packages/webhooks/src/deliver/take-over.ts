import type { SqlRow } from "@busbar/sql";
import type { AttemptTrigger } from "../contract/delivery.ts";
import { type WebhookStore, wholeOf } from "../store/webhook-store.ts";
import { logAttempts, type LoggedAttempt } from "./attempt-log.ts";
import { type FreedKey, release } from "./order.ts";
import { isOneOf } from "./sql-parts.ts";

/** Attempts of a delivery that may be interrupted: one that ends its process each time is not attempted for ever. */
const MOST_INTERRUPTED = 10;
/** Deliveries that are taken over in one transaction. */
const AT_ONCE = 500;
const INTERRUPTED =
  "The process that made the attempt ended or stood still, so nobody knows how the attempt ended";

/** A delivery that was given up. */
export interface InterruptedDelivery {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly subscriptionId: string;
  readonly attempts: number;
}

/** What was taken over from processes that have died. */
export interface TakenOver {
  /** How many deliveries are attempted again. */
  readonly again: number;
  /** Those that are not, as they were interrupted too often. */
  readonly exhausted: readonly InterruptedDelivery[];
}

/**
 * Makes deliveries due again whose lease is over, under the ids that they have, and logs the attempt as `interrupted`. An
 * interrupted attempt does not count as a retry.
 */
export async function takeOver(store: WebhookStore): Promise<TakenOver> {
  const { own, tables, sql } = store;
  const isOver = `state = 'running' AND leased_until <= ${sql.now}`;
  // Most of the time there are none: then nothing is locked.
  const any = await own.execute(
    `SELECT 1 AS one FROM ${tables.deliveries} WHERE ${isOver} LIMIT 1`,
    [],
    { isFrequent: true },
  );
  if (any.length === 0) return { again: 0, exhausted: [] };
  return own.transaction(async (executor) => {
    const rows = await executor.execute(
      `SELECT number, id, event_id, event_name, subscription_id, ordering_key, attempts,
          next_trigger, last_attempt_at, ${sql.now} AS now,
          (SELECT count(*) FROM ${tables.attempts} AS attempts
            WHERE attempts.delivery_id = deliveries.id
              AND attempts.error_class = 'interrupted' AND attempts.error = $1) AS interrupted
        FROM ${tables.deliveries} AS deliveries
        WHERE ${isOver} ORDER BY number LIMIT ${AT_ONCE} ${sql.skipLocked}`,
      // Not those of processes that were stopped, nor those that the database kept from beginning.
      [INTERRUPTED],
    );
    const isExhausted = (row: SqlRow): boolean =>
      wholeOf(row["interrupted"]) + 1 >= MOST_INTERRUPTED;
    const again = rows.filter((row) => !isExhausted(row));
    const exhausted = rows.filter(isExhausted);
    for (const [these, state] of [
      [again, `state = 'waiting', due_at = ${sql.now}`],
      [exhausted, "state = 'dead', due_at = NULL"],
    ] as const) {
      if (these.length === 0) continue;
      await executor.execute(
        `UPDATE ${tables.deliveries} SET ${state}, claim = NULL, leased_until = NULL,
            next_trigger = 'retry', last_status = NULL, last_error_class = 'interrupted'
          WHERE ${isOneOf(sql, "number", "$1", "bigint")}`,
        [JSON.stringify(these.map((row) => wholeOf(row["number"])))],
      );
    }
    await logAttempts(
      executor,
      store,
      rows.map((row) => interrupted(row, !isExhausted(row))),
    );
    await release(executor, store, keysOf(exhausted));
    return {
      again: again.length,
      exhausted: exhausted.map((row) => ({
        deliveryId: String(row["id"]),
        eventId: String(row["event_id"]),
        eventName: String(row["event_name"]),
        subscriptionId: String(row["subscription_id"]),
        attempts: wholeOf(row["attempts"]),
      })),
    };
  });
}

function interrupted(row: SqlRow, isAgain: boolean): LoggedAttempt {
  return {
    deliveryId: String(row["id"]),
    eventId: String(row["event_id"]),
    eventName: String(row["event_name"]),
    subscriptionId: String(row["subscription_id"]),
    number: wholeOf(row["attempts"]),
    trigger: row["next_trigger"] as AttemptTrigger,
    success: false,
    status: null,
    errorClass: "interrupted",
    error: INTERRUPTED,
    startedAt: wholeOf(row["last_attempt_at"]),
    // Unknown.
    durationMs: 0,
    nextAt: isAgain ? wholeOf(row["now"]) : null,
    requestHeaders: null,
    response: null,
    payload: null,
  };
}

function keysOf(rows: readonly SqlRow[]): readonly FreedKey[] {
  return rows
    .filter((row) => row["ordering_key"] !== null)
    .map((row) => ({
      subscriptionId: String(row["subscription_id"]),
      orderingKey: String(row["ordering_key"]),
      before: null,
    }));
}
