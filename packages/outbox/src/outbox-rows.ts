import { encodeEnvelope, type Envelope, type StagedEvent } from "@busbar/core";
import type { Sql } from "./sql.ts";
import type { SqlExecutor } from "./store.ts";
import { toColumn } from "./text-column.ts";

/** The channel on which a commit is announced in PostgreSQL. */
export function channelOf(sql: Sql): string {
  return sql.outbox.replaceAll('"', "");
}

/** Where new rows wait. */
export interface NewRows {
  /** The group in which they wait, if any. */
  readonly eventGroupId?: string | undefined;
  readonly events: readonly StagedEvent[];
}

const columns = {
  event_id: "text",
  name: "text",
  ordering_key: "text",
  envelope: "text",
  step_id: "text",
  delay_ms: "bigint",
} as const;

/**
 * Adds rows in one statement, whatever their number: one parameter holds them all. On PostgreSQL the
 * same statement announces them, which the database passes on at commit.
 */
export async function addRows(
  executor: SqlExecutor,
  sql: Sql,
  { events, eventGroupId }: NewRows,
  announce: boolean,
): Promise<void> {
  const names = Object.keys(columns).join(", ");
  const state =
    eventGroupId === undefined
      ? "CASE WHEN delay_ms IS NULL THEN 'pending' ELSE 'delayed' END"
      : "'staged'";
  // Counts from this statement, by the clock of the database: that of no process has a say.
  const due = eventGroupId === undefined ? `${sql.now} + delay_ms` : "CAST(NULL AS bigint)";
  const insert = `INSERT INTO ${sql.outbox} (${names}, state, group_id, available_at, created_at)
    SELECT ${names}, ${state}, CAST($2 AS text), ${due}, ${sql.now}
    FROM ${sql.rows("$1", columns)} AS new_rows ORDER BY position`;
  const rows = JSON.stringify(events.map(toRow));
  const parameters = [rows, eventGroupId === undefined ? null : toColumn(eventGroupId)];
  if (!announce) await executor.execute(insert, parameters);
  else {
    await executor.execute(
      `WITH added AS (${insert}) SELECT CAST(pg_notify(CAST($3 AS text), '') AS text) AS notified`,
      [...parameters, channelOf(sql)],
    );
  }
}

function toRow(event: StagedEvent, position: number): Record<string, unknown> {
  const { envelope } = event;
  const { id, name, metadata, orderingKey, delayMs } = envelope;
  return {
    position,
    event_id: toColumn(id),
    name,
    ordering_key: orderingKey === undefined ? undefined : toColumn(orderingKey),
    // The row has it, and the relay publishes when it is due.
    envelope: encodeEnvelope(withoutDelay(envelope)),
    step_id: metadata.stepId === undefined ? undefined : toColumn(metadata.stepId),
    delay_ms: delayMs === undefined ? undefined : Math.ceil(delayMs),
  };
}

function withoutDelay(envelope: Envelope): Envelope {
  return envelope.delayMs === undefined ? envelope : { ...envelope, delayMs: undefined };
}
