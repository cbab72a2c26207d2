import type { Envelope, JsonValue, ProviderContext } from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import { toColumn } from "@busbar/sql/feature";
import type { Database } from "../database.ts";

/** Makes deliveries dead letters. Call it in a transaction that has them. */
export async function bury(
  executor: SqlExecutor,
  { table, now, idIn }: Database,
  ids: readonly string[],
  { reason, state }: { readonly reason: string; readonly state: JsonValue },
): Promise<void> {
  await executor.execute(
    `WITH gone AS (DELETE FROM ${table("deliveries")} WHERE ${idIn("$1")} RETURNING id, queue, event)
    INSERT INTO ${table("dead_letters")} (queue, envelope, reason, state, died_at)
    SELECT queue, body, CAST($2 AS text), CAST($3 AS text), ${now} FROM gone
    JOIN ${table("events")} AS event ON event.id = gone.event ORDER BY gone.id`,
    [JSON.stringify(ids), toColumn(reason), JSON.stringify(state)],
  );
}

/** Deletes deliveries, and forgets their deduplication ids. Call it in a transaction that has them. */
export async function discard(
  executor: SqlExecutor,
  { table, idIn, rows }: Database,
  queue: number,
  deliveries: readonly { readonly id: string; readonly envelope: Envelope }[],
): Promise<void> {
  const ids = deliveries.map(({ id }) => id);
  await executor.execute(`DELETE FROM ${table("deliveries")} WHERE ${idIn("$1")}`, [
    JSON.stringify(ids),
  ]);
  const forgotten = deliveries
    .map(({ envelope }) => envelope.deduplicationId)
    .filter((id) => id !== undefined)
    .map((id, position) => ({ position, id: toColumn(id) }));
  if (forgotten.length === 0) return;
  await executor.execute(
    `DELETE FROM ${table("deduplications")} AS known USING ${rows("$2", { id: "text" })} AS gone
    WHERE known.queue = CAST($1 AS integer) AND known.id = gone.id`,
    [queue, JSON.stringify(forgotten)],
  );
}

/** How many more dead letters a queue may have. */
export async function room(
  executor: SqlExecutor,
  { table }: Database,
  queue: number,
  most: number,
): Promise<number> {
  const [row] = await executor.execute(
    `SELECT CAST(count(*) AS double precision) AS dead FROM ${table("dead_letters")}
    WHERE queue = CAST($1 AS integer)`,
    [queue],
  );
  return Math.max(0, most - (row?.["dead"] as number));
}

/** Drops the dead letters of a queue beyond their bounds. */
export async function trimDeadLetters(
  { deadLetters, report }: Pick<ProviderContext, "deadLetters" | "report">,
  database: Database,
  queue: number,
  subscriptionId: string,
): Promise<void> {
  const { table, now } = database;
  const letters = table("dead_letters");
  // As numbers that PostgreSQL can subtract: there may be no bound.
  const maxAgeMs = Math.min(deadLetters.maxAgeMs, Number.MAX_SAFE_INTEGER);
  const most = Math.min(deadLetters.maxPerSubscription, Number.MAX_SAFE_INTEGER);
  const dropped = await database.execute(
    `DELETE FROM ${letters} WHERE queue = CAST($1 AS integer) AND (
      died_at <= ${now} - CAST($2 AS bigint) OR id <= (
        SELECT id FROM ${letters} WHERE queue = CAST($1 AS integer)
        ORDER BY id DESC OFFSET CAST($3 AS bigint) LIMIT 1))
    RETURNING 1 AS one`,
    [queue, maxAgeMs, most],
  );
  const count = dropped.length;
  if (count > 0) report({ type: "dead-letters-dropped", subscriptionId, count });
}
