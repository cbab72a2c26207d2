import type { SqlExecutor } from "@busbar/sql";
import type { AttemptTrigger } from "../contract/delivery.ts";
import type { ErrorClass } from "../contract/notifier.ts";
import type { WebhookStore } from "../store/webhook-store.ts";

/** A row of the log that says how an attempt ended. */
export interface LoggedAttempt {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly subscriptionId: string;
  readonly number: number;
  readonly trigger: AttemptTrigger;
  readonly success: boolean;
  readonly status: number | null;
  readonly errorClass: ErrorClass | null;
  readonly error: string | null;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly nextAt: number | null;
  readonly requestHeaders: Readonly<Record<string, string>> | null;
  readonly response: string | null;
  /** JSON: what was sent, where it was made for this attempt. */
  readonly payload: string | null;
}

/**
 * Writes attempts to the log. One that is there already stays as it is, unless it is only known to have been interrupted:
 * then its process was not dead but late, and now says how it ended.
 */
export async function logAttempts(
  executor: SqlExecutor,
  { tables, sql }: WebhookStore,
  attempts: readonly LoggedAttempt[],
): Promise<void> {
  if (attempts.length === 0) return;
  const values = attempts.map((attempt, position) => ({
    position,
    delivery_id: attempt.deliveryId,
    event_id: attempt.eventId,
    event_name: attempt.eventName,
    subscription_id: attempt.subscriptionId,
    number: attempt.number,
    trigger_kind: attempt.trigger,
    success: attempt.success ? 1 : 0,
    status: attempt.status,
    error_class: attempt.errorClass,
    error: attempt.error,
    started_at: attempt.startedAt,
    duration_ms: attempt.durationMs,
    next_at: attempt.nextAt,
    request_headers:
      attempt.requestHeaders === null ? null : JSON.stringify(attempt.requestHeaders),
    response: attempt.response,
    payload: attempt.payload,
  }));
  const names = Object.keys(COLUMNS);
  const known = names.filter((name) => !FIXED.has(name));
  await executor.execute(
    `INSERT INTO ${tables.attempts} AS attempts (${names.join(", ")})
      SELECT ${names.join(", ")} FROM ${sql.rows("$1", COLUMNS)} AS it WHERE true ORDER BY position
      ON CONFLICT (delivery_id, number) DO UPDATE
        SET ${known.map((name) => `${name} = excluded.${name}`).join(", ")}
        WHERE attempts.error_class = 'interrupted'`,
    [JSON.stringify(values)],
  );
}

const COLUMNS = {
  delivery_id: "text",
  event_id: "text",
  event_name: "text",
  subscription_id: "text",
  number: "bigint",
  trigger_kind: "text",
  success: "bigint",
  status: "bigint",
  error_class: "text",
  error: "text",
  started_at: "bigint",
  duration_ms: "bigint",
  next_at: "bigint",
  request_headers: "text",
  response: "text",
  payload: "text",
} as const;

/** What an attempt that ends late does not change. */
const FIXED: ReadonlySet<string> = new Set([
  "delivery_id",
  "event_id",
  "event_name",
  "subscription_id",
  "number",
  "trigger_kind",
  "started_at",
  "next_at",
]);
