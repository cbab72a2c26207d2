import type { ProviderContext, Timer } from "@busbar/core/provider";
import type { Database } from "../database.ts";

/** Rows that one statement takes over at most. */
const MOST_ROWS = 1_000;
/** How often a delivery can be suspected at most: more makes no difference. */
const MOST_SUSPICIONS = 100;

/** Gives what a dead process had in flight to others. */
export interface TakeOver {
  /** Ends the rounds. Resolves when the round under way has ended. */
  close(): Promise<void>;
}

/**
 * Looks from time to time for leases that have ended, and puts back what they had. Nobody knows which line of a row has
 * ended the process, so that each waits in a row of its own, as a suspect.
 *
 * @param moveStrays Looks for deliveries in queues that nobody consumes any more.
 * @param onWaiting Gets the queues in which deliveries wait again.
 */
export function startTakeOver(
  { clock, logger }: Pick<ProviderContext, "clock" | "logger">,
  database: Database,
  everyMs: number,
  moveStrays: () => Promise<readonly number[]>,
  onWaiting: (queues: readonly number[]) => void,
): TakeOver {
  const { table, now } = database;
  const deliveries = table("deliveries");
  const leases = table("leases");
  const endLeases = `DELETE FROM ${leases} WHERE id = ANY (ARRAY(
    SELECT id FROM ${leases} WHERE until <= ${now} FOR UPDATE SKIP LOCKED))`;
  // A statement of its own: it sees what was claimed under a lease until that ended.
  const putBack = `
    WITH lost AS MATERIALIZED (
      SELECT * FROM ${deliveries} AS held WHERE lease IS NOT NULL
        AND NOT EXISTS (SELECT FROM ${leases} WHERE id = held.lease)
      LIMIT ${MOST_ROWS} FOR UPDATE SKIP LOCKED),
    counted AS (
      UPDATE ${deliveries} SET lease = NULL, crashes = crashes + CAST(is_alone AS integer),
        suspicions = least(suspicions + 1, ${MOST_SUSPICIONS}), is_alone = false
      WHERE id = ANY (ARRAY(SELECT id FROM lost WHERE cardinality(members) = 1))),
    gone AS (DELETE FROM ${deliveries} WHERE id = ANY (ARRAY(SELECT id FROM lost WHERE cardinality(members) > 1))),
    apart AS (
      INSERT INTO ${deliveries} (queue, pack, members, priority, position, due_at, published_at, suspicions)
      SELECT queue, pack, ARRAY[member], priority, lost.position, 0, published_at, 1
      FROM lost CROSS JOIN LATERAL unnest(members) AS member WHERE cardinality(members) > 1)
    SELECT queue, count(*) AS rows FROM lost GROUP BY queue`;
  let isClosed = false;
  let round = Promise.resolve();
  let timer: Timer | undefined;

  async function look(): Promise<void> {
    try {
      await database.execute(endLeases);
      const found = await database.execute(putBack);
      const queues = [...found.map((row) => row["queue"] as number), ...(await moveStrays())];
      if (queues.length > 0) onWaiting(queues);
    } catch (err) {
      logger.debug({ err }, "Ended leases could not be looked for");
    }
    next();
  }

  function next(): void {
    if (isClosed) return;
    const afterMs = everyMs * (0.5 + Math.random() / 2);
    timer = clock.setTimeout(() => {
      round = look();
    }, afterMs);
  }

  next();
  return {
    async close() {
      isClosed = true;
      timer?.cancel();
      await round;
    },
  };
}
