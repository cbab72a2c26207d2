import type { SqlStore } from "@busbar/sql";
import { OwnWork, toColumn } from "@busbar/sql/feature";
import { outboxSql } from "./outbox-sql.ts";

/**
 * Deletes an event that no relay and no release has claimed, also from groups. Resolves with the number of rows.
 * Events that the relay has set aside stay, and so do events of transactions that have not committed.
 */
export async function cancelEvent<Tx>(store: SqlStore<Tx>, eventId: string): Promise<number> {
  const { outbox, now } = outboxSql(store);
  const gone = await new OwnWork(store).execute(
    `DELETE FROM ${outbox} WHERE event_id = CAST($1 AS text) AND (state IN ('pending', 'delayed')
      OR state IN ('staged', 'marked') AND (claimed_until IS NULL OR claimed_until <= ${now}))
    RETURNING 1 AS one`,
    [toColumn(eventId)],
  );
  return gone.length;
}
