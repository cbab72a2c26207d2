import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@busbar/core";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import { deleteInParts, Housekeeping } from "@busbar/sql/feature";
import { isOneOf } from "../deliver/sql-parts.ts";
import { attemptDocument, payloadDocument, snapshotDocument } from "../search/documents.ts";
import { deleteDocuments } from "../search/log-index.ts";
import { type WebhookStore, wholeOf } from "../store/webhook-store.ts";

/** How long the delivery log is kept. */
export interface RetentionOptions {
  /**
   * Days after the latest attempt of an event from which the event, its deliveries and their attempts are deleted. Never
   * while one of the deliveries waits.
   *
   * @default 90
   */
  readonly days?: number | undefined;
  /**
   * Days after which payloads and arguments are deleted before that. The log stays; such a delivery cannot be replayed. As
   * long as `days` by default.
   */
  readonly payloadDays?: number | undefined;
}

/** What {@link Retention} needs. */
export interface RetentionParts extends RetentionOptions {
  readonly store: WebhookStore;
  readonly logger: Logger;
}

const DAY_MS = 86_400_000;
const DAYS = 90;
/** Milliseconds between two rounds, over all processes. */
const EVERY_MS = 3_600_000;
/** Milliseconds after which the round of a process that has died is another's. */
const LEASE_MS = 300_000;
/** Numbers of events that are looked at in one statement. */
const WINDOW = 1_000;
/** Attempts that are deleted in one transaction, unless a single event has more. */
const MOST_ATTEMPTS = 500;
/** Milliseconds between two transactions at least. They take at most half of the time. */
const PAUSE_MS = 5;
/** Milliseconds for which requests with an idempotency key are remembered. */
const REQUESTS_MS = DAY_MS;

/** An event, and how many attempts were made to deliver it. */
interface OldEvent {
  readonly number: number;
  readonly attempts: number;
}

/** Deletes what is too old: every hour, in one process at a time, a few rows in each transaction. */
export class Retention {
  readonly #store: WebhookStore;
  readonly #logger: Logger;
  readonly #keepMs: number;
  readonly #payloadsMs: number;
  readonly #holder: string = crypto.randomUUID();
  readonly #housekeeping: Housekeeping;
  #round: Promise<void> | undefined;
  #isStopped = false;

  constructor({ store, logger, days = DAYS, payloadDays = days }: RetentionParts) {
    this.#store = store;
    this.#logger = logger;
    this.#keepMs = days * DAY_MS;
    this.#payloadsMs = payloadDays * DAY_MS;
    this.#housekeeping = new Housekeeping(() => this.#look());
  }

  start(): void {
    this.#housekeeping.start(this.#logger);
  }

