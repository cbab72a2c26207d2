import type { Database } from "../database.ts";

/** The statements of a consumer. All but `claim` take the row and the lease as `$1` and `$2`, and do nothing without. */
export interface DeliveryStatements {
  /** Claims deliveries. `$1`: the queue. `$2`: the lease. `$3`: how many at most. Counts those that a crash has left. */
  readonly claim: string;
  /** Locks a delivery of this process. */
  readonly lock: string;
  /** Deletes a delivery. */
  readonly remove: string;
  /** Puts a delivery back as not crashed. `$3`: milliseconds. `$4`: its state. */
  readonly retry: string;
  /** Puts a delivery back as it was. `$3`: milliseconds, or null to keep its place. */
  readonly release: string;
  /** Renews leases. `$1`: rows as a JSON array. `$2`: the lease. */
  readonly extend: string;
}

/** Makes the statements for the tables of a bus. */
export function createDeliveryStatements(
  { table, now, idIn }: Database,
  leaseMs: number,
): DeliveryStatements {
  const deliveries = table("deliveries");
  const own = "id = CAST($1 AS bigint) AND token = CAST($2 AS text)";
  return {
    claim: `
      WITH claimed AS (
        UPDATE ${deliveries} SET token = CAST($2 AS text), leased_until = ${now} + ${leaseMs},
          -- Its last lease has ended without a settlement.
          crashes = crashes + CAST(token IS NOT NULL AS integer)
        WHERE id = ANY (ARRAY(
          SELECT id FROM ${deliveries}
          WHERE queue = CAST($1 AS integer) AND due_at <= ${now} AND leased_until <= ${now}
          ORDER BY priority, due_at, id LIMIT CAST($3 AS bigint) FOR UPDATE SKIP LOCKED))
        RETURNING id, event, crashes, state, priority, due_at)
      SELECT CAST(claimed.id AS text) AS id, body, crashes, state
      FROM claimed JOIN ${table("events")} AS event ON event.id = claimed.event
      ORDER BY priority, due_at, claimed.id`,

    lock: `SELECT 1 AS one FROM ${deliveries} WHERE ${own} FOR UPDATE`,

    remove: `DELETE FROM ${deliveries} WHERE ${own}`,

    retry: `UPDATE ${deliveries} SET token = NULL, leased_until = 0, crashes = 0,
        due_at = ${now} + CAST($3 AS bigint), state = CAST($4 AS text)
      WHERE ${own}`,

    release: `UPDATE ${deliveries} SET token = NULL, leased_until = 0,
        due_at = coalesce(${now} + CAST($3 AS bigint), due_at)
      WHERE ${own}`,

    extend: `UPDATE ${deliveries} SET leased_until = ${now} + ${leaseMs}
      WHERE ${idIn("$1")} AND token = CAST($2 AS text)`,
  };
}
