import type { Database } from "../database.ts";
import type { Lease } from "./lease.ts";
import { RowInFlight } from "./row-in-flight.ts";

/** Milliseconds after a claim without an answer in which the database may still carry it out. */
const UNCERTAIN_MS = 60_000;

/** The rows that a consumer has in flight. */
export interface RowsInFlight {
  /** Has a row from now on, until it is recorded as settled. */
  hold(lease: string, id: string, members: readonly number[]): RowInFlight;
  /** A claim has failed: the database may have carried it out. */
  lostClaim(): void;
  /**
   * Puts back what the database believes to be in flight, and is not. Call it while no claim is under way. Does nothing if
   * every claim of late has been answered.
   */
  putBackUnknown(): Promise<void>;
}

/** Makes the rows of one consumer. */
export function createRowsInFlight(
  database: Database,
  lease: Lease,
  clock: { monotonic(): number },
): RowsInFlight {
  const { table, list } = database;
  const rows = new Set<RowInFlight>();
  const putBack = `UPDATE ${table("deliveries")} SET lease = NULL, is_alone = false
    WHERE lease = CAST($1 AS text) AND NOT (id = ANY (ARRAY${list("$2", "bigint")}))`;
  let certainFrom = Number.NEGATIVE_INFINITY;

  return {
    hold(leaseId, id, members) {
      const held = new RowInFlight(id, leaseId, members, () => rows.delete(held));
      rows.add(held);
      return held;
    },

    lostClaim() {
      certainFrom = clock.monotonic() + UNCERTAIN_MS;
    },

    async putBackUnknown() {
      if (clock.monotonic() > certainFrom) return;
      const known = [...rows].map(({ id }) => id);
      await database.execute(putBack, [lease.id, JSON.stringify(known)]);
    },
  };
}
