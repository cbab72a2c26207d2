import { quoteText } from "@busbar/sql/feature";
import type { Database } from "../database.ts";

/** JSON has it only in an escaped form. To encode bodies as JSON once more would take longer than all the rest. */
export const PACK_SEPARATOR = "\u001e";

/**
 * Makes the statement that publishes. `$1` is the version of the list that the envelopes were routed by: if the list has
 * another one, nothing happens. `$2` are the bodies of the packs, with a {@link PACK_SEPARATOR} between them. `$3` and `$4`
 * are the deliveries and the deduplication ids as JSON arrays. `$5` is what to notify all processes of, or null. Answers with the version of the list, and with the deduplication ids that were not remembered.
 */
export function createPublishStatement(
  { table, now, rows }: Database,
  deduplicationWindowMs: number,
  notification: string,
): string {
  const packs = `unnest(string_to_array(CAST($2 AS text), ${quoteText(PACK_SEPARATOR)})) WITH ORDINALITY
    AS it (body, position)`;
  const deliveries = rows("$3", {
    queue: "bigint",
    pack: "bigint",
    members: "text",
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
      INSERT INTO ${table("packs")} (body)
      SELECT it.body FROM present, ${packs} ORDER BY it.position RETURNING id),
    -- Ids are given in the order of the rows.
    numbered AS MATERIALIZED (SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM added),
    queued AS (
      INSERT INTO ${table("deliveries")}
        (queue, pack, members, priority, position, due_at, published_at)
      SELECT it.queue, numbered.id, CAST(it.members AS smallint[]), it.priority,
        nextval(${quoteText(table("positions"))}),
        CASE WHEN it.delay_ms > 0 THEN ${now} + it.delay_ms ELSE 0 END, it.published_at
      FROM ${deliveries} AS it JOIN numbered ON numbered.position = it.pack
      WHERE it.deduplication IS NULL
        OR EXISTS (SELECT FROM fresh WHERE fresh.queue = it.queue AND fresh.id = it.deduplication)
      ORDER BY it.position)
    SELECT CAST(version AS double precision) AS version, CAST((
      SELECT coalesce(json_agg(concat(queue, ' ', id)), '[]') FROM fresh) AS text) AS fresh,
      CASE WHEN CAST($5 AS text) IS NOT NULL AND EXISTS (SELECT FROM present) THEN ${notification} END AS notified
    FROM registry`;
}
