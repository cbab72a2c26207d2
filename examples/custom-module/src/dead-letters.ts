import { decodeDeadDelivery, type JsonValue, type ProviderAdmin } from "@busbar/core/provider";
import type { StoredDeadDelivery, SubscriptionStats } from "@busbar/core/provider";
import type { Store } from "./store.ts";

/** Looks into queues, and deals with dead letters. */
export function createAdmin(store: Store): ProviderAdmin {
  const { sql, now, write } = store;

  function discard(subscriptionId: string, ids: readonly string[]): number {
    return sql`DELETE FROM dead_letters WHERE subscription = ${subscriptionId}
      AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) RETURNING id`.length;
  }

  return {
    async stats() {
      const rows = sql<SubscriptionStats>`
        SELECT subscription AS subscriptionId, total(waits AND due_at <= ${now()}) AS ready,
          total(waits AND due_at > ${now()}) AS delayed, total(waits = 0) AS inFlight,
          total(waits IS NULL) AS dead, min(published_at) FILTER (WHERE waits) AS oldestAt
        FROM (SELECT subscription, leased_until <= ${now()} AS waits, due_at,
            envelope ->> '$.metadata.published_at' AS published_at FROM deliveries
          UNION ALL SELECT subscription, NULL, NULL, NULL FROM dead_letters)
        GROUP BY subscription`;
      return rows.map((row) => ({ ...row, oldestAt: row.oldestAt ?? undefined }));
    },

    async listDead(subscriptionId, { limit, cursor = "0" }) {
      await trim(store, subscriptionId);
      const rows = sql<StoredDeadDelivery>`SELECT *, died_at AS diedAt FROM dead_letters
        WHERE subscription = ${subscriptionId} AND id > ${Number(cursor)}
        ORDER BY id LIMIT ${limit + 1}`;
      const items = rows.slice(0, limit).map(decodeDeadDelivery);
      return { items, ...(rows.length > limit && { cursor: items.at(-1)?.id }) };
    },

    async getDead(subscriptionId, ids) {
      const rows = sql<StoredDeadDelivery>`SELECT *, died_at AS diedAt FROM dead_letters
        WHERE subscription = ${subscriptionId}
          AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) ORDER BY id`;
      return rows.map(decodeDeadDelivery);
    },

    replayDead: (subscriptionId, ids, { data } = {}) =>
      write(() => {
        const other = data === undefined ? null : JSON.stringify(data);
        sql`INSERT INTO deliveries (subscription, envelope, due_at)
          SELECT subscription, iif(${other} IS NULL, envelope,
            json_set(envelope, '$.data', json(${other}))), ${now()} FROM dead_letters
          WHERE subscription = ${subscriptionId}
            AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) ORDER BY id`;
        return discard(subscriptionId, ids);
      }),

    discardDead: (subscriptionId, ids) => write(() => discard(subscriptionId, ids)),
  };
}

/** Makes a delivery a dead letter. Call it in a transaction. */
export function bury({ sql, now }: Store, id: number, reason: string, state: JsonValue): void {
  sql`INSERT INTO dead_letters (subscription, envelope, reason, state, died_at)
    SELECT subscription, envelope, ${reason}, ${JSON.stringify(state)}, ${now()}
    FROM deliveries WHERE id = ${id}`;
  sql`DELETE FROM deliveries WHERE id = ${id}`;
}

/** How many more dead letters a subscription may have. */
export function room({ context, sql }: Store, subscriptionId: string): number {
  const { length } = sql`SELECT id FROM dead_letters WHERE subscription = ${subscriptionId}`;
  return Math.max(0, context.deadLetters.maxPerSubscription - length);
}

/** Drops dead letters beyond their bounds. */
export async function trim({ context, sql, now, write }: Store, subscriptionId: string) {
  const { maxAgeMs, maxPerSubscription } = context.deadLetters;
  const { length: count } = await write(
    () => sql`DELETE FROM dead_letters WHERE subscription = ${subscriptionId}
      AND (died_at <= ${now() - maxAgeMs} OR id IN (
        SELECT id FROM dead_letters WHERE subscription = ${subscriptionId}
        ORDER BY id DESC LIMIT -1 OFFSET ${maxPerSubscription})) RETURNING id`,
  );
  if (count > 0) context.report({ type: "dead-letters-dropped", subscriptionId, count });
}
