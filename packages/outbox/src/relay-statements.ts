import type { SqlExecutor, SqlRow, SqlStore } from "@busbar/sql";
import { OwnWork, toColumn } from "@busbar/sql/feature";
import { type OutboxSql, outboxSql } from "./outbox-sql.ts";

/** A row in the hand of a relay. */
export interface ClaimedRow {
  readonly id: string;
  readonly envelope: string;
}

/** What a {@link RelayStatements.claim} has got. */
export interface Claimed {
  /** The claimed rows, in the order of their emits. */
  readonly rows: readonly ClaimedRow[];
  /** Whether there may be more than it has asked for. */
  readonly isFull: boolean;
  /** Whether it has given back rows of keys that another relay was about to claim. */
  readonly keysLeftOut: boolean;
}

/** A row that the relay does not publish, and the reason. */
export interface FailedRow {
  readonly id: string;
  readonly error: string;
}

/** Rows of a claim that is one statement. A larger one would need a plan that PostgreSQL does not choose by itself. */
const SINGLE_CLAIM = 100;
/**
 * Bytes of envelopes that a claim returns at most: what a connection takes while nobody reads it. A claim
 * that waited for a process that stands still would keep its rows locked.
 */
const RETURNED_BYTES = 65_536;
/**
 * PostgreSQL reads the oldest rows in order then. The statistics of a table that empties and fills are wrong,
 * and by them it would sort the whole backlog for each batch.
 */
const IN_ORDER = { enable_sort: "off" };

const FREQUENT = { isFrequent: true };

/** What a relay asks of the database. Rows in its hand carry its claim, which ends unless renewed. */
export class RelayStatements<Tx> {
  readonly #own: OwnWork<Tx>;
  readonly #sql: OutboxSql;
  readonly #isSqlite: boolean;
  readonly #leaseMs: number;
  #claim: string = crypto.randomUUID();
  /** Claims that were given up and may still have rows. */
  #givenUp: readonly string[] = [];
  /** Whether the last claim was full, so that the next is a large one. */
  #hasBacklog = false;

  constructor(store: SqlStore<Tx>, leaseMs: number) {
    this.#own = new OwnWork(store);
    this.#sql = outboxSql(store);
    this.#isSqlite = store.dialect === "sqlite";
    this.#leaseMs = leaseMs;
  }

