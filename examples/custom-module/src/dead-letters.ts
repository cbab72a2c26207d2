import { decodeEnvelope, type ProviderAdmin, type SubscriptionStats } from "@busbar/core";
import { add, type Row, trim } from "./deliveries.ts";
import type { Store } from "./store.ts";

/** Looks into queues, and deals with dead letters. */
export function createAdmin(store: Store): ProviderAdmin {
  const { sql, now, write, changed } = store;

  function present(id: string): string {
    const rows = sql<{ now: string }>`
      SELECT renamed_to AS now FROM subscriptions WHERE id = ${id} AND renamed_to IS NOT NULL`;
    return rows[0]?.now ?? id;
  }

  return {
    async stats() {
      const rows = sql<SubscriptionStats>`
        WITH known AS (SELECT id FROM subscriptions WHERE renamed_to IS NULL
            UNION SELECT subscription FROM deliveries),
          it AS (SELECT *, died_at IS NULL AND leased_until <= ${now()} AS waits,
            turn > 0 AND due_at <= ${now()} AS may_begin FROM deliveries)
        SELECT known.id AS subscriptionId,
          total(waits AND may_begin) AS ready, total(waits AND NOT may_begin) AS delayed,
          total(leased_until > ${now()}) AS inFlight, total(died_at IS NOT NULL) AS dead,
          min(iif(waits, envelope ->> '$.metadata.published_at', NULL)) AS oldestAt
        FROM known LEFT JOIN it ON subscription = known.id GROUP BY known.id`;
      return rows.map(({ oldestAt, ...numbers }) => ({
        ...numbers,
        oldestAt: oldestAt ?? undefined,
      }));
    },

    async listDead(subscriptionId, { limit, cursor = "0 0" }) {
      const subscription = present(subscriptionId);
      await trim(store, subscription);
      const [diedAt, id] = cursor.split(" ").map(Number);
      const rows = sql<Row>`SELECT * FROM deliveries WHERE subscription = ${subscription}
        AND died_at IS NOT NULL AND (died_at, id) > (${diedAt}, ${id})
        ORDER BY died_at, id LIMIT ${limit + 1}`;
      const items = rows.slice(0, limit).map((row) => ({
        id: String(row.id),
        envelope: decodeEnvelope(row.envelope),
        reason: row.reason,
        state: JSON.parse(row.state ?? "null"),
        diedAt: row.died_at,
      }));
      const last = items.at(-1);
      return rows.length > limit && last
        ? { items, cursor: `${last.diedAt} ${last.id}` }
        : { items };
    },

    async replayDead(subscriptionId, ids) {
      const [subscription, wanted] = [present(subscriptionId), JSON.stringify(ids)];
      const count = await write(() => {
        // What blocks its key goes on holding it. The others line up again.
        const blocking = sql`UPDATE deliveries
          SET died_at = NULL, reason = NULL, state = NULL, crashes = 0, due_at = ${now()}
          WHERE subscription = ${subscription} AND died_at IS NOT NULL AND key IS NOT NULL
            AND id IN (SELECT value FROM json_each(${wanted})) RETURNING id`;
        const parked = sql<Row>`DELETE FROM deliveries
          WHERE subscription = ${subscription} AND died_at IS NOT NULL
            AND id IN (SELECT value FROM json_each(${wanted})) RETURNING *`;
        parked.sort((a, b) => a.id - b.id);
        for (const { envelope } of parked) add(store, subscription, decodeEnvelope(envelope), 0);
        return blocking.length + parked.length;
      });
      changed();
      return count;
    },

    async discardDead(subscriptionId, ids) {
      const gone = await write(
        () => sql`DELETE FROM deliveries
        WHERE subscription = ${present(subscriptionId)} AND died_at IS NOT NULL
          AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) RETURNING id`,
      );
      changed();
      return gone.length;
    },
  };
}
