import { BusbarError, type ClearGroupOptions, isBusbarError } from "@busbar/core";
import {
  decodeEnvelope,
  type Envelope,
  type GroupClaim,
  type GroupStaging,
  type PublishResult,
  type StagedEvent,
  type StagedGroup,
} from "@busbar/core/provider";
import type { SqlExecutor, SqlRow, SqlStore } from "@busbar/sql";
import { fromColumn, OwnWork, toColumn } from "@busbar/sql/feature";
import { addRows, prepareRows } from "./outbox-rows.ts";
import { type OutboxSql, outboxSql } from "./outbox-sql.ts";

/** Any number, next to a group: claims of one group take turns by it. */
const LOCK = 1_874;

/**
 * Keeps the events of groups as rows of the outbox: `staged`, then `marked`, and by their release
 * `pending`, as all others. A release therefore resolves when the relay has them, in one transaction
 * with their leaving the group.
 */
export class OutboxGroupStaging<Tx> implements GroupStaging {
  readonly #store: SqlStore<Tx>;
  readonly #own: OwnWork<Tx>;
  readonly #sql: OutboxSql;
  readonly #announce: boolean;
  readonly #onReleased: () => void;

  constructor(store: SqlStore<Tx>, announce: boolean, onReleased: () => void) {
    this.#store = store;
    this.#own = new OwnWork(store);
    this.#sql = outboxSql(store);
    this.#announce = announce;
    this.#onReleased = onReleased;
  }

  async stage(
    eventGroupId: string,
    events: readonly StagedEvent[],
    options: { readonly ttlMs?: number | undefined; readonly transaction?: unknown },
  ): Promise<void> {
    const { transaction, ttlMs } = options;
    const isCallers = transaction !== undefined;
    const write = async (executor: SqlExecutor): Promise<void> => {
      const rows = { eventGroupId, events };
      await addRows(executor, this.#sql, rows, { announce: false, isCallers });
      if (ttlMs === undefined) return;
      const { outbox, now } = this.#sql;
      await executor.execute(
        `UPDATE ${outbox} SET expires_at = ${now} + CAST($2 AS bigint)
        WHERE group_id = CAST($1 AS text) AND state = 'staged'`,
        [toColumn(eventGroupId), Math.ceil(ttlMs)],
      );
    };
    if (isCallers) await write(this.#store.within(transaction as Tx));
    else if (ttlMs === undefined) await write(this.#own);
    else await this.#own.transaction(write);
  }

  async mark(eventGroupId: string): Promise<void> {
    const { outbox, now } = this.#sql;
    await orUnavailable(
      this.#own.execute(
        `UPDATE ${outbox} SET state = 'marked', expires_at = NULL
        WHERE group_id = CAST($1 AS text) AND state = 'staged'
          AND (expires_at IS NULL OR expires_at > ${now})`,
        [toColumn(eventGroupId)],
      ),
    );
  }

  async claim(options: {
    readonly eventGroupId?: string | undefined;
    readonly leaseMs: number;
  }): Promise<GroupClaim | undefined> {
    const token = crypto.randomUUID();
    return orUnavailable(
      (async () => {
        const group =
          options.eventGroupId === undefined
            ? await this.#anyMarked()
            : toColumn(options.eventGroupId);
        if (group === undefined) return undefined;
        await this.#own.transaction((own) => this.#claimRows(own, group, token, options.leaseMs));
        // Not by the claim itself: what PostgreSQL sends to a process that stands still keeps its locks.
        const events = await this.#claimedEvents(group, token);
        return events.length === 0 ? undefined : { eventGroupId: fromColumn(group), events, token };
      })(),
    );
  }

  async #anyMarked(): Promise<string | undefined> {
    const { outbox, now } = this.#sql;
    const [row] = await this.#own.execute(
      `SELECT group_id FROM ${outbox} WHERE state = 'marked'
      GROUP BY group_id HAVING coalesce(max(claimed_until), 0) <= ${now} LIMIT 1`,
    );
    return row?.["group_id"] as string | undefined;
  }

