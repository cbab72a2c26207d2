import { decodeEnvelope, type Envelope } from "@busbar/core/provider";
import type { SqlRow, SqlStore } from "@busbar/sql";
import { fromColumn, OwnWork } from "@busbar/sql/feature";
import { type OutboxSql, outboxSql } from "./outbox-sql.ts";

/** An event that the relay has set aside, because no retry would publish the event. */
export interface FailedEvent {
  /** The id of the outbox row, for `retry` and `discard`. */
  readonly id: string;
  /** The id of the event. */
  readonly eventId: string;
  /** The name of the event. */
  readonly name: string;
  /** The envelope of the event. Undefined when the envelope cannot be read. */
  readonly envelope: Envelope | undefined;
  /**
   * Why the relay set the event aside: the reason or the error with which the publish rejected the event. Or why the row
   * has no envelope that can be read. Without values that must not be logged.
   */
  readonly error: string;
  /** How often it was on its way. */
  readonly attempts: number;
  /** When the event was staged, by the clock of the database. */
  readonly createdAt: Date;
}

/** Events that the relay has set aside, because no retry would publish them. */
export interface FailedEvents {
  /** Lists the failed events, oldest first. */
  list(options?: { readonly limit?: number | undefined }): Promise<readonly FailedEvent[]>;
  /** Lets the relay try again: these rows, or all. Resolves with how many. */
  retry(ids?: readonly string[]): Promise<number>;
  /** Deletes the given rows, or all failed rows. Resolves with the number of deleted rows. */
  discard(ids?: readonly string[]): Promise<number>;
}

/** The failed events of a store. */
export function failedEvents<Tx>(store: SqlStore<Tx>, onRetry: () => void): FailedEvents {
  const sql = outboxSql(store);
  const own = new OwnWork(store);
  return {
    async list({ limit = 100 } = {}) {
      const rows = await own.execute(
        `SELECT CAST(id AS text) AS id, event_id, name, envelope, error, attempts,
          CAST(created_at AS double precision) AS created_at
        FROM ${sql.outbox} WHERE state = 'failed' ORDER BY created_at, id LIMIT CAST($1 AS bigint)`,
        [limit],
      );
      return rows.map(toFailedEvent);
    },
    async retry(ids) {
      const rows = await own.execute(
        `UPDATE ${sql.outbox} SET state = 'pending', error = NULL WHERE ${these(sql, ids)}
        RETURNING 1 AS one`,
        ids && [toNumbers(ids)],
      );
      onRetry();
      return rows.length;
    },
    async discard(ids) {
      const rows = await own.execute(
        `DELETE FROM ${sql.outbox} WHERE ${these(sql, ids)} RETURNING 1 AS one`,
        ids && [toNumbers(ids)],
      );
      return rows.length;
    },
  };
}

function these({ idIn }: OutboxSql, ids: readonly string[] | undefined): string {
  return ids ? `state = 'failed' AND ${idIn("$1")}` : "state = 'failed'";
}

function toNumbers(ids: readonly string[]): string {
  return JSON.stringify(ids.map(Number));
}

function toFailedEvent(row: SqlRow): FailedEvent {
  return {
    id: row["id"] as string,
    eventId: fromColumn(row["event_id"] as string),
    name: fromColumn(row["name"] as string),
    envelope: readEnvelope(row["envelope"] as string),
    error: fromColumn((row["error"] as string | null) ?? ""),
    attempts: Number(row["attempts"]),
    createdAt: new Date(row["created_at"] as number),
  };
}

function readEnvelope(text: string): Envelope | undefined {
  try {
    return decodeEnvelope(text);
  } catch {
    return undefined;
  }
}
