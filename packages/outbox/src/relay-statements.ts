import { channelOf } from "./outbox-rows.ts";
import { READ_COMMITTED, type Sql, sqlOf } from "./sql.ts";
import type { OutboxStore, SqlExecutor } from "./store.ts";
import { toColumn } from "./text-column.ts";

/** A row in the hand of a relay. */
export interface ClaimedRow {
  readonly id: string;
  readonly envelope: string;
}

/** What a {@link RelayStatements.claim} has got. */
export interface Claimed {
  readonly rows: readonly ClaimedRow[];
  /** Another relay was about to claim, so that rows with a key had to be left out. */
  readonly keysLeftOut: boolean;
}

/** A row that will not be published, and why. */
export interface FailedRow {
  readonly id: string;
  readonly error: string;
}

/** Any number, beside the name of the table: claims of rows with a key take turns by it. */
const LOCK = 1_873;

/** What a relay asks of the database. Rows in its hand carry its claim, which ends unless renewed. */
export class RelayStatements<Tx> {
  readonly #store: OutboxStore<Tx>;
  readonly #sql: Sql;
  readonly #claim: string;
  readonly #leaseMs: number;

  constructor(store: OutboxStore<Tx>, claim: string, leaseMs: number) {
    this.#store = store;
    this.#sql = sqlOf(store);
    this.#claim = claim;
    this.#leaseMs = leaseMs;
  }

  /** Makes rows pending again whose relay has died. Resolves with how many. */
  async takeOver(): Promise<number> {
    const { outbox, now } = this.#sql;
    const rows = await this.#store.execute(
      `UPDATE ${outbox} SET state = 'pending', claim = NULL, claimed_until = NULL
      WHERE state = 'claimed' AND claimed_until <= ${now} RETURNING 1 AS one`,
    );
    return rows.length;
  }

  /** Makes delayed rows pending whose time has come. */
  async promote(): Promise<void> {
    const { outbox, now } = this.#sql;
    await this.#store.execute(
      `UPDATE ${outbox} SET state = 'pending' WHERE state = 'delayed' AND available_at <= ${now}`,
    );
  }

  /** Milliseconds until the next delayed row is due, if there is one. */
  async untilNextDue(): Promise<number | undefined> {
    const { outbox, now } = this.#sql;
    const [row] = await this.#store.execute(
      `SELECT CAST(min(available_at) - ${now} AS double precision) AS ms FROM ${outbox}
      WHERE state = 'delayed'`,
    );
    return typeof row?.["ms"] === "number" ? Math.max(0, row["ms"]) : undefined;
  }

  /**
   * Claims the oldest rows, in the order of their emits. Those of a key only if no other relay has one
   * of that key, be its lease over or not: that is looked up under a lock, by a statement that begins
   * when the lock is held.
   */
  claim(limit: number): Promise<Claimed> {
    return this.#store.transaction(async (transaction) => {
      const executor = this.#store.within(transaction);
      const withKeys = await this.#lockKeys(executor);
      const rows = await executor.execute(this.#claimStatement(withKeys), [
        this.#claim,
        this.#leaseMs,
        limit,
      ]);
      const claimed = rows.map((row) => ({
        id: row["id"] as string,
        envelope: row["envelope"] as string,
      }));
      // RETURNING has an order of its own.
      claimed.sort((a, b) => Number(a.id) - Number(b.id));
      return { rows: claimed, keysLeftOut: !withKeys };
    });
  }

  #claimStatement(withKeys: boolean): string {
    const { outbox, now, skipLocked, lockedRow, lockedRowIn } = this.#sql;
    const key = withKeys
      ? `(ordering_key IS NULL OR ordering_key NOT IN (SELECT ordering_key FROM busy))`
      : `ordering_key IS NULL`;
    // Not <>, which would have an index read all that this relay has in hand.
    return `WITH busy AS MATERIALIZED (
        SELECT ordering_key FROM ${outbox}
        WHERE state = 'claimed' AND ordering_key IS NOT NULL AND claim < CAST($1 AS text)
        UNION SELECT ordering_key FROM ${outbox}
        WHERE state = 'claimed' AND ordering_key IS NOT NULL AND claim > CAST($1 AS text)),
      due AS MATERIALIZED (
        SELECT ${lockedRow} FROM ${outbox}
        WHERE state = 'pending' AND ${key}
        ORDER BY id LIMIT CAST($3 AS bigint) ${skipLocked})
      UPDATE ${outbox} SET state = 'claimed', claim = CAST($1 AS text),
        attempts = attempts + 1, claimed_until = ${now} + CAST($2 AS bigint)
      WHERE ${lockedRowIn(`SELECT ${lockedRow} FROM due`)}
      RETURNING CAST(id AS text) AS id, envelope`;
  }

  /**
   * In SQLite, the transaction itself is the lock. In PostgreSQL it also has to be told to read the oldest
   * rows in order: the statistics of a table that empties and fills are wrong, and by them it would
   * sort the whole backlog for each batch.
   */
  async #lockKeys(executor: SqlExecutor): Promise<boolean> {
    if (this.#store.dialect === "sqlite") return true;
    await executor.execute(READ_COMMITTED);
    const [row] = await executor.execute(
      `SELECT pg_try_advisory_xact_lock(${LOCK}, hashtext(CAST($1 AS text))) AS locked,
        set_config('enable_sort', 'off', true) AS unsorted`,
      [channelOf(this.#sql)],
    );
    return row?.["locked"] === true;
  }

  /** Takes rows out that were published. */
  async remove(ids: readonly string[], keep: boolean): Promise<void> {
    const { outbox, idIn, now } = this.#sql;
    const these = `WHERE ${idIn("$1")}`;
    const statement = keep
      ? `UPDATE ${outbox} SET state = 'sent', claim = NULL, created_at = ${now} ${these}`
      : `DELETE FROM ${outbox} ${these}`;
    await this.#store.execute(statement, [toList(ids)]);
  }

  /** Gives back all rows of this relay but those that are in its hand, and known to be. */
  async giveBackAllBut(ids: readonly string[]): Promise<void> {
    const { outbox, list } = this.#sql;
    await this.#store.execute(
      `UPDATE ${outbox} SET state = 'pending', claim = NULL, claimed_until = NULL
      WHERE state = 'claimed' AND claim = CAST($1 AS text) AND id NOT IN ${list("$2", "bigint")}`,
      [this.#claim, toList(ids)],
    );
  }

  /** Sets rows aside that cannot be published. */
  async setAside(rows: readonly FailedRow[]): Promise<void> {
    const { outbox, idIn } = this.#sql;
    const failed = this.#sql.rows("$2", { id: "bigint", error: "text" });
    await this.#store.execute(
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

  /** Makes the claim on rows last longer. */
  async renew(ids: readonly string[]): Promise<void> {
    const { outbox, now, idIn } = this.#sql;
    await this.#store.execute(
      `UPDATE ${outbox} SET claimed_until = ${now} + CAST($2 AS bigint)
      WHERE state = 'claimed' AND claim = CAST($1 AS text) AND ${idIn("$3")}`,
      [this.#claim, this.#leaseMs, toList(ids)],
    );
  }
}

/** As JSON. Ids are numbers, but some drivers return them as strings. */
function toList(ids: readonly string[]): string {
  return `[${ids.join(",")}]`;
}
