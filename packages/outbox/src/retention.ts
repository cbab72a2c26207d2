import type { Logger } from "@busbar/core";
import { sqlOf } from "./sql.ts";
import type { OutboxStore } from "./store.ts";

/** Deletes groups that have expired, and rows that were published longer ago than they are to be kept. */
export async function deleteOldRows<Tx>(
  store: OutboxStore<Tx>,
  keepSentForMs: number | undefined,
  logger: Logger,
): Promise<void> {
  const { outbox, now } = sqlOf(store);
  const expired = await store.execute(
    `DELETE FROM ${outbox} WHERE state = 'staged' AND expires_at <= ${now} RETURNING 1 AS one`,
  );
  if (expired.length > 0) {
    const count = expired.length;
    logger.warn({ count }, `${count} staged events expired with their group`);
  }
  if (keepSentForMs === undefined) return;
  await store.execute(
    `DELETE FROM ${outbox} WHERE state = 'sent' AND created_at < ${now} - CAST($1 AS bigint)`,
    [keepSentForMs],
  );
}
