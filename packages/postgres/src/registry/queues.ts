import type { SqlExecutor } from "@busbar/sql";
import { toColumn } from "@busbar/sql/feature";
import type { Database } from "../database.ts";

/** The deliveries that are not in flight: each of these has an index by queue. */
const READY = "lease IS NULL AND suspicions = 0 AND due_at = 0";
const DUE = "lease IS NULL AND suspicions = 0 AND due_at > 0";
const SUSPECT = "lease IS NULL AND suspicions > 0";

/** The queues of subscriptions: a short number for each. */
export interface Queues {
  /** Makes the queues that are missing. */
  ensure(executor: SqlExecutor, subscriptionIds: readonly string[]): Promise<void>;
  /** Resolves with the queue of a subscription, and makes it if it is missing. */
  find(executor: SqlExecutor, subscriptionId: string): Promise<number>;
  /** Moves what an earlier id has to the present one. */
  rename(executor: SqlExecutor, from: number, to: number): Promise<void>;
  /** Forgets the subscription of a queue, and whatever is in it. */
  forget(executor: SqlExecutor, queue: number): Promise<void>;
  /**
   * Moves what publishes have put into queues that were renamed meanwhile, and deletes what is in queues without a
   * subscription. Such a publish is one whose transaction was open. Resolves with the queues that have got something.
   */
  moveStrays(): Promise<readonly number[]>;
}

/** Makes the queues of a bus. */
export function createQueues(database: Database): Queues {
  const { table, list } = database;
  const queues = table("queues");
  const deliveries = table("deliveries");
  const letters = table("dead_letters");
  const strays = (waiting: string): string => `
    UPDATE ${deliveries} AS stray SET queue = queues.renamed_to FROM ${queues} AS queues
    WHERE queues.renamed_to IS NOT NULL AND stray.queue = queues.number AND ${waiting}
    RETURNING stray.queue`;
  const gone = (waiting: string): string => `
    DELETE FROM ${deliveries} AS stray USING ${queues} AS queues
    WHERE queues.subscription_id IS NULL AND stray.queue = queues.number AND ${waiting}`;

  async function ensure(executor: SqlExecutor, subscriptionIds: readonly string[]): Promise<void> {
    const ids = JSON.stringify(subscriptionIds.map(toColumn));
    await executor.execute(
      `INSERT INTO ${queues} (subscription_id) SELECT id FROM ${list("$1", "text")} AS it (id)
      ON CONFLICT DO NOTHING`,
      [ids],
    );
    await executor.execute(
      `UPDATE ${queues} SET renamed_to = NULL
      WHERE renamed_to IS NOT NULL AND subscription_id IN ${list("$1", "text")}`,
      [ids],
    );
  }

  return {
    ensure,

    async find(executor, subscriptionId) {
      const present = `SELECT number FROM ${queues} WHERE subscription_id = CAST($1 AS text)`;
      const id = [toColumn(subscriptionId)];
      const [known] = await executor.execute(present, id);
      if (known) return known["number"] as number;
      await ensure(executor, [subscriptionId]);
      const [added] = await executor.execute(present, id);
      return added?.["number"] as number;
    },

    async rename(executor, from, to) {
      for (const name of [deliveries, letters]) {
        await executor.execute(
          `UPDATE ${name} SET queue = CAST($2 AS integer) WHERE queue = CAST($1 AS integer)`,
          [from, to],
        );
      }
      await executor.execute(
        `WITH gone AS (
          DELETE FROM ${table("deduplications")} WHERE queue = CAST($1 AS integer) RETURNING id, until)
        INSERT INTO ${table("deduplications")} AS known (queue, id, until)
        SELECT CAST($2 AS integer), id, until FROM gone
        ON CONFLICT (queue, id) DO UPDATE SET until = greatest(known.until, excluded.until)`,
        [from, to],
      );
      await executor.execute(
        `UPDATE ${queues} SET renamed_to = CAST($2 AS integer)
        WHERE number = CAST($1 AS integer) OR renamed_to = CAST($1 AS integer)`,
        [from, to],
      );
    },

    async forget(executor, queue) {
      for (const name of [deliveries, letters, table("deduplications")]) {
        await executor.execute(`DELETE FROM ${name} WHERE queue = CAST($1 AS integer)`, [queue]);
      }
      await executor.execute(
        `UPDATE ${queues} SET subscription_id = NULL WHERE number = CAST($1 AS integer)`,
        [queue],
      );
    },

    async moveStrays() {
      const found = await database.execute(
        `WITH ready AS (${strays(READY)}), due AS (${strays(DUE)}), suspects AS (${strays(SUSPECT)}),
        gone_ready AS (${gone(READY)}), gone_due AS (${gone(DUE)}), gone_suspects AS (${gone(SUSPECT)}),
        letters AS (
          UPDATE ${letters} AS stray SET queue = queues.renamed_to FROM ${queues} AS queues
          WHERE queues.renamed_to IS NOT NULL AND stray.queue = queues.number),
        gone_letters AS (
          DELETE FROM ${letters} AS stray USING ${queues} AS queues
          WHERE queues.subscription_id IS NULL AND stray.queue = queues.number)
        SELECT queue FROM ready UNION SELECT queue FROM due UNION SELECT queue FROM suspects`,
      );
      return found.map((row) => row["queue"] as number);
    },
  };
}
