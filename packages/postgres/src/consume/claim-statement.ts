import type { Database } from "../database.ts";

/** Rows that one claim takes at most. */
const MOST_ROWS = 500;
/** Events that are wanted, from which on the last row is taken as a whole. */
const WHOLE_FROM = 100;

/**
 * Makes the statement that takes deliveries, those of the highest priority first. If few are wanted, it takes only
 * as many lines of the last row.
 *
 * `$1`: the queue. `$2`: the lease, which must not have ended. `$3`: how many events are wanted. `$4`: whether to take a
 * delivery whose process has ended, and to begin it alone. `$5`: whether the process has nothing in flight, so that a crash
 * counts for a delivery that comes alone. `$6`: the row of such a delivery, which has company now, or null. `$7`: the parts of the queue to
 * look at, as a JSON array: see Floors. `$8`: the id of the subscription.
 *
 * The last row of the answer has no id. It says in how many milliseconds the next delayed delivery is due, and which queue
 * the subscription has by now: none if it was retired.
 */
export function createClaimStatement({ table, now, rows }: Database): string {
  const deliveries = table("deliveries");
  const columns = "id, pack, members, priority, position, published_at, suspicions";
  const waiting = `queue = CAST($1 AS integer) AND lease IS NULL`;
  const limit = `LIMIT least(CAST($3 AS bigint), ${MOST_ROWS})`;
  const ranges = rows("$7", { low: "bigint", after: "bigint", high: "bigint" });
  return `
    -- Held until the claim has ended: nobody takes the lease for ended, and misses the rows.
    WITH lease AS MATERIALIZED (
      SELECT FROM ${table("leases")} WHERE id = CAST($2 AS text) AND until > ${now} FOR SHARE),
    ready AS MATERIALIZED (
      SELECT found.* FROM ${ranges} AS range CROSS JOIN LATERAL (
        SELECT ${columns} FROM ${deliveries} WHERE ${waiting} AND due_at = 0 AND suspicions = 0
          AND (priority, position) > (CAST(range.low AS integer), range.after) AND priority <= range.high
        ORDER BY priority, position ${limit} FOR UPDATE SKIP LOCKED) AS found
      ORDER BY found.priority, found.position ${limit}),
    due AS MATERIALIZED (
      SELECT ${columns} FROM ${deliveries}
      WHERE ${waiting} AND due_at > 0 AND due_at <= ${now} AND suspicions = 0
      ORDER BY due_at ${limit} FOR UPDATE SKIP LOCKED),
    suspect AS MATERIALIZED (
      SELECT ${columns} FROM ${deliveries}
      WHERE ${waiting} AND suspicions > 0 AND due_at <= ${now} AND CAST($4 AS boolean)
      ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED),
    counted AS (
      SELECT *, CAST($3 AS bigint) - coalesce(sum(cardinality(members)) OVER (ORDER BY priority, position
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS room
      FROM (SELECT * FROM ready UNION ALL SELECT * FROM due) AS found),
    chosen AS MATERIALIZED (
      SELECT * FROM (
        SELECT *, CASE WHEN CAST($3 AS bigint) >= ${WHOLE_FROM} THEN cardinality(members)
          ELSE least(room, cardinality(members)) END AS most
        FROM counted WHERE room > 0
        UNION ALL SELECT *, 1, 1 FROM suspect) AS taken
      WHERE EXISTS (SELECT FROM lease)),
    claimed AS (
      UPDATE ${deliveries} AS held SET lease = CAST($2 AS text), due_at = 0,
        members = held.members[1:CAST(most AS integer)],
        is_alone = held.suspicions > 0 OR CAST($5 AS boolean)
          AND (SELECT sum(most) FROM chosen) = 1
      FROM chosen WHERE held.id = chosen.id AND held.id = ANY (ARRAY(SELECT id FROM chosen))
      RETURNING held.id, held.pack, held.members, held.priority, held.position, crashes, held.suspicions, is_alone, state),
    rest AS (
      INSERT INTO ${deliveries} (queue, pack, members, priority, position, due_at, published_at)
      SELECT CAST($1 AS integer), pack, members[CAST(most AS integer) + 1:], priority, position, 0, published_at
      FROM chosen WHERE cardinality(members) > most),
    company AS (
      UPDATE ${deliveries} SET is_alone = false
      WHERE id = CAST($6 AS bigint) AND suspicions = 0 AND EXISTS (SELECT FROM chosen))
    SELECT CAST(claimed.id AS text) AS id, CAST(pack AS double precision) AS pack,
      CAST(array_to_json(members) AS text) AS members, crashes, suspicions, is_alone, state,
      -- A line of a large pack need not bring the others.
      CASE WHEN cardinality(members) = 1 THEN split_part(body, E'\\n', members[1] + 1) ELSE body END AS body,
      CAST(NULL AS double precision) AS due_in_ms, CAST(NULL AS integer) AS present_queue, priority, CAST(position AS double precision) AS position
    FROM claimed LEFT JOIN ${table("packs")} AS packs ON packs.id = claimed.pack
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, (
      SELECT CAST(min(due_at) - ${now} AS double precision) FROM ${deliveries}
      WHERE ${waiting} AND due_at > 0 AND suspicions = 0), (
      SELECT coalesce(renamed_to, number) FROM ${table("queues")}
      WHERE subscription_id = CAST($8 AS text)), NULL, NULL
    ORDER BY priority, position`;
}
