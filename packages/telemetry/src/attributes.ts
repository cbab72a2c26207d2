/** The attributes of spans and metrics, by the names that OpenTelemetry has for messaging, and our own. */
export const ATTR = {
  system: "messaging.system",
  /** The name of `messaging.system` from version 1.44 of the conventions on. */
  systemName: "messaging.system.name",
  operationName: "messaging.operation.name",
  operationType: "messaging.operation.type",
  destination: "messaging.destination.name",
  consumerGroup: "messaging.consumer.group.name",
  messageId: "messaging.message.id",
  conversationId: "messaging.message.conversation_id",
  batchCount: "messaging.batch.message_count",
  errorType: "error.type",
  attempt: "busbar.delivery.attempt",
  outcome: "busbar.delivery.outcome",
  retryDelay: "busbar.delivery.retry_delay_ms",
  reason: "busbar.reason",
  group: "busbar.event_group.id",
  bus: "busbar.bus",
  scope: "busbar.scope",
  state: "busbar.state",
} as const;

/** The value of `messaging.system`. */
export const SYSTEM = "busbar";

/** What became of a run. */
export type Outcome = "acknowledged" | "retry" | "dead" | "released";

/** Returns the value of `error.type` for what was thrown: its code, or else its name. Of few different values. */
export function errorType(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return "NonError";
  try {
    const { code, name } = thrown as { readonly code?: unknown; readonly name?: unknown };
    if (isLabel(code)) return code;
    return isLabel(name) ? name : "Error";
  } catch {
    // A handler may throw an object whose members throw.
    return "Error";
  }
}

function isLabel(value: unknown): value is string {
  return typeof value === "string" && /^[\w.:-]{1,80}$/.test(value);
}
