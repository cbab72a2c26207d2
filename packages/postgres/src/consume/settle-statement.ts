import { quoteText } from "@busbar/sql/feature";
import type { Database } from "../database.ts";

/** What becomes of the lines of one row that this process has in flight. */
export interface RowSettlement {
  readonly id: string;
  readonly lease: string;
  /** The lines that the row had after its last settlement. Otherwise this settlement was done before. */
  readonly before: string;
  /** The lines that it keeps. Null: none, and the row is deleted. */
  readonly left: string | null;
}

/** Lines of a row that wait again, as a row of their own. */
export interface WaitingLines {
  /** The row that they come from. */
  readonly id: string;
  readonly members: string;
  /** Null: at once, and in their old place. */
  readonly delay_ms: number | null;
  readonly crashes: number;
  readonly suspicions: number;
  readonly state: string | null;
}

/** A line of a row that is dead. */
export interface DeadLine {
  /** The row that it comes from. */
  readonly id: string;
  readonly member: number;
  readonly reason: string;
  readonly state: string;
}

/**
 * Makes the statement that settles many rows. `$1`, `$2` and `$3` are {@link RowSettlement}, {@link WaitingLines} and
 * {@link DeadLine} as JSON arrays. A row that another process has by now keeps what it has. Answers with the packs of
 * which a row has gone, and with the queues in which lines wait again.
 */
export function createSettleStatement({ table, now, rows }: Database): string {
  const deliveries = table("deliveries");
  const settled = rows("$1", { id: "bigint", lease: "text", before: "text", left_over: "text" });
  const waiting = rows("$2", {
    id: "bigint",
    members: "text",
    delay_ms: "bigint",
    crashes: "bigint",
    suspicions: "bigint",
    state: "text",
  });
  const dead = rows("$3", { id: "bigint", member: "bigint", reason: "text", state: "text" });
  return `
    WITH settled AS MATERIALIZED (SELECT * FROM ${settled} AS it),
    own AS MATERIALIZED (
      SELECT held.*, settled.left_over FROM ${deliveries} AS held JOIN settled ON settled.id = held.id
      WHERE held.id = ANY (ARRAY(SELECT id FROM settled)) AND held.lease = settled.lease
        AND held.members = CAST(settled.before AS smallint[])
      -- In one order: two settlements must not wait for each other.
      ORDER BY held.id FOR UPDATE OF held),
    again AS (
      INSERT INTO ${deliveries} (queue, pack, members, priority, position, due_at, published_at,
        crashes, suspicions, state)
      SELECT own.queue, own.pack, CAST(it.members AS smallint[]), own.priority,
        CASE WHEN it.delay_ms IS NULL THEN own.position ELSE nextval(${quoteText(table("positions"))}) END,
        CASE WHEN it.delay_ms > 0 THEN ${now} + it.delay_ms ELSE 0 END, own.published_at,
        it.crashes, it.suspicions, it.state
      FROM ${waiting} AS it JOIN own ON own.id = it.id ORDER BY it.position
      RETURNING queue),
    dead AS (
      INSERT INTO ${table("dead_letters")} (queue, envelope, reason, state, died_at)
      SELECT own.queue, split_part(packs.body, E'\\n', CAST(it.member AS integer) + 1), it.reason, it.state, ${now}
      FROM ${dead} AS it JOIN own ON own.id = it.id JOIN ${table("packs")} AS packs ON packs.id = own.pack
      ORDER BY it.position),
    gone AS (
      DELETE FROM ${deliveries} WHERE id = ANY (ARRAY(SELECT id FROM own WHERE left_over IS NULL)) RETURNING pack),
    kept AS (
      UPDATE ${deliveries} AS held SET members = CAST(own.left_over AS smallint[])
      FROM own WHERE held.id = own.id AND held.id = ANY (ARRAY(SELECT id FROM own WHERE left_over IS NOT NULL)))
    SELECT CAST((SELECT coalesce(json_agg(pack), '[]') FROM gone) AS text) AS packs,
      CAST((SELECT coalesce(json_agg(DISTINCT queue), '[]') FROM again) AS text) AS queues`;
}
