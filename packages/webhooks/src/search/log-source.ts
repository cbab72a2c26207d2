import type { Sql } from "@busbar/sql/feature";
import type { Field } from "./fields.ts";

/** Where a search looks: among attempts, or among deliveries with the latest attempt of each. */
export interface LogSource {
  readonly kind: "attempts" | "deliveries";
  /** The tables, for after FROM: `a` are attempts, `d` deliveries, `e` events, `s` subscriptions. */
  readonly from: (sql: Sql) => string;
  /** The table that is searched, alone. */
  readonly table: (sql: Sql) => string;
  /** The order: newest first, by time and by number. */
  readonly time: string;
  readonly number: string;
  readonly members: Readonly<Record<Field["member"], string>>;
}

const STATE = `CASE WHEN d.state <> 'waiting' THEN d.state WHEN s.enabled = 0 THEN 'paused'
  WHEN d.attempts > 0 THEN 'retrying' ELSE 'waiting' END`;

/** The attempts of the log. */
export const ATTEMPTS: LogSource = {
  kind: "attempts",
  from: ({ table }) => `${table("busbar_webhook_attempts")} AS a
    LEFT JOIN ${table("busbar_webhook_deliveries")} AS d ON d.id = a.delivery_id
    LEFT JOIN ${table("busbar_webhook_events")} AS e ON e.id = a.event_id
    LEFT JOIN ${table("busbar_webhook_subscriptions")} AS s ON s.id = a.subscription_id`,
  table: ({ table }) => `${table("busbar_webhook_attempts")} AS a`,
  time: "a.started_at",
  number: "a.id",
  members: {
    logId: "a.id",
    deliveryId: "a.delivery_id",
    eventId: "a.event_id",
    eventName: "a.event_name",
    scope: "d.scope",
    subscriptionId: "a.subscription_id",
    destination: "s.destination",
    notifier: "s.notifier",
    state: STATE,
    success: "a.success",
    statusCode: "a.status",
    errorClass: "a.error_class",
    error: "a.error",
    response: "a.response",
    attempt: "a.number",
    trigger: "a.trigger_kind",
    duration: "a.duration_ms",
    created: "a.started_at",
    nextAttempt: "a.next_at",
  },
};

/** The deliveries, with the latest attempt of each. */
export const DELIVERIES: LogSource = {
  kind: "deliveries",
  from: ({ table }) => `${table("busbar_webhook_deliveries")} AS d
    LEFT JOIN ${table("busbar_webhook_attempts")} AS a
      ON a.delivery_id = d.id AND a.number = d.attempts
    LEFT JOIN ${table("busbar_webhook_events")} AS e ON e.id = d.event_id
    LEFT JOIN ${table("busbar_webhook_subscriptions")} AS s ON s.id = d.subscription_id`,
  table: ({ table }) => `${table("busbar_webhook_deliveries")} AS d`,
  time: "d.created_at",
  number: "d.number",
  members: {
    logId: "a.id",
    deliveryId: "d.id",
    eventId: "d.event_id",
    eventName: "d.event_name",
    scope: "d.scope",
    subscriptionId: "d.subscription_id",
    destination: "s.destination",
    notifier: "s.notifier",
    state: STATE,
    success: "CASE WHEN d.state = 'delivered' THEN 1 ELSE 0 END",
    statusCode: "d.last_status",
    errorClass: "d.last_error_class",
    error: "a.error",
    response: "a.response",
    attempt: "d.attempts",
    trigger: "a.trigger_kind",
    duration: "a.duration_ms",
    created: "d.created_at",
    nextAttempt: "CASE WHEN d.state = 'waiting' THEN d.due_at END",
  },
};

/** The document of the payload of a row. */
export const PAYLOAD_DOCUMENT = `CASE d.payload_mode WHEN 'attempt' THEN -a.id
  WHEN 'emitted' THEN 2 * e.number + 1 ELSE 2 * e.number END`;

/** The document of error and response of a row. */
export const TEXT_DOCUMENT = "-a.id";

/** That the index does not have all of a row yet. */
export const UNINDEXED = "(e.indexed = 0 OR a.indexed = 0)";
