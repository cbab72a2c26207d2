import type { Logger } from "@busbar/core";
import type { SqlStore } from "@busbar/sql";
import { deleteInParts } from "@busbar/sql/feature";
import { outboxSql } from "./outbox-sql.ts";

/** Deletes groups that have expired, and rows that were published longer ago than they are to be kept. */
export async function deleteOldRows<Tx>(
  store: SqlStore<Tx>,
  keepSentForMs: number | undefined,
  logger: Logger,
): Promise<void> {
  const { outbox, now } = outboxSql(store);
  const count = await deleteInParts(store, outbox, `state = 'staged' AND expires_at <= ${now}`);
  if (count > 0) logger.warn({ count }, `${count} staged events expired with their group`);
  if (keepSentForMs === undefined) return;
  const isOld = `state = 'sent' AND created_at < ${now} - CAST($1 AS bigint)`;
  await deleteInParts(store, outbox, isOld, [keepSentForMs]);
}
