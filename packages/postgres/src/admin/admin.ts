import {
  type DeadDelivery,
  encodeEnvelope,
  type JsonValue,
  type ProviderAdmin,
} from "@busbar/core/provider";
import type { SqlRow } from "@busbar/sql";
import { fromColumn, quoteText } from "@busbar/sql/feature";
import type { Session } from "../session.ts";
import { letterEnvelope, readEnvelope } from "../stored-envelope.ts";
import { trimDeadLetters } from "./dead-letters.ts";

/** Looks into queues, and deals with dead letters. */
export function createAdmin(session: Session): ProviderAdmin {
  const { context, database, registry, wakeUps } = session;
  const { table, now, idIn } = database;
  const letters = table("dead_letters");
  const columns = `CAST(id AS text) AS id, envelope, reason, state,
    CAST(died_at AS double precision) AS died_at`;
  const its = `queue = CAST($1 AS integer)`;

  /** What a statement takes for ids: a JSON array of numbers. Others are unknown. */
  function numbersOf(ids: readonly string[]): string {
    return JSON.stringify(ids.filter((id) => /^\d{1,18}$/.test(id)));
  }

  return {
    async stats() {
      const rows = await database.execute(
        `SELECT subscription_id, CAST(sum(ready) AS double precision) AS ready,
          CAST(sum(delayed) AS double precision) AS delayed,
          CAST(sum(in_flight) AS double precision) AS in_flight,
          CAST(sum(dead) AS double precision) AS dead,
          CAST(min(published_at) AS double precision) AS oldest_at
        FROM (
          SELECT queue, CASE WHEN waits AND due_at <= ${now} THEN size ELSE 0 END AS ready,
            CASE WHEN waits AND due_at > ${now} THEN size ELSE 0 END AS delayed,
            CASE WHEN waits THEN 0 ELSE size END AS in_flight, 0 AS dead,
            CASE WHEN waits THEN published_at END AS published_at
          FROM (SELECT queue, due_at, published_at, lease IS NULL AS waits, cardinality(members) AS size
            FROM ${table("deliveries")}) AS pending
          UNION ALL SELECT queue, 0, 0, 0, 1, NULL FROM ${letters}) AS counted
        JOIN ${table("queues")} AS queues ON queues.number = counted.queue AND subscription_id IS NOT NULL
        GROUP BY subscription_id`,
      );
      return rows.map((row) => ({
        subscriptionId: fromColumn(row["subscription_id"] as string),
        ready: row["ready"] as number,
        delayed: row["delayed"] as number,
        inFlight: row["in_flight"] as number,
        dead: row["dead"] as number,
        oldestAt: (row["oldest_at"] as number | null) ?? undefined,
      }));
    },

    async listDead(subscriptionId, { limit, cursor = "0" }) {
      const queue = await registry.queueOf(subscriptionId);
      await trimDeadLetters(context, database, queue, subscriptionId);
      const rows = await database.execute(
        `SELECT ${columns} FROM ${letters} WHERE ${its} AND id > CAST($2 AS bigint)
        ORDER BY ${letters}.id LIMIT CAST($3 AS bigint)`,
        [queue, cursor, limit + 1],
      );
      const items = rows.slice(0, limit).map(decodeRow);
      return { items, ...(rows.length > limit && { cursor: items.at(-1)?.id }) };
    },

    async getDead(subscriptionId, ids) {
      const rows = await database.execute(
        `SELECT ${columns} FROM ${letters} WHERE ${its} AND ${idIn("$2")} ORDER BY ${letters}.id`,
        [await registry.queueOf(subscriptionId), numbersOf(ids)],
      );
      return rows.map(decodeRow);
    },

    async replayDead(subscriptionId, ids, { data } = {}) {
      const queue = await registry.queueOf(subscriptionId);
      const count = await database.transaction(async (executor) => {
        const found = await executor.execute(
          `SELECT CAST(id AS text) AS id, envelope FROM ${letters} WHERE ${its} AND ${idIn("$2")}
          ORDER BY ${letters}.id FOR UPDATE`,
          [queue, numbersOf(ids)],
        );
        // What cannot be read could only die again.
        const readable = found.flatMap((row) => {
          const envelope = readEnvelope(row["envelope"] as string);
          return envelope ? [{ id: row["id"] as string, envelope }] : [];
        });
        const replayed = readable.map(({ envelope }, position) => {
          const { priority = 100 } = envelope;
          const body = encodeEnvelope(data === undefined ? envelope : { ...envelope, data });
          return { position, body, priority };
        });
        await executor.execute(
          `WITH replayed AS MATERIALIZED (
            SELECT *, nextval(pg_get_serial_sequence(CAST($2 AS text), 'id')) AS pack
            FROM ${database.rows("$3", { body: "text", priority: "bigint" })} AS it),
          bodies AS (INSERT INTO ${table("packs")} (id, body) OVERRIDING SYSTEM VALUE
            SELECT pack, body FROM replayed)
          INSERT INTO ${table("deliveries")}
            (queue, pack, members, priority, position, due_at, published_at)
          SELECT CAST($1 AS integer), pack, '{0}', priority,
            nextval(${quoteText(table("positions"))}), 0, ${now} FROM replayed ORDER BY replayed.position`,
          [queue, table("packs"), JSON.stringify(replayed)],
        );
        const gone = readable.map(({ id }) => id);
        await executor.execute(`DELETE FROM ${letters} WHERE ${idIn("$1")}`, [
          JSON.stringify(gone),
        ]);
        return readable.length;
      });
      wakeUps.committed([queue]);
      return count;
    },

    async discardDead(subscriptionId, ids) {
      const gone = await database.execute(
        `DELETE FROM ${letters} WHERE ${its} AND ${idIn("$2")} RETURNING 1 AS one`,
        [await registry.queueOf(subscriptionId), numbersOf(ids)],
      );
      return gone.length;
    },
  };
}

function decodeRow(row: SqlRow): DeadDelivery {
  const id = row["id"] as string;
  const diedAt = row["died_at"] as number;
  return {
    id,
    envelope: letterEnvelope(row["envelope"] as string, id, diedAt),
    reason: fromColumn(row["reason"] as string),
    state: JSON.parse(row["state"] as string) as JsonValue,
    diedAt,
  };
}
