import type { Logger } from "@busbar/core";
import { deleteInParts } from "./delete-in-parts.ts";
import { sqlOf } from "./sql.ts";
import type { OutboxStore } from "./store.ts";

/** Deletes groups that have expired, and rows that were published longer ago than they are to be kept. */
export async function deleteOldRows<Tx>(
  store: OutboxStore<Tx>,
  keepSentForMs: number | undefined,
  logger: Logger,
): Promise<void> {
  const { outbox, now } = sqlOf(store);
  const count = await deleteInParts(store, outbox, `state = 'staged' AND expires_at <= ${now}`);
  if (count > 0) logger.warn({ count }, `${count} staged events expired with their group`);
  if (keepSentForMs === undefined) return;
  const isOld = `state = 'sent' AND created_at < ${now} - CAST($1 AS bigint)`;
  await deleteInParts(store, outbox, isOld, [keepSentForMs]);
}
