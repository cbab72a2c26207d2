import { setTimeout as sleep } from "node:timers/promises";
import { answered } from "./answer-limit.ts";
import { isConflict } from "./sql-errors.ts";
import type { AnswerOptions, SqlStore, SqlExecutor, SqlRow, SqlValue } from "./store.ts";

/** How often a statement or a transaction runs at most when others get in its way. */
const TRIES = 12;
/** Milliseconds before the second try at most; doubles up to the longest. */
const AGAIN_AFTER_MS = 4;
const AGAIN_AFTER_AT_MOST_MS = 200;
/** Milliseconds after which PostgreSQL ends a transaction whose process no longer says anything. */
const IDLE_AT_MOST_MS = 5_000;
/** Milliseconds for which a statement waits for a lock: longer, so that it is free by then. */
const LOCKED_AT_MOST_MS = 15_000;
/** Milliseconds for which an answer of the database is waited for. */
const ANSWER_WITHIN_MS = 30_000;

const READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";
const LIMITS = {
  lock_timeout: `${LOCKED_AT_MOST_MS}`,
  idle_in_transaction_session_timeout: `${IDLE_AT_MOST_MS}`,
};

/** Settings of PostgreSQL that hold for one transaction. */
export type TransactionSettings = Readonly<Record<string, string>>;

/**
 * Runs a feature's own statements: at READ COMMITTED, whatever the default of the database is, and again
 * when PostgreSQL reports a serialization failure or a deadlock. A process that stands still, or whose host
 * has vanished, keeps nothing locked: PostgreSQL ends a single statement without its client, and a longer
 * transaction has time limits.
 */
export class OwnWork<Tx> implements SqlExecutor {
  readonly #store: SqlStore<Tx>;
  readonly #answerWithinMs: number;
  /** Whether single statements run at READ COMMITTED by default. Undefined until it is asked. */
  #isReadCommitted: boolean | undefined;

  /** @param answerWithinMs Milliseconds for which an answer of the database is waited for. */
  constructor(store: SqlStore<Tx>, answerWithinMs: number = ANSWER_WITHIN_MS) {
    this.#store = store;
    this.#answerWithinMs = answerWithinMs;
    this.#isReadCommitted = store.dialect === "sqlite" ? true : undefined;
  }

  /** Runs one statement. */
  execute(
    sql: string,
    parameters: readonly SqlValue[] = [],
    { isFrequent = false }: AnswerOptions = {},
  ): Promise<readonly SqlRow[]> {
    return repeated(async () => {
      this.#isReadCommitted ??= await this.#readDefault();
      return this.#isReadCommitted
        ? this.#single(sql, parameters, isFrequent)
        : this.#transaction((own) => own.execute(sql, parameters), {}, this.#answerWithinMs);
    });
  }

  /**
   * Runs `work` in a transaction. `work` runs again if PostgreSQL rolls it back because of others.
   *
   * @param answerWithinMs Milliseconds for which the end of the transaction is waited for.
   */
  transaction<T>(
    work: (own: SqlExecutor) => Promise<T>,
    settings: TransactionSettings = {},
    answerWithinMs: number = this.#answerWithinMs,
  ): Promise<T> {
    return repeated(() => this.#transaction(work, settings, answerWithinMs));
  }

  #single(
    sql: string,
    parameters: readonly SqlValue[],
    isFrequent: boolean,
  ): Promise<readonly SqlRow[]> {
    const answerWithinMs = this.#answerWithinMs;
    const answer = this.#store.execute(sql, parameters, { answerWithinMs, isFrequent });
    return answered(answer, answerWithinMs);
  }

  #transaction<T>(
    work: (own: SqlExecutor) => Promise<T>,
    settings: TransactionSettings,
    answerWithinMs: number,
  ): Promise<T> {
    const run = async (transaction: Tx): Promise<T> => {
      const own = this.#store.within(transaction);
      if (this.#store.dialect === "postgres") {
        await own.execute(READ_COMMITTED);
        await own.execute(setStatement({ ...LIMITS, ...settings }));
      }
      return work(own);
    };
    return answered(this.#store.transaction(run, { answerWithinMs }), answerWithinMs);
  }

  async #readDefault(): Promise<boolean> {
    const [row] = await this.#single(
      "SELECT current_setting('default_transaction_isolation') AS level",
      [],
      false,
    );
    return row?.["level"] === "read committed";
  }
}

function setStatement(settings: TransactionSettings): string {
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config('${name}', '${value}', true)`,
  );
  return `SELECT concat(${calls.join(", ")}) AS settings`;
}

/**
 * Runs `work` until it meets no other transaction, and rejects with its last conflict.
 *
 * @param mayRepeat Whether nothing has happened that must not happen twice.
 */
export async function repeated<T>(
  work: () => Promise<T>,
  mayRepeat: () => boolean = () => true,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !mayRepeat() || !isConflict(error)) throw error;
    }
    const longest = Math.min(AGAIN_AFTER_AT_MOST_MS, AGAIN_AFTER_MS * 2 ** tries);
    // Those that met should not meet again.
    await sleep(longest * Math.random());
  }
}
