import type { SearchRecord } from "./record.ts";

/**
 * How the values of a field are compared.
 *
 * - `id`: as a whole, with case.
 * - `name`: as a whole, without case.
 * - `text`: as a whole or by words, without case.
 * - `number`, `boolean`, `date`: by value.
 * - `status`: a state of deliveries, or a status code.
 */
export type FieldKind = "id" | "name" | "text" | "number" | "boolean" | "date" | "status";

/** A field of the log, and where a record has it. */
export interface Field {
  readonly kind: FieldKind;
  readonly member: Exclude<keyof SearchRecord, "payload" | "redact">;
}

/** The fields of the log, by all the names that they have. */
export const LOG_FIELDS: Readonly<Record<string, Field>> = {
  log_id: { kind: "number", member: "logId" },
  uuid: { kind: "id", member: "deliveryId" },
  delivery_id: { kind: "id", member: "deliveryId" },
  event_id: { kind: "id", member: "eventId" },
  event_name: { kind: "name", member: "eventName" },
  scope: { kind: "id", member: "scope" },
  subscription_id: { kind: "id", member: "subscriptionId" },
  destination: { kind: "name", member: "destination" },
  notifier: { kind: "name", member: "notifier" },
  success: { kind: "boolean", member: "success" },
  status: { kind: "status", member: "state" },
  status_code: { kind: "number", member: "statusCode" },
  error_class: { kind: "name", member: "errorClass" },
  error: { kind: "text", member: "error" },
  response: { kind: "text", member: "response" },
  attempt: { kind: "number", member: "attempt" },
  trigger: { kind: "name", member: "trigger" },
  duration: { kind: "number", member: "duration" },
  created: { kind: "date", member: "created" },
  next_attempt: { kind: "date", member: "nextAttempt" },
};

/** The fields that events have, for filters of subscriptions. */
export const EVENT_FIELDS: Readonly<Record<string, Field>> = {
  event_id: { kind: "id", member: "eventId" },
  event_name: { kind: "name", member: "eventName" },
  scope: { kind: "id", member: "scope" },
  created: { kind: "date", member: "created" },
};

/** The states that a search knows. */
export const STATES: readonly string[] = [
  "waiting",
  "retrying",
  "paused",
  "running",
  "delivered",
  "dead",
  "cancelled",
];

/** The members that words without a field are compared with, besides payload, error and response. */
export const PLAIN_MEMBERS: readonly Field["member"][] = [
  "deliveryId",
  "eventId",
  "subscriptionId",
  "eventName",
  "errorClass",
];
