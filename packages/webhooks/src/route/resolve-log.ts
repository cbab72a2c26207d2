import type { SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import type { PayloadError, PayloadSource } from "./payloads.ts";

/** Writes to the log that there is no payload for an event. */
export class ResolveLog {
  readonly #own: OwnWork<unknown>;
  readonly #sql: Sql;

  constructor(store: SqlStore) {
    this.#own = new OwnWork(store);
    this.#sql = sqlOf(store);
  }

  /** The payload could not be made. */
  failed(
    source: PayloadSource,
    { errorClass, message }: PayloadError,
    run: {
      readonly attempt: number;
      readonly durationMs: number;
      /** Milliseconds until the next try. Undefined if there is none. */
      readonly nextInMs: number | undefined;
    },
  ): Promise<void> {
    return this.#add(source, { ...run, errorClass, error: message });
  }

  /** The entity is gone, and nobody gets the event. */
  dropped(source: PayloadSource): Promise<void> {
    const error = "The entity is gone: the event was dropped";
    return this.#add(source, { attempt: 1, durationMs: 0, errorClass: null, error });
  }

  async #add(
    { id, name }: PayloadSource,
    row: {
      readonly attempt: number;
      readonly durationMs: number;
      readonly nextInMs?: number | undefined;
      readonly errorClass: string | null;
      readonly error: string;
    },
  ): Promise<void> {
    const { table, now } = this.#sql;
    const duration = Math.round(row.durationMs);
    const next = row.nextInMs === undefined ? "NULL" : `${now} + ${Math.round(row.nextInMs)}`;
    await this.#own.execute(
      `INSERT INTO ${table("busbar_webhook_attempts")}
        (event_id, event_name, number, trigger_kind, success, error_class, error, started_at,
          duration_ms, next_at)
        VALUES ($1, $2, ${row.attempt}, 'resolve', 0, $3, $4, ${now} - ${duration}, ${duration}, ${next})`,
      [id, name, row.errorClass, row.error],
    );
  }
}
