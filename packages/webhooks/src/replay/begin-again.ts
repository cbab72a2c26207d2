import type { SqlExecutor } from "@busbar/sql";
import { isOneOf } from "../deliver/sql-parts.ts";
import type { WebhookStore } from "../store/webhook-store.ts";

/** Which replay begins deliveries again, and what the log says of their next attempt. */
export interface Beginning {
  readonly replayId: string;
  readonly trigger: "manual" | "replay";
}

/**
 * Begins deliveries again, under the ids that they have, with a chain of attempts of their own. Those that are running are
 * left alone, and so are those of deleted subscriptions, those without a payload, and those that the replay has begun
 * before. Resolves with how many were begun.
 */
export async function beginAgain(
  executor: SqlExecutor,
  { tables, sql, forUpdate }: WebhookStore,
  ids: readonly string[],
  { replayId, trigger }: Beginning,
): Promise<number> {
  if (ids.length === 0) return 0;
  const list = JSON.stringify(ids);
  // An array: with a subquery after IN, PostgreSQL may read whole tables.
  const isAmong = (column: string, name: string): string =>
    `${column} = ANY (ARRAY(SELECT ${name} FROM ${tables.deliveries}
      WHERE ${isOneOf(sql, "id", "$1", "text")}))`;
  if (forUpdate !== "") {
    // First the endpoints, as everybody does who changes deliveries in an order.
    await executor.execute(
      `SELECT subscription_id FROM ${tables.endpoints}
        WHERE ${isAmong("subscription_id", "subscription_id")} ORDER BY subscription_id ${forUpdate}`,
      [list],
    );
    // The payloads of events that wait for a delivery are not deleted.
    await executor.execute(
      `SELECT id FROM ${tables.events} WHERE ${isAmong("id", "event_id")} ORDER BY number FOR SHARE`,
      [list],
    );
  }
  const begun = await executor.execute(
    `UPDATE ${tables.deliveries} AS deliveries
      SET state = 'waiting', due_at = ${sql.now}, next_trigger = $2, replay_id = $3,
        chain_attempts = 0, chain_since = ${sql.now}
      WHERE ${isOneOf(sql, "id", "$1", "text")} AND state <> 'running'
        AND (replay_id IS NULL OR replay_id <> $3)
        AND EXISTS (SELECT 1 FROM ${tables.subscriptions} AS subscriptions
          WHERE subscriptions.id = deliveries.subscription_id AND subscriptions.deleted_at IS NULL)
        AND EXISTS (SELECT 1 FROM ${tables.events} AS events
          WHERE events.id = deliveries.event_id AND events.expunged = 0)
      RETURNING number`,
    [list, trigger, replayId],
  );
  return begun.length;
}

/** Tells the dispatchers of other processes, once the transaction is committed, that there is something to deliver. */
export async function announce(
  executor: SqlExecutor,
  { sql }: WebhookStore,
  channel: string,
): Promise<void> {
  if (sql.dialect !== "postgres") return;
  await executor.execute("SELECT CAST(concat('', pg_notify($1, '')) AS text) AS notified", [
    channel,
  ]);
}
