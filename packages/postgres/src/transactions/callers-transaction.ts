import type { SqlExecutor } from "@busbar/sql";
import { IN_TRANSACTION, NO_TRANSACTION } from "@busbar/sql/feature";

/**
 * Passes while a transaction of the caller's is open.
 *
 * @throws TypeError when PostgreSQL sees no open transaction.
 */
export async function assertOpen(executor: SqlExecutor): Promise<void> {
  // Without parameters, because PostgreSQL says so only then: see IN_TRANSACTION.
  const [row] = await executor.execute(`SELECT ${IN_TRANSACTION} AS is_open`);
  if (row?.["is_open"] === false) throw new TypeError(NO_TRANSACTION);
}
