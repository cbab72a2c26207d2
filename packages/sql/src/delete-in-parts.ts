import { OwnWork } from "./own-work.ts";
import { sqlOf } from "./sql.ts";
import type { SqlStore, SqlValue } from "./store.ts";

/** Rows that one statement deletes at most: a longer one would keep others from their rows. */
const ROWS = 10_000;

/** Deletes the rows of a table that meet a condition, a part at a time. Resolves with how many. */
export async function deleteInParts<Tx>(
  store: SqlStore<Tx>,
  table: string,
  condition: string,
  parameters: readonly SqlValue[] = [],
): Promise<number> {
  const own = new OwnWork(store);
  const { lockedRow, lockedRowIn, skipLocked } = sqlOf(store);
  const these = lockedRowIn(
    `SELECT ${lockedRow} FROM ${table} WHERE ${condition} LIMIT ${ROWS} ${skipLocked}`,
  );
  let count = 0;
  for (;;) {
    const rows = await own.execute(
      `DELETE FROM ${table} WHERE ${these} RETURNING 1 AS one`,
      parameters,
    );
    count += rows.length;
    if (rows.length < ROWS) return count;
  }
}
