import type { ProviderContext, Timer } from "@busbar/core/provider";
import type { Database } from "../database.ts";

/** A consumer's right to what it has in flight: one row, renewed while the process lives. */
export interface Lease {
  /** Changes when the lease has ended without the process, for example because it stood still. */
  readonly id: string;
  /** Resolves with the lease to claim under, after making a new one if the last one has ended. */
  ensure(): Promise<string>;
  /** The database has no such lease any more, and others have what was in flight. */
  ended(id: string): void;
  /** Renews no more, and deletes the lease. What is still in flight goes to others. */
  close(): Promise<void>;
}

/** Makes a lease. It begins with the first `ensure`. */
export function createLease(
  { clock, logger }: Pick<ProviderContext, "clock" | "logger">,
  database: Database,
  leaseMs: number,
): Lease {
  const { table, now } = database;
  const leases = table("leases");
  let id: string = crypto.randomUUID();
  let begun: Promise<unknown> | undefined;
  let timer: Timer | undefined;
  let isClosed = false;

  function renewLater(): void {
    if (isClosed) return;
    timer = clock.setTimeout(() => void renew(), leaseMs / 3);
  }

  async function renew(): Promise<void> {
    const renewed = id;
    try {
      const found = await database.execute(
        `UPDATE ${leases} SET until = ${now} + ${leaseMs} WHERE id = CAST($1 AS text) RETURNING 1 AS one`,
        [renewed],
      );
      if (found.length === 0) ended(renewed);
    } catch (err) {
      logger.warn({ err }, "A lease could not be renewed; will try again");
    }
    renewLater();
  }

  function ended(lease: string): void {
    if (lease !== id) return;
    id = crypto.randomUUID();
    begun = undefined;
  }

  async function begin(): Promise<void> {
    await database.execute(
      `INSERT INTO ${leases} (id, until) VALUES (CAST($1 AS text), ${now} + ${leaseMs})
      ON CONFLICT (id) DO UPDATE SET until = excluded.until`,
      [id],
    );
    if (!timer) renewLater();
  }

  return {
    get id() {
      return id;
    },

    async ensure() {
      const beginning = (begun ??= begin());
      try {
        await beginning;
      } catch (error) {
        if (begun === beginning) begun = undefined;
        throw error;
      }
      return id;
    },

    ended,

    async close() {
      isClosed = true;
      timer?.cancel();
      if (!begun) return;
      // What is still in flight has not ended its process.
      await database.execute(
        `WITH ended AS (DELETE FROM ${leases} WHERE id = CAST($1 AS text))
        UPDATE ${table("deliveries")} SET lease = NULL, is_alone = false WHERE lease = CAST($1 AS text)`,
        [id],
      );
    },
  };
}
