import type { JsonValue } from "@busbar/core/provider";
import type { SqlRow } from "@busbar/sql";
import type {
  AttemptTrigger,
  DeliveryAttempt,
  DeliveryState,
  WebhookDelivery,
} from "../contract/delivery.ts";
import type { ErrorClass } from "../contract/notifier.ts";
import type { LogSource } from "./log-source.ts";
import type { SearchRecord } from "./record.ts";
import { statusText } from "./status-text.ts";

/**
 * The columns that {@link attemptOf}, {@link deliveryOf} and {@link recordOf} read.
 *
 * @param looksInside Whether the row is made a record, with its payload.
 */
export function recordColumns({ members, number }: LogSource, looksInside: boolean): string {
  const columns = Object.entries(members).map(([name, column]) => `${column} AS ${snake(name)}`);
  columns.push(
    `${number} AS place`,
    "a.request_headers AS request_headers",
    "d.subscription_version AS subscription_version",
    "d.first_attempt_at AS first_attempt_at",
    "d.last_attempt_at AS last_attempt_at",
    "d.chain_attempts AS chain_attempts",
    "CASE WHEN d.chain_since IS NULL THEN 0 ELSE 1 END AS is_replayed",
  );
  if (looksInside) {
    columns.push(
      `CASE d.payload_mode WHEN 'attempt' THEN a.payload WHEN 'emitted' THEN e.snapshot
        ELSE e.payload END AS payload`,
      "s.options AS options",
    );
  }
  return columns.join(", ");
}

/** Returns a row as a query is compared with it. */
export function recordOf(row: SqlRow): SearchRecord {
  const payload = text(row["payload"]);
  return {
    logId: number(row["log_id"]),
    deliveryId: text(row["delivery_id"]),
    eventId: String(row["event_id"]),
    eventName: String(row["event_name"]),
    scope: text(row["scope"]),
    subscriptionId: text(row["subscription_id"]),
    destination: text(row["destination"]),
    notifier: text(row["notifier"]),
    state: text(row["state"]),
    success: Number(row["success"]) === 1,
    statusCode: number(row["status_code"]),
    errorClass: text(row["error_class"]),
    error: text(row["error"]),
    response: text(row["response"]),
    attempt: number(row["attempt"]),
    trigger: text(row["trigger"]),
    duration: number(row["duration"]),
    created: Number(row["created"]),
    nextAttempt: number(row["next_attempt"]),
    payload: payload === null ? undefined : (JSON.parse(payload) as JsonValue),
    redact: redactOf(text(row["options"])),
  };
}

/** Returns a row of attempts as the log shows it. */
export function attemptOf(row: SqlRow): DeliveryAttempt {
  const headers = text(row["request_headers"]);
  return {
    id: String(row["log_id"]),
    deliveryId: text(row["delivery_id"]),
    eventId: String(row["event_id"]),
    eventName: String(row["event_name"]),
    subscriptionId: text(row["subscription_id"]),
    number: Number(row["attempt"]),
    trigger: String(row["trigger"]) as AttemptTrigger,
    success: Number(row["success"]) === 1,
    status: number(row["status_code"]),
    errorClass: text(row["error_class"]) as ErrorClass | null,
    error: text(row["error"]),
    startedAt: new Date(Number(row["created"])),
    durationMs: Number(row["duration"]),
    nextAttemptAt: date(row["next_attempt"]),
    requestHeaders: headers === null ? {} : (JSON.parse(headers) as Record<string, string>),
    response: text(row["response"]),
  };
}

/** Returns a row of deliveries as the log shows it. */
export function deliveryOf(row: SqlRow): WebhookDelivery {
  const state = String(row["state"]) as DeliveryState;
  const attempts = Number(row["attempt"]);
  return {
    id: String(row["delivery_id"]),
    eventId: String(row["event_id"]),
    eventName: String(row["event_name"]),
    scope: text(row["scope"]),
    subscriptionId: String(row["subscription_id"]),
    subscriptionVersion: Number(row["subscription_version"]),
    destination: text(row["destination"]) ?? "",
    state,
    statusText: statusText({
      state,
      attempts,
      chainAttempts: Number(row["chain_attempts"]),
      isReplayed: Number(row["is_replayed"]) === 1,
    }),
    attempts,
    nextAttemptAt: date(row["next_attempt"]),
    createdAt: new Date(Number(row["created"])),
    firstAttemptAt: date(row["first_attempt_at"]),
    lastAttemptAt: date(row["last_attempt_at"]),
    lastStatus: number(row["status_code"]),
    lastErrorClass: text(row["error_class"]) as ErrorClass | null,
  };
}

/** The paths that a subscription redacts, of its column `options`. */
export function redactOf(options: string | null): readonly string[] {
  if (options === null) return [];
  const { redact } = JSON.parse(options) as { redact?: readonly string[] };
  return redact ?? [];
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** Some drivers give large numbers as text. */
function number(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function date(value: unknown): Date | null {
  const time = number(value);
  return time === null ? null : new Date(time);
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