  async #claimRows(
    executor: SqlExecutor,
    group: string,
    token: string,
    leaseMs: number,
  ): Promise<void> {
    const { outbox, now } = this.#sql;
    if (this.#store.dialect === "postgres") {
      await executor.execute(
        `SELECT CAST(pg_advisory_xact_lock(${LOCK}, hashtext(CAST($1 AS text))) AS text) AS locked`,
        [group],
      );
    }
    // One statement later: it sees what the one who had the lock has done.
    await executor.execute(
      `UPDATE ${outbox} SET claim = CAST($2 AS text), claimed_until = ${now} + CAST($3 AS bigint)
      WHERE state = 'marked' AND group_id = CAST($1 AS text) AND NOT EXISTS (
        SELECT 1 FROM ${outbox} AS other WHERE other.state = 'marked'
          AND other.group_id = CAST($1 AS text) AND other.claimed_until > ${now})`,
      [group, token, leaseMs],
    );
  }

  async #claimedEvents(group: string, token: string): Promise<readonly StagedEvent[]> {
    const rows = await this.#own.execute(
      `SELECT envelope, CAST(delay_ms AS double precision) AS delay_ms FROM ${this.#sql.outbox}
      WHERE state = 'marked' AND group_id = CAST($1 AS text) AND claim = CAST($2 AS text)
      ORDER BY id`,
      [group, token],
    );
    return rows.map(toStagedEvent);
  }

  async complete(
    { eventGroupId, events, token }: GroupClaim,
    envelopes: readonly Envelope[],
  ): Promise<readonly PublishResult[]> {
    const { outbox } = this.#sql;
    const released = prepareRows({ events: envelopes.map((envelope) => ({ envelope })) });
    const move = this.#own.transaction(async (executor) => {
      const gone = await executor.execute(
        `DELETE FROM ${outbox} WHERE group_id = CAST($2 AS text) AND claim = CAST($1 AS text)
          AND state = 'marked' RETURNING 1 AS one`,
        [token, toColumn(eventGroupId)],
      );
      if (gone.length !== events.length) {
        const message = `The claim on group ${JSON.stringify(eventGroupId)} has ended, and another may have its events`;
        throw new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "outbox" });
      }
      if (envelopes.length > 0) {
        const options = { announce: this.#announce, isCallers: false };
        await addRows(executor, this.#sql, released, options);
      }
    });
    await orUnavailable(move);
    this.#onReleased();
    // How many subscriptions want them the relay will know. Nobody counts these.
    return envelopes.map(() => ({ status: "accepted", subscriptions: 1 }));
  }

  async abandon({ eventGroupId, token }: GroupClaim): Promise<void> {
    await orUnavailable(
      this.#own.execute(
        `UPDATE ${this.#sql.outbox} SET claim = NULL, claimed_until = NULL
        WHERE group_id = CAST($2 AS text) AND claim = CAST($1 AS text) AND state = 'marked'`,
        [token, toColumn(eventGroupId)],
      ),
    );
  }

  async clear(eventGroupId: string, { eventNames, stepIds }: ClearGroupOptions): Promise<number> {
    const { outbox, now, list } = this.#sql;
    const conditions = [
      "group_id = CAST($1 AS text)",
      "state IN ('staged', 'marked')",
      `(claimed_until IS NULL OR claimed_until <= ${now})`,
    ];
    const parameters = [toColumn(eventGroupId)];
    const only = (column: string, values: readonly string[] | undefined): void => {
      if (!values) return;
      parameters.push(JSON.stringify(values.map(toColumn)));
      conditions.push(`${column} IN ${list(`$${parameters.length}`, "text")}`);
    };
    only("name", eventNames);
    only("step_id", stepIds);
    const gone = await orUnavailable(
      this.#own.execute(
        `DELETE FROM ${outbox} WHERE ${conditions.join(" AND ")} RETURNING 1 AS one`,
        parameters,
      ),
    );
    return gone.length;
  }

  async list(): Promise<readonly StagedGroup[]> {
    const { outbox, now } = this.#sql;
    const rows = await this.#own.execute(
      `SELECT group_id, CAST(count(*) AS double precision) AS events,
        CAST(min(created_at) AS double precision) AS staged_at,
        max(CASE state WHEN 'marked' THEN 1 ELSE 0 END) AS marked
      FROM ${outbox} WHERE state IN ('staged', 'marked') AND (expires_at IS NULL OR expires_at > ${now})
      GROUP BY group_id`,
    );
    return rows.map((row) => ({
      eventGroupId: fromColumn(row["group_id"] as string),
      events: row["events"] as number,
      stagedAt: row["staged_at"] as number,
      marked: Number(row["marked"]) === 1,
    }));
  }
}

/** Wraps what a driver says of a step that the caller of a release waits for. */
async function orUnavailable<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (cause) {
    if (isBusbarError(cause)) throw cause;
    const message = `The outbox cannot reach its groups: ${(cause as Error)?.message}`;
    throw new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "outbox" }, { cause });
  }
}

function toStagedEvent(row: SqlRow): StagedEvent {
  const envelope = decodeEnvelope(row["envelope"] as string);
  const delayMs = row["delay_ms"] as number | null;
  return { envelope: delayMs === null ? envelope : { ...envelope, delayMs } };
}