  /** Makes rows pending again whose relay has died. Resolves with how many. */
  async takeOver(): Promise<number> {
    const { outbox, now } = this.#sql;
    const due = this.#locked(`state = 'claimed' AND claimed_until <= ${now}`);
    const rows = await this.#own.execute(
      `UPDATE ${outbox} SET state = 'pending', claim = NULL, claimed_until = NULL
      WHERE ${due} RETURNING 1 AS one`,
    );
    return rows.length;
  }

  /** Makes delayed rows pending whose time has come. */
  async promote(): Promise<void> {
    const { outbox, now } = this.#sql;
    const due = this.#locked(`state = 'delayed' AND available_at <= ${now}`);
    await this.#own.execute(`UPDATE ${outbox} SET state = 'pending' WHERE ${due}`);
  }

  /** That a row meets a condition, and that no other transaction has it locked. */
  #locked(condition: string): string {
    const { outbox, lockedRow, lockedRowIn, skipLocked } = this.#sql;
    return lockedRowIn(`SELECT ${lockedRow} FROM ${outbox} WHERE ${condition} ${skipLocked}`);
  }

  /** Milliseconds until the next delayed row is due, if there is one. */
  async untilNextDue(): Promise<number | undefined> {
    const { outbox, now } = this.#sql;
    const [row] = await this.#own.execute(
      `SELECT CAST(min(available_at) - ${now} AS double precision) AS ms FROM ${outbox}
      WHERE state = 'delayed'`,
      [],
      FREQUENT,
    );
    return typeof row?.["ms"] === "number" ? Math.max(0, row["ms"]) : undefined;
  }

  /**
   * Claims the oldest rows, in the order of their emits. Those of a key only if no other relay has one of
   * that key, be its lease over or not.
   *
   * Two relays that claim at the same moment do not see each other's claim, and may get rows of one key.
   * So each looks once more when its claim is committed, and gives back what is behind a row that another
   * relay has, or that is pending: the one with the oldest row of the key goes on. In SQLite claims take
   * turns.
   */
  async claim(limit: number): Promise<Claimed> {
    const isLarge = this.#hasBacklog && !this.#isSqlite;
    const size = isLarge || this.#isSqlite ? limit : Math.min(limit, SINGLE_CLAIM);
    const claimed = isLarge
      ? await this.#own.transaction((own) => this.#claimRows(own, size, isLarge), IN_ORDER)
      : await this.#claimRows(this.#own, size, isLarge);
    this.#hasBacklog = claimed.length === size;
    const isComplete = claimed.every((row) => row["envelope"] !== null && !isTrue(row["has_key"]));
    const rows = isComplete ? claimed : await this.#readAgain(claimed);
    const behind = rows.filter((row) => isTrue(row["is_behind"])).map(idOf);
    if (behind.length > 0) await this.giveBack(behind);
    return {
      rows: rows
        .filter((row) => !isTrue(row["is_behind"]))
        .map((row) => ({ id: idOf(row), envelope: row["envelope"] as string })),
      isFull: this.#hasBacklog,
      keysLeftOut: behind.length > 0,
    };
  }

  async #claimRows(
    executor: SqlExecutor,
    limit: number,
    isLarge: boolean,
  ): Promise<readonly SqlRow[]> {
    const { outbox, now, skipLocked, lockedRow, lockedRowIn } = this.#sql;
    const returnedBytes = isLarge ? 0 : RETURNED_BYTES;
    const envelope = this.#isSqlite
      ? "envelope, 0 AS has_key"
      : `CASE WHEN (SELECT sum(size) FROM due) <= ${returnedBytes} THEN envelope END AS envelope,
        ordering_key IS NOT NULL AS has_key`;
    const size = this.#isSqlite ? "" : ", octet_length(envelope) AS size";
    // The plan of a small claim is kept, and is often from a moment in which the table was empty. By a join it finds
    // few rows at their place even so; by an array of places it would read the whole table, dead rows included.
    const areDue =
      this.#isSqlite || isLarge
        ? `WHERE ${lockedRowIn(`SELECT ${lockedRow} FROM due`)}`
        : `FROM due WHERE ${outbox}.${lockedRow} = due.${lockedRow}`;
    const rows = await executor.execute(
      `WITH busy AS MATERIALIZED (
        SELECT ordering_key FROM ${outbox} WHERE ${claimedByOthers("<")}
        UNION SELECT ordering_key FROM ${outbox} WHERE ${claimedByOthers(">")}),
      due AS MATERIALIZED (
        SELECT ${lockedRow}${size} FROM ${outbox}
        WHERE state = 'pending'
          AND (ordering_key IS NULL OR ordering_key NOT IN (SELECT ordering_key FROM busy))
        ORDER BY id LIMIT CAST($3 AS bigint) ${skipLocked})
      UPDATE ${outbox} SET state = 'claimed', claim = CAST($1 AS text),
        attempts = attempts + 1, claimed_until = ${now} + CAST($2 AS bigint)
      ${areDue}
      RETURNING CAST(id AS text) AS id, ${envelope}`,
      [this.#claim, this.#leaseMs, limit],
      FREQUENT,
    );
    // RETURNING has an order of its own.
    return rows.toSorted(byId);
  }

  /** Reads rows that this relay has claimed, and whether another has, or may claim, one of their key before them. */
  async #readAgain(claimed: readonly SqlRow[]): Promise<readonly SqlRow[]> {
    const { outbox, idIn } = this.#sql;
    const rows = await this.#own.execute(
      `WITH others AS MATERIALIZED (
        SELECT ordering_key, id FROM ${outbox} WHERE ${claimedByOthers("<")}
        UNION ALL SELECT ordering_key, id FROM ${outbox} WHERE ${claimedByOthers(">")}
        UNION ALL SELECT ordering_key, id FROM ${outbox}
        WHERE state = 'pending' AND ordering_key IS NOT NULL AND id < CAST($3 AS bigint)),
      first AS MATERIALIZED (SELECT ordering_key, min(id) AS id FROM others GROUP BY ordering_key)
      SELECT CAST(mine.id AS text) AS id, mine.envelope, first.id IS NOT NULL AS is_behind
      FROM ${outbox} AS mine LEFT JOIN first
        ON first.ordering_key = mine.ordering_key AND first.id < mine.id
      WHERE mine.${idIn("$2")} AND mine.state = 'claimed' AND mine.claim = CAST($1 AS text)`,
      [this.#claim, toList(claimed.map(idOf)), Number(claimed.at(-1)?.["id"])],
      FREQUENT,
    );
    return rows.toSorted(byId);
  }

  /** Takes rows out that were published, but for those that another relay has taken over. */
  async remove(ids: readonly string[], keep: boolean): Promise<void> {
    const { outbox, idIn, now } = this.#sql;
    const these = `WHERE ${idIn("$1")} AND state IN ('claimed', 'pending')
      AND (claim IS NULL OR claim = CAST($2 AS text))`;
    const statement = keep
      ? `UPDATE ${outbox} SET state = 'sent', claim = NULL, created_at = ${now} ${these}`
      : `DELETE FROM ${outbox} ${these}`;
    await this.#own.execute(statement, [toList(ids), this.#claim], FREQUENT);
  }

  /** Releases claimed rows. */
  async giveBack(ids: readonly string[]): Promise<void> {
    const { outbox, idIn } = this.#sql;
    await this.#own.execute(
      `UPDATE ${outbox} SET state = 'pending', claim = NULL, claimed_until = NULL
      WHERE ${idIn("$1")} AND state = 'claimed' AND claim = CAST($2 AS text)`,
      [toList(ids), this.#claim],
    );
  }

  /**
   * Gives back all rows of this relay but those that are in its hand, and known to be. Those are under a new
   * claim from then on: a statement whose answer was lost may still be carried out, and what it claims must
   * look like another's.
   */
  async giveBackAllBut(ids: readonly string[]): Promise<void> {
    const { outbox, list } = this.#sql;
    const inHand = `id IN ${list("$3", "bigint")}`;
    this.#givenUp = [...this.#givenUp, this.#claim];
    this.#claim = crypto.randomUUID();
    await this.#own.execute(
      `UPDATE ${outbox} SET state = CASE WHEN ${inHand} THEN state ELSE 'pending' END,
        claim = CASE WHEN ${inHand} THEN CAST($2 AS text) END,
        claimed_until = CASE WHEN ${inHand} THEN claimed_until END
      WHERE state = 'claimed' AND claim IN ${list("$1", "text")}`,
      [JSON.stringify(this.#givenUp), this.#claim, toList(ids)],
    );
    this.#givenUp = [];
  }

  /** Sets rows aside that cannot be published. */
  async setAside(rows: readonly FailedRow[]): Promise<void> {
    const { outbox, idIn } = this.#sql;
    const failed = this.#sql.rows("$2", { id: "bigint", error: "text" });
    await this.#own.execute(
      `UPDATE ${outbox} SET state = 'failed', claim = NULL, claimed_until = NULL,
        error = (SELECT error FROM ${failed} AS failed WHERE failed.id = ${outbox}.id)
      WHERE state = 'claimed' AND claim = CAST($1 AS text)
        AND ${idIn("$3")}`,
      [
        this.#claim,
        JSON.stringify(rows.map(({ id, error }) => ({ id: Number(id), error: toColumn(error) }))),
        toList(rows.map(({ id }) => id)),
      ],
    );
  }

  /** Renews the claim on rows. */
  async renew(ids: readonly string[]): Promise<void> {
    const { outbox, now, idIn } = this.#sql;
    await this.#own.execute(
      `UPDATE ${outbox} SET claimed_until = ${now} + CAST($2 AS bigint)
      WHERE state = 'claimed' AND claim = CAST($1 AS text) AND ${idIn("$3")}`,
      [this.#claim, this.#leaseMs, toList(ids)],
    );
  }
}

/** That a row is one of a key in the hand of another relay. Not <>, which would have an index read all rows of this one. */
function claimedByOthers(comparison: "<" | ">"): string {
  return `state = 'claimed' AND ordering_key IS NOT NULL AND claim ${comparison} CAST($1 AS text)`;
}

function idOf(row: SqlRow): string {
  return row["id"] as string;
}

function byId(a: SqlRow, b: SqlRow): number {
  return Number(a["id"]) - Number(b["id"]);
}

/** What a driver makes of a condition. */
function isTrue(value: unknown): boolean {
  return value === true || value === 1 || value === 1n;
}

/** As JSON. Ids are numbers, but some drivers return them as strings. */
function toList(ids: readonly string[]): string {
  return `[${ids.join(",")}]`;
}
