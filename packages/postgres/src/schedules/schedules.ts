import type { ScheduleStore, ScheduleWrite, StoredSchedule } from "@busbar/core/provider";
import type { SqlExecutor, SqlRow, SqlValue } from "@busbar/sql";
import { fromColumn, quoteText, toColumn } from "@busbar/sql/feature";
import type { Session } from "../session.ts";
import { objectIn } from "../json-object.ts";
import { publishWhole } from "../transactions/publish-whole.ts";

/** Keeps schedules in a table. The clock of the database says when they are due. */
export function createSchedules(session: Session): ScheduleStore {
  const { context, database } = session;
  const { now } = database;
  const schedules = database.table("schedules");
  const nextVersion = `nextval(${quoteText(database.table("schedule_versions"))})`;
  const columns = `id, record, CAST(due_at AS double precision) AS due_at,
    CAST(version AS double precision) AS version`;

  /** Schedules that were logged as unreadable. */
  const reported = new Set<string>();

  function read(row: SqlRow): readonly StoredSchedule[] {
    const id = fromColumn(row["id"] as string);
    const record = objectIn(row["record"] as string);
    if (record) {
      const dueAt = row["due_at"] as number | null;
      return [{ id, record, version: row["version"] as number, ...(dueAt !== null && { dueAt }) }];
    }
    if (!reported.has(id)) {
      reported.add(id);
      context.logger.error(
        { table: schedules, id },
        `The record of schedule "${id}" cannot be read: it emits nothing until it is set again`,
      );
    }
    return [];
  }
  /** Writes a schedule over the one with a version. Resolves with whether it was still that one. */
  async function replace(
    executor: SqlExecutor,
    schedule: ScheduleWrite,
    version: number,
  ): Promise<boolean> {
    const written = await executor.execute(
      `UPDATE ${schedules} SET record = CAST($2 AS text), due_at = CAST($3 AS bigint), version = ${nextVersion}
      WHERE id = CAST($1 AS text) AND version = CAST($4 AS bigint) RETURNING 1 AS one`,
      [...valuesOf(schedule), version],
    );
    return written.length > 0;
  }

  async function insert(schedule: ScheduleWrite): Promise<boolean> {
    const written = await database.execute(
      `INSERT INTO ${schedules} (id, record, due_at, version)
      VALUES (CAST($1 AS text), CAST($2 AS text), CAST($3 AS bigint), ${nextVersion})
      ON CONFLICT (id) DO NOTHING RETURNING 1 AS one`,
      valuesOf(schedule),
    );
    return written.length > 0;
  }

  return {
    async list() {
      const rows = await database.execute(`SELECT ${columns} FROM ${schedules}`);
      return rows.flatMap(read);
    },

    async write(schedule, version) {
      if (version !== undefined) return replace(database, schedule, version);
      if (await insert(schedule)) return true;
      const [present] = await database.execute(
        `SELECT ${columns} FROM ${schedules} WHERE id = CAST($1 AS text)`,
        [toColumn(schedule.id)],
      );
      if (!present) return insert(schedule);
      // A record that cannot be read counts as none.
      if (objectIn(present["record"] as string)) return false;
      return replace(database, schedule, present["version"] as number);
    },

    async remove(id) {
      const removed = await database.execute(
        `DELETE FROM ${schedules} WHERE id = CAST($1 AS text) RETURNING 1 AS one`,
        [toColumn(id)],
      );
      return removed.length > 0;
    },

    async due(limit) {
      const rows = await database.execute(
        `WITH server AS MATERIALIZED (SELECT ${now} AS now), due AS (
          SELECT ${columns} FROM ${schedules} WHERE due_at <= (SELECT now FROM server)
          ORDER BY ${schedules}.due_at LIMIT CAST($1 AS bigint))
        SELECT due.*, CAST(server.now AS double precision) AS now, CAST((
            SELECT min(due_at) FROM ${schedules} WHERE due_at > (SELECT now FROM server)
          ) AS double precision) AS next_due_at
        FROM server LEFT JOIN due ON true ORDER BY due.due_at`,
        [limit],
      );
      const [first] = rows as readonly [SqlRow];
      const nextDueAt = first["next_due_at"] as number | null;
      return {
        now: first["now"] as number,
        schedules: rows.filter((row) => row["id"] !== null).flatMap(read),
        ...(nextDueAt !== null && { nextDueAt }),
      };
    },

    fire: (schedule, version, envelopes) =>
      publishWhole(session, envelopes, (executor) => replace(executor, schedule, version)),
  };
}

function valuesOf({ id, record, dueAt }: ScheduleWrite): readonly SqlValue[] {
  return [toColumn(id), JSON.stringify(record), dueAt ?? null];
}