  /** Ends the round under way after its present transaction. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#housekeeping.stop();
    await this.#round?.catch(() => {});
  }

  /** Begins a round, if one is due and none is under way. */
  async #look(): Promise<void> {
    this.#round ??= this.#runIfDue().finally(() => (this.#round = undefined));
    await this.#round;
  }

  async #runIfDue(): Promise<void> {
    const { own, tables, sql } = this.#store;
    const [claimed] = await own.execute(
      `UPDATE ${tables.leases} SET holder = $1, held_until = ${sql.now} + ${LEASE_MS}
        WHERE name = 'retention' AND held_until <= ${sql.now} RETURNING ${sql.now} AS now`,
      [this.#holder],
    );
    if (!claimed) return;
    await this.#run(wholeOf(claimed["now"]));
    await own.execute(
      `UPDATE ${tables.leases} SET holder = NULL,
          held_until = ${sql.now} + ${this.#isStopped ? 0 : EVERY_MS}
        WHERE name = 'retention' AND holder = $1`,
      [this.#holder],
    );
  }

  async #run(now: number): Promise<void> {
    const before = now - this.#keepMs;
    const deleted = await this.#eachOldEvent(before, "", (events) =>
      this.#deleteEvents(events, before),
    );
    await this.#deleteAttemptsAlone(before);
    if (this.#payloadsMs < this.#keepMs) {
      const payloadsBefore = now - this.#payloadsMs;
      await this.#eachOldEvent(payloadsBefore, "AND expunged = 0", (events) =>
        this.#expunge(events),
      );
    }
    await this.#deleteOthers(before, now - REQUESTS_MS);
    if (deleted > 0) {
      this.#logger.info({ count: deleted }, "Old events were deleted from the delivery log");
    }
  }

  /** Calls `work` with events that were made before a time, some at a time. Resolves with the sum of what it returns. */
  async #eachOldEvent(
    before: number,
    condition: string,
    work: (events: readonly number[]) => Promise<number>,
  ): Promise<number> {
    const { own, tables } = this.#store;
    let count = 0;
    for (let from = await this.#firstFrom(0, before); from !== undefined;) {
      const rows = await own.execute(
        `SELECT number, created_at, (SELECT count(*) FROM ${tables.attempts} AS attempts
            WHERE attempts.event_id = events.id) AS attempts
          FROM ${tables.events} AS events
          WHERE number >= $1 AND number < $2 ${condition} ORDER BY number`,
        [from, from + WINDOW],
      );
      const old = rows.filter((row) => wholeOf(row["created_at"]) < before);
      for (const part of partsOf(old.map(oldEventOf))) {
        if (!(await this.#goesOn())) return count;
        count += await timed(() => work(part));
      }
      from = await this.#firstFrom(from + WINDOW, before);
    }
    return count;
  }

  /** The first event from a number on, if it was made before a time. Numbers have gaps. */
  async #firstFrom(from: number, before: number): Promise<number | undefined> {
    const { own, tables } = this.#store;
    const [row] = await own.execute(
      `SELECT number, created_at FROM ${tables.events} WHERE number >= $1 ORDER BY number LIMIT 1`,
      [from],
    );
    return row && wholeOf(row["created_at"]) < before ? wholeOf(row["number"]) : undefined;
  }

  /** Makes the lease last longer. False once the process stops, or stood still and has lost the lease. */
  async #goesOn(): Promise<boolean> {
    if (this.#isStopped) return false;
    const { own, tables, sql } = this.#store;
    const rows = await own.execute(
      `UPDATE ${tables.leases} SET held_until = ${sql.now} + ${LEASE_MS}
        WHERE name = 'retention' AND holder = $1 RETURNING name`,
      [this.#holder],
    );
    return rows.length > 0;
  }

  /** Deletes events with all that belongs to them. Those of which a delivery is needed stay. */
  #deleteEvents(events: readonly number[], before: number): Promise<number> {
    const { own, tables, sql } = this.#store;
    return own.transaction(async (executor) => {
      const isNeeded = `deliveries.state IN ('waiting', 'running')
        OR coalesce(deliveries.last_attempt_at, deliveries.created_at) >= ${before}
        OR (deliveries.state = 'dead' AND deliveries.ordering_key IS NOT NULL
          AND EXISTS (SELECT 1 FROM ${tables.deliveries} AS others
            WHERE others.subscription_id = deliveries.subscription_id
              AND others.ordering_key = deliveries.ordering_key AND others.ordering_key IS NOT NULL
              AND others.state = 'waiting'))`;
      const rows = await this.#lock(executor, events, isNeeded);
      if (rows.length === 0) return 0;
      const ids = JSON.stringify(rows.map((row) => String(row["id"])));
      const attempts = await executor.execute(
        `DELETE FROM ${tables.attempts} WHERE ${isOneOf(sql, "event_id", "$1", "text")} RETURNING id`,
        [ids],
      );
      const numbers = rows.map((row) => wholeOf(row["number"]));
      await deleteDocuments(executor, sql, [
        ...attempts.map((row) => attemptDocument(wholeOf(row["id"]))),
        ...documentsOf(numbers),
      ]);
      await executor.execute(
        `DELETE FROM ${tables.deliveries} WHERE ${isOneOf(sql, "event_id", "$1", "text")}`,
        [ids],
      );
      await executor.execute(
        `DELETE FROM ${tables.events} WHERE ${isOneOf(sql, "number", "$1", "bigint")}`,
        [JSON.stringify(numbers)],
      );
      return rows.length;
    });
  }

  /** Deletes payloads and arguments of events. Those of which a delivery waits or runs keep them. */
  #expunge(events: readonly number[]): Promise<number> {
    const { own, tables, sql } = this.#store;
    return own.transaction(async (executor) => {
      const rows = await this.#lock(executor, events, "deliveries.state IN ('waiting', 'running')");
      if (rows.length === 0) return 0;
      const numbers = rows.map((row) => wholeOf(row["number"]));
      await executor.execute(
        `UPDATE ${tables.events}
          SET payload = NULL, args = NULL, snapshot = NULL, expunged = 1, indexed = 1
          WHERE ${isOneOf(sql, "number", "$1", "bigint")}`,
        [JSON.stringify(numbers)],
      );
      const attempts = await executor.execute(
        `UPDATE ${tables.attempts} SET payload = NULL
          WHERE ${isOneOf(sql, "event_id", "$1", "text")} AND payload IS NOT NULL RETURNING id`,
        [JSON.stringify(rows.map((row) => String(row["id"])))],
      );
      await deleteDocuments(executor, sql, documentsOf(numbers));
      await executor.execute(
        `DELETE FROM ${tables.terms} WHERE ${isOneOf(sql, "document", "$1", "bigint")}
          AND (path = 'data' OR path LIKE 'data.%')`,
        [JSON.stringify(attempts.map((row) => attemptDocument(wholeOf(row["id"]))))],
      );
      return rows.length;
    });
  }

  /** Locks events, so that nobody replays them meanwhile, and reads those of which no delivery is needed. */
  async #lock(
    executor: SqlExecutor,
    events: readonly number[],
    isNeeded: string,
  ): Promise<readonly SqlRow[]> {
    const { tables, sql } = this.#store;
    const isAmong = isOneOf(sql, "number", "$1", "bigint");
    const locked = await executor.execute(
      `SELECT number FROM ${tables.events} WHERE ${isAmong} ORDER BY number ${sql.skipLocked}`,
      [JSON.stringify(events)],
    );
    // A statement of its own, begun after the locks were there: so it sees what others replayed before.
    return executor.execute(
      `SELECT number, id FROM ${tables.events} AS events WHERE ${isAmong}
        AND NOT EXISTS (SELECT 1 FROM ${tables.deliveries} AS deliveries
          WHERE deliveries.event_id = events.id AND (${isNeeded}))`,
      [JSON.stringify(locked.map((row) => wholeOf(row["number"])))],
    );
  }

  /** Deletes attempts whose event is not there, such as failures to make a payload. */
  async #deleteAttemptsAlone(before: number): Promise<void> {
    const { own, tables, sql } = this.#store;
    for (let count = MOST_ATTEMPTS; count === MOST_ATTEMPTS && (await this.#goesOn());) {
      count = await timed(async () => {
        const rows = await own.transaction(async (executor) => {
          const deleted = await executor.execute(
            `DELETE FROM ${tables.attempts} WHERE ${sql.lockedRowIn(
              `SELECT ${sql.lockedRow} FROM ${tables.attempts} AS attempts
                WHERE started_at < $1 AND NOT EXISTS (SELECT 1 FROM ${tables.events} AS events
                  WHERE events.id = attempts.event_id)
                ORDER BY started_at LIMIT ${MOST_ATTEMPTS} ${sql.skipLocked}`,
            )} RETURNING id`,
            [before],
          );
          const documents = deleted.map((row) => attemptDocument(wholeOf(row["id"])));
          await deleteDocuments(executor, sql, documents);
          return deleted;
        });
        return rows.length;
      });
    }
  }

  async #deleteOthers(before: number, requestsBefore: number): Promise<void> {
    const { store, tables } = this.#store;
    const isWanted = `EXISTS (SELECT 1 FROM ${tables.deliveries} AS deliveries
      WHERE deliveries.subscription_id = ${tables.sequences}.subscription_id
        AND deliveries.ordering_key = ${tables.sequences}.ordering_key
        AND deliveries.ordering_key IS NOT NULL
        AND deliveries.state IN ('waiting', 'running', 'dead'))`;
    await deleteInParts(store, tables.sequences, `used_at < $1 AND NOT ${isWanted}`, [before]);
    await deleteInParts(store, tables.replays, "finished_at < $1", [before]);
    await deleteInParts(store, tables.requests, "created_at < $1", [requestsBefore]);
  }
}

/** The documents of events in the search index. */
function documentsOf(numbers: readonly number[]): readonly number[] {
  return numbers.flatMap((number) => [payloadDocument(number), snapshotDocument(number)]);
}

function oldEventOf(row: SqlRow): OldEvent {
  return { number: wholeOf(row["number"]), attempts: wholeOf(row["attempts"]) };
}

/** Divides events into parts that have not too many attempts. */
function partsOf(events: readonly OldEvent[]): readonly (readonly number[])[] {
  const parts: number[][] = [];
  let room = 0;
  for (const { number, attempts } of events) {
    const rows = attempts + 1;
    if (rows > room) {
      parts.push([]);
      room = MOST_ATTEMPTS;
    }
    parts.at(-1)!.push(number);
    room -= rows;
  }
  return parts;
}

/** Does some work, and leaves others at least as much time. */
async function timed(work: () => Promise<number>): Promise<number> {
  const startedAt = performance.now();
  const count = await work();
  await sleep(Math.max(PAUSE_MS, performance.now() - startedAt));
  return count;
}
