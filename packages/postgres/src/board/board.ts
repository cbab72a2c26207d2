import type { InstanceBoard } from "@busbar/core/provider";
import type { SqlRow } from "@busbar/sql";
import { fromColumn, toColumn } from "@busbar/sql/feature";
import type { Database } from "../database.ts";
import { objectIn } from "../json-object.ts";
import type { Session } from "../session.ts";

/** Milliseconds for which an entry of the feed is kept. */
const FEED_TTL_MS = 60_000;
/** A cursor: the number of an entry. */
const NUMBER = /^\d{1,18}$/;

/**
 * Makes the board of a bus: unlogged tables, which a crash of PostgreSQL empties. Each process takes the numbers of its
 * entries from one row. So the numbers of the feed are in the order of the commits.
 */
export function createBoard({ database }: Session): InstanceBoard {
  const { now } = database;
  const reports = database.table("board_reports");
  const feed = database.table("board_feed");
  const state = database.table("board_state");

  return {
    async post(instanceId, report, { ttlMs }) {
      const [row] = await database.execute(
        `WITH posted AS (
          INSERT INTO ${reports} (instance_id, report, written_at, expires_at)
          VALUES (CAST($1 AS text), CAST($2 AS text), ${now}, ${now} + CAST($3 AS bigint))
          ON CONFLICT (instance_id) DO UPDATE SET report = excluded.report,
            written_at = excluded.written_at, expires_at = excluded.expires_at)
        SELECT EXISTS (SELECT FROM ${state} WHERE watched_until > ${now}) AS watched`,
        [toColumn(instanceId), JSON.stringify(report), Math.ceil(ttlMs)],
      );
      return { watched: row?.["watched"] === true };
    },

    async list() {
      const rows = await database.execute(
        `SELECT instance_id, report, CAST(written_at AS double precision) AS written_at
        FROM ${reports} WHERE expires_at > ${now}`,
      );
      return rows.flatMap((row) => {
        const report = objectIn(row["report"] as string);
        if (!report) return [];
        const instanceId = fromColumn(row["instance_id"] as string);
        return [{ instanceId, report, writtenAt: row["written_at"] as number }];
      });
    },

    async remove(instanceId) {
      await database.execute(`DELETE FROM ${reports} WHERE instance_id = CAST($1 AS text)`, [
        toColumn(instanceId),
      ]);
    },

    async watch({ ttlMs }) {
      await database.execute(
        `INSERT INTO ${state} AS present (feed_end, watched_until)
        VALUES (${now} * 1000, ${now} + CAST($1 AS bigint))
        ON CONFLICT (is_only) DO UPDATE
          SET watched_until = greatest(present.watched_until, excluded.watched_until)`,
        [Math.ceil(ttlMs)],
      );
    },

    async show(entries, { keep }) {
      const kept = entries.slice(-keep);
      if (kept.length === 0) return;
      const added = kept.map((entry, index) => ({
        position: index + 1,
        entry: JSON.stringify(entry),
      }));
      await database.execute(
        `WITH numbered AS (
          INSERT INTO ${state} AS present (feed_end) VALUES (${now} * 1000 + CAST($2 AS bigint))
          ON CONFLICT (is_only) DO UPDATE SET feed_end = present.feed_end + CAST($2 AS bigint)
          RETURNING feed_end),
        added AS (
          INSERT INTO ${feed} (number, entry, shown_at)
          SELECT feed_end - CAST($2 AS bigint) + position, entry, ${now}
          FROM ${database.rows("$1", { entry: "text" })} AS entries, numbered)
        DELETE FROM ${feed} USING numbered
        WHERE number <= feed_end - CAST($3 AS bigint) OR shown_at <= ${now} - ${FEED_TTL_MS}`,
        [JSON.stringify(added), kept.length, keep],
      );
    },

    async read(cursor, { limit }) {
      const after = NUMBER.test(cursor ?? "") ? (cursor as string) : "0";
      const rows = await database.execute(
        `WITH present AS MATERIALIZED (
          SELECT coalesce((SELECT feed_end FROM ${state}), ${now} * 1000) AS feed_end),
        found AS (
          SELECT number, entry FROM ${feed}
          WHERE shown_at > ${now} - ${FEED_TTL_MS} AND number > (
            SELECT CASE WHEN CAST($1 AS bigint) <= feed_end THEN CAST($1 AS bigint) ELSE 0 END FROM present)
          ORDER BY number LIMIT CAST($2 AS bigint))
        SELECT CAST(feed_end AS text) AS feed_end, CAST(number AS text) AS number, entry
        FROM present LEFT JOIN found ON true ORDER BY found.number`,
        [after, cursor === undefined ? 0 : limit],
      );
      const last = rows.at(-1) as SqlRow;
      const entries = rows
        .map(({ entry }) => (typeof entry === "string" ? objectIn(entry) : undefined))
        .filter((entry) => entry !== undefined);
      return { entries, cursor: (last["number"] ?? last["feed_end"]) as string };
    },
  };
}

/** Statements that delete what nobody can see any more. */
export function boardTidying({ table, now }: Database): readonly string[] {
  return [
    `DELETE FROM ${table("board_reports")} WHERE expires_at <= ${now}`,
    `DELETE FROM ${table("board_feed")} WHERE shown_at <= ${now} - ${FEED_TTL_MS}`,
  ];
}
