import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import type { DeliveryTrace, WebhookDelivery } from "../contract/delivery.ts";
import { attemptOf, deliveryOf, recordColumns, redactOf } from "../search/log-rows.ts";
import { ATTEMPTS, DELIVERIES } from "../search/log-source.ts";
import { redacted } from "../search/redaction.ts";
import { textOf, type WebhookStore } from "../store/webhook-store.ts";

/** Reads one delivery. */
export async function findDelivery(
  { own, sql }: Pick<WebhookStore, "sql"> & { readonly own: SqlExecutor },
  id: string,
): Promise<WebhookDelivery | undefined> {
  const [row] = await own.execute(
    `SELECT ${recordColumns(DELIVERIES, false)} FROM ${DELIVERIES.from(sql)} WHERE d.id = $1`,
    [id],
  );
  return row && deliveryOf(row);
}

/** Reads one delivery with its payload and its attempts, the first one first. */
export async function traceDelivery(
  store: WebhookStore,
  id: string,
): Promise<DeliveryTrace | undefined> {
  const { own, sql } = store;
  const [row] = await own.execute(
    `SELECT ${recordColumns(DELIVERIES, true)}, d.payload_mode, e.args AS args, e.metadata AS metadata
      FROM ${DELIVERIES.from(sql)} WHERE d.id = $1`,
    [id],
  );
  if (!row) return undefined;
  const attempts = await own.execute(
    `SELECT ${recordColumns(ATTEMPTS, false)} FROM ${ATTEMPTS.from(sql)}
      WHERE a.delivery_id = $1 ORDER BY a.number`,
    [id],
  );
  const redact = redactOf(textOf(row["options"]));
  const payload = await payloadOf(store, row, id);
  const args = textOf(row["args"]);
  const shown = (json: string | null): JsonValue =>
    json === null ? null : redacted(JSON.parse(json) as JsonValue, redact);
  return {
    delivery: deliveryOf(row),
    payload: shown(payload),
    // Arguments are only kept where they are not the payload.
    args: shown(args ?? payload),
    metadata: JSON.parse(textOf(row["metadata"]) ?? "{}") as JsonObject,
    attempts: attempts.map(attemptOf),
  };
}

/** JSON: the payload that the delivery has, or that its latest attempt has sent. */
async function payloadOf(
  { own, tables }: WebhookStore,
  row: SqlRow,
  id: string,
): Promise<string | null> {
  const known = textOf(row["payload"]);
  if (known !== null) return known;
  const [made] = await own.execute(
    `SELECT payload FROM ${tables.attempts}
      WHERE delivery_id = $1 AND payload IS NOT NULL ORDER BY number DESC LIMIT 1`,
    [id],
  );
  return textOf(made?.["payload"]);
}
