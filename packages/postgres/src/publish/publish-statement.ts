import type { Database } from "../database.ts";

/**
 * Makes the statement that publishes. `$1` is the version of the list that the envelopes were routed by: if the list has
 * another one, nothing happens. `$2`, `$3` and `$4` are the bodies, the deliveries and the deduplication ids as JSON
 * arrays. Answers with the version of the list, and with the deduplication ids that were not remembered.
 */
export function createPublishStatement(
  { table, now, rows }: Database,
  deduplicationWindowMs: number,
): string {
  const bodies = rows("$2", { body: "text" });
  const deliveries = rows("$3", {
    queue: "bigint",
    body: "bigint",
    priority: "bigint",
    delay_ms: "bigint",
    published_at: "bigint",
    deduplication: "text",
  });
  const deduplications = rows("$4", { queue: "bigint", id: "text" });
  return `
    WITH registry AS MATERIALIZED (SELECT version FROM ${table("registry")}),
    present AS MATERIALIZED (SELECT FROM registry WHERE version = CAST($1 AS bigint)),
    fresh AS (
      INSERT INTO ${table("deduplications")} AS known (queue, id, until)
      SELECT it.queue, it.id, ${now} + ${deduplicationWindowMs} FROM ${deduplications} AS it, present
      -- In one order: two publishes must not wait for each other.
      ORDER BY it.queue, it.id
      ON CONFLICT (queue, id) DO UPDATE SET until = excluded.until WHERE known.until <= ${now}
      RETURNING queue, id),
    added AS (
      INSERT INTO ${table("events")} (body)
      SELECT it.body FROM ${bodies} AS it, present ORDER BY it.position RETURNING id),
    -- Ids are given in the order of the rows.
    numbered AS MATERIALIZED (SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM added),
    queued AS (
      INSERT INTO ${table("deliveries")} (queue, event, priority, due_at, published_at)
      SELECT it.queue, numbered.id, it.priority, ${now} + it.delay_ms, it.published_at
      FROM ${deliveries} AS it JOIN numbered ON numbered.position = it.body
      WHERE it.deduplication IS NULL
        OR EXISTS (SELECT FROM fresh WHERE fresh.queue = it.queue AND fresh.id = it.deduplication)
      ORDER BY it.position)
    SELECT CAST(version AS double precision) AS version, CAST((
      SELECT coalesce(json_agg(concat(queue, ' ', id)), '[]') FROM fresh) AS text) AS fresh
    FROM registry`;
}
