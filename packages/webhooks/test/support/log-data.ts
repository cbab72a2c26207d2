import type { JsonValue } from "@busbar/core/provider";
import type { SqlRow, SqlValue } from "@busbar/sql";
import type { TestDatabase } from "./databases.ts";

/** An attempt of a delivery of an event, as a test wants it in the log. What is left out has a default. */
export interface LoggedAttempt {
  readonly eventId: string;
  readonly eventName?: string;
  readonly scope?: string | null;
  readonly payload?: JsonValue;
  readonly snapshot?: JsonValue;
  readonly subscriptionId?: string | null;
  readonly payloadMode?: "once" | "emitted" | "attempt";
  readonly state?: string;
  readonly number?: number;
  readonly trigger?: string;
  readonly success?: boolean;
  readonly status?: number | null;
  readonly errorClass?: string | null;
  readonly error?: string | null;
  readonly response?: string | null;
  readonly startedAt?: number;
  readonly durationMs?: number;
  readonly nextAt?: number | null;
}

/** Writes a subscription, as far as a search wants to know it. */
export async function addSubscription(
  { query }: TestDatabase,
  {
    id,
    destination = "https://erp.test/hooks",
    notifier = "http",
    enabled = true,
    redact = [],
  }: {
    readonly id: string;
    readonly destination?: string;
    readonly notifier?: string;
    readonly enabled?: boolean;
    readonly redact?: readonly string[];
  },
): Promise<void> {
  await insert(query, "busbar_webhook_subscriptions", {
    id,
    version: 1,
    revision: 1,
    enabled: enabled ? 1 : 0,
    notifier,
    destination,
    events: "[]",
    options: JSON.stringify({ redact }),
    secrets: "[]",
    created_at: 0,
    modified_at: 0,
  });
}

/** Writes attempts, with their events and deliveries where they are not there yet. */
export async function addAttempts(
  { query }: TestDatabase,
  attempts: readonly LoggedAttempt[],
): Promise<void> {
  for (const attempt of attempts) {
    const { eventId, payloadMode = "once", startedAt = 1_000, number = 1 } = attempt;
    const { eventName = "order.created", scope = null } = attempt;
    // Only failures have an error class.
    const { success = (attempt.errorClass ?? null) === null } = attempt;
    const { subscriptionId = "sub-1" } = attempt;
    const json = (value: JsonValue | undefined): string | null =>
      value === undefined ? null : JSON.stringify(value);
    const deliveryId = subscriptionId === null ? null : `${eventId}-${subscriptionId}`;
    if (subscriptionId !== null) {
      await insert(query, "busbar_webhook_events", {
        id: eventId,
        name: eventName,
        scope,
        payload: json(payloadMode === "attempt" ? undefined : attempt.payload),
        snapshot: json(attempt.snapshot),
        metadata: "{}",
        occurred_at: startedAt,
        created_at: startedAt,
      });
      await insert(query, "busbar_webhook_deliveries", {
        id: deliveryId,
        event_id: eventId,
        subscription_id: subscriptionId,
        subscription_version: 1,
        event_name: eventName,
        scope,
        payload_mode: payloadMode,
        state: attempt.state ?? (success ? "delivered" : "waiting"),
        due_at: attempt.nextAt ?? startedAt,
        attempts: number,
        next_trigger: "retry",
        created_at: startedAt,
      });
      await query(
        "UPDATE busbar_webhook_deliveries SET attempts = $1, last_status = $2, last_error_class = $3 WHERE id = $4",
        [number, attempt.status ?? null, attempt.errorClass ?? null, deliveryId],
      );
    }
    await insert(query, "busbar_webhook_attempts", {
      delivery_id: deliveryId,
      event_id: eventId,
      event_name: eventName,
      subscription_id: subscriptionId,
      number,
      trigger_kind: attempt.trigger ?? "first",
      success: success ? 1 : 0,
      status: attempt.status ?? null,
      error_class: attempt.errorClass ?? null,
      error: attempt.error ?? null,
      started_at: startedAt,
      duration_ms: attempt.durationMs ?? 10,
      next_at: attempt.nextAt ?? null,
      response: attempt.response ?? null,
      payload: json(payloadMode === "attempt" ? attempt.payload : undefined),
    });
  }
}

async function insert(
  query: (sql: string, values?: readonly SqlValue[]) => Promise<readonly SqlRow[]>,
  table: string,
  row: Readonly<Record<string, SqlValue>>,
): Promise<void> {
  const names = Object.keys(row);
  await query(
    `INSERT INTO ${table} (${names.join(", ")})
      VALUES (${names.map((_, index) => `$${index + 1}`).join(", ")}) ON CONFLICT DO NOTHING`,
    Object.values(row),
  );
}
