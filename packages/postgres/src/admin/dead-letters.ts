import type { Envelope, JsonValue, ProviderContext } from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import { fromColumn, toColumn } from "@busbar/sql/feature";
import type { Database } from "../database.ts";

/** A row of deliveries that a transaction has, and what it takes out of it. */
export interface TakenLines {
  readonly id: string;
  /** The lines that stay. */
  readonly left: readonly number[];
  readonly taken: readonly { readonly member: number; readonly envelope: Envelope }[];
}

/** Makes lines dead letters. Call it in a transaction that has their rows. */
export async function bury(
  executor: SqlExecutor,
  database: Database,
  rows: readonly TakenLines[],
  { reason, state }: { readonly reason: string; readonly state: JsonValue },
): Promise<void> {
  const { table, now } = database;
  const lines = rows
    .flatMap(({ id, taken }) => taken.map(({ member }) => ({ id, member })))
    .map((it, position) => ({ position, ...it }));
  await executor.execute(
    `INSERT INTO ${table("dead_letters")} (queue, envelope, reason, state, died_at)
    SELECT held.queue, split_part(body, E'\\n', CAST(it.member AS integer) + 1),
      CAST($2 AS text), CAST($3 AS text), ${now}
    FROM ${database.rows("$1", { id: "bigint", member: "bigint" })} AS it
    JOIN ${table("deliveries")} AS held ON held.id = it.id JOIN ${table("packs")} AS pack ON pack.id = held.pack
    ORDER BY it.position`,
    [JSON.stringify(lines), toColumn(reason), JSON.stringify(state)],
  );
  await takeOut(executor, database, rows);
}

/** Deletes lines, and forgets their deduplication ids. Call it in a transaction that has their rows. */
export async function discard(
  executor: SqlExecutor,
  database: Database,
  queue: number,
  taken: readonly TakenLines[],
): Promise<void> {
  const { table, rows } = database;
  await takeOut(executor, database, taken);
  const forgotten = taken
    .flatMap((row) => row.taken.map(({ envelope }) => envelope.deduplicationId))
    .filter((id) => id !== undefined)
    .map((id, position) => ({ position, id: toColumn(id) }));
  if (forgotten.length === 0) return;
  await executor.execute(
    `DELETE FROM ${table("deduplications")} AS known USING ${rows("$2", { id: "text" })} AS gone
    WHERE known.queue = CAST($1 AS integer) AND known.id = gone.id`,
    [queue, JSON.stringify(forgotten)],
  );
}

async function takeOut(
  executor: SqlExecutor,
  { table, idIn, rows }: Database,
  taken: readonly TakenLines[],
): Promise<void> {
  const deliveries = table("deliveries");
  const gone = taken.filter(({ left }) => left.length === 0).map(({ id }) => id);
  await executor.execute(`DELETE FROM ${deliveries} WHERE ${idIn("$1")}`, [JSON.stringify(gone)]);
  const kept = taken
    .filter(({ left }) => left.length > 0)
    .map(({ id, left }, position) => ({ position, id, members: `{${left.join()}}` }));
  if (kept.length === 0) return;
  await executor.execute(
    `UPDATE ${deliveries} AS held SET members = CAST(it.members AS smallint[])
    FROM ${rows("$1", { id: "bigint", members: "text" })} AS it WHERE held.id = it.id`,
    [JSON.stringify(kept)],
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

/** Drops the dead letters of all queues that are too old. */
export async function dropOldLetters(
  { deadLetters, report }: Pick<ProviderContext, "deadLetters" | "report">,
  database: Database,
): Promise<void> {
  const { table, now } = database;
  const maxAgeMs = Math.min(deadLetters.maxAgeMs, Number.MAX_SAFE_INTEGER);
  const dropped = await database.execute(
    `WITH dropped AS (
      DELETE FROM ${table("dead_letters")} WHERE died_at <= ${now} - CAST($1 AS bigint) RETURNING queue)
    SELECT subscription_id, CAST(count(*) AS double precision) AS dropped
    FROM dropped JOIN ${table("queues")} AS queues ON queues.number = dropped.queue
    WHERE subscription_id IS NOT NULL GROUP BY subscription_id`,
    [maxAgeMs],
  );
  for (const row of dropped) {
    const subscriptionId = fromColumn(row["subscription_id"] as string);
    report({ type: "dead-letters-dropped", subscriptionId, count: row["dropped"] as number });
  }
}
