import { encodeEnvelope, type Envelope, type StagedEvent } from "@busbar/core/provider";
import type { SqlExecutor } from "@busbar/sql";
import {
  channelOf,
  IN_TRANSACTION,
  jsonLiteral,
  NO_TRANSACTION,
  quoteText,
  toColumn,
} from "@busbar/sql/feature";
import { type OutboxSql } from "./outbox-sql.ts";

/** Where new rows wait. */
export interface NewRows {
  /** The group in which they wait, if any. */
  readonly eventGroupId?: string | undefined;
  readonly events: readonly StagedEvent[];
}

const columns = {
  event_id: "text",
  name: "text",
  group_id: "text",
  ordering_key: "text",
  envelope: "text",
  step_id: "text",
  delay_ms: "bigint",
} as const;

/** The encoded form of new outbox rows. */
export interface PreparedRows {
  readonly json: string;
  readonly eventGroupId: string | undefined;
}

/** How {@link addRows} adds rows. */
export interface AddOptions {
  /** Whether the statement announces them on PostgreSQL, which passes that on at commit. */
  readonly announce: boolean;
  /** Whether the transaction is the caller's, so that there may be none. */
  readonly isCallers: boolean;
}

/**
 * Adds rows in one statement, whatever their number.
 *
 * @throws TypeError when PostgreSQL sees no open transaction of the caller.
 */
export async function addRows(
  executor: SqlExecutor,
  sql: OutboxSql,
  newRows: NewRows | PreparedRows,
  { announce, isCallers }: AddOptions,
): Promise<void> {
  const { json: rows, eventGroupId } = "json" in newRows ? newRows : prepareRows(newRows);
  const names = Object.keys(columns).join(", ");
  const state =
    eventGroupId === undefined
      ? "CASE WHEN delay_ms IS NULL THEN 'pending' ELSE 'delayed' END"
      : "'staged'";
  // Counts from this statement, by the clock of the database: that of no process has a say.
  const due = eventGroupId === undefined ? `${sql.now} + delay_ms` : "CAST(NULL AS bigint)";
  const insertFrom = (source: string, condition: string): string =>
    `INSERT INTO ${sql.outbox} (${names}, state, available_at, created_at)
    SELECT ${names}, ${state}, ${due}, ${sql.now}
    FROM ${sql.rows(source, columns)} AS new_rows ${condition} ORDER BY position`;
  if (sql.dialect === "sqlite") {
    await executor.execute(insertFrom("$1", ""), [rows]);
    return;
  }
  const notified = announce ? `, pg_notify(${quoteText(channelOf(sql.outbox))}, '')` : "";
  if (!isCallers) {
    const insert = insertFrom("$1", "");
    await executor.execute(
      `WITH added AS (${insert}) SELECT CAST(concat(''${notified}) AS text) AS notified`,
      [rows],
    );
    return;
  }
  // Without parameters, because PostgreSQL says so only then: see IN_TRANSACTION.
  const insert = insertFrom(jsonLiteral(rows), `WHERE ${IN_TRANSACTION}`);
  const [row] = await executor.execute(
    `WITH added AS (${insert}) SELECT ${IN_TRANSACTION} AS is_open, CAST(concat(''${notified}) AS text) AS notified`,
  );
  if (row?.["is_open"] === false) throw new TypeError(NO_TRANSACTION);
}

/** Encodes rows: of very many, before a transaction begins, which PostgreSQL ends when it hears nothing. */
export function prepareRows({ events, eventGroupId }: NewRows): PreparedRows {
  const group = eventGroupId === undefined ? undefined : toColumn(eventGroupId);
  const json = JSON.stringify(events.map((event, position) => toRow(event, position, group)));
  return { json, eventGroupId };
}

function toRow(
  event: StagedEvent,
  position: number,
  group: string | undefined,
): Record<string, unknown> {
  const { envelope } = event;
  const { id, name, metadata, orderingKey, delayMs } = envelope;
  return {
    position,
    event_id: toColumn(id),
    name: toColumn(name),
    group_id: group,
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
