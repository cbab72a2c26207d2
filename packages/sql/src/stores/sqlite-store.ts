import { setTimeout as sleep } from "node:timers/promises";
import { assertOptions, checks } from "@busbar/core/provider";
import { defineStore } from "../define-store.ts";
import { methodsOf } from "../option-checks.ts";
import { withQuestionMarks } from "../placeholders.ts";
import type { SqlStore, SqlExecutor, SqlRow } from "../store.ts";
import { assertTransaction } from "../transactions.ts";

/** Milliseconds between two tries to begin while others have the file. */
const TRY_AGAIN_AFTER_MS = 3;
const WITHIN_ANOTHER = "cannot start a transaction within a transaction";

/** The part of a prepared statement that is used. */
export interface SqliteStatement {
  // The types of libsql want objects where they want values, too: TypeScript 5.9 compares both.
  /** Runs the statement, and returns its rows. */
  all(...values: unknown[]): unknown[];
  /** Runs the statement, which has no rows. */
  run(...values: unknown[]): unknown;
  /** Where it is false, as in better-sqlite3, `all` refuses the statement. */
  readonly reader?: boolean;
}

/** The part of a synchronous SQLite database: `libsql`, `better-sqlite3` and `node:sqlite` have it. */
export interface SqliteDatabase {
  /** Prepares a statement. */
  prepare(sql: string): SqliteStatement;
  /** Runs SQL without parameters. */
  exec(sql: string): unknown;
}

/** Options of {@link sqliteStore}. */
export interface SqliteStoreOptions<Database extends SqliteDatabase = SqliteDatabase> {
  /**
   * A database of `libsql`, `better-sqlite3` or `node:sqlite`. It stays yours: never closed. Best a
   * connection of the store's own: on one that the application shares, the store waits for the end of
   * each transaction of the application.
   */
  readonly database: Database;
  /**
   * Milliseconds to try to begin a transaction while others have the file.
   *
   * @default 10_000
   */
  readonly busyTimeoutMs?: number | undefined;
}

/**
 * A store on a SQLite file. A transaction is a database on which `BEGIN` has run.
 *
 * The file should be in WAL mode, and its own `timeout` short: it blocks the process.
 */
export function sqliteStore<Database extends SqliteDatabase>(
  options: SqliteStoreOptions<Database>,
): SqlStore<Database> {
  assertOptions(
    "sqliteStore()",
    options,
    {
      database: methodsOf("a database of libsql, better-sqlite3 or node:sqlite", [
        "prepare",
        "exec",
      ]),
      busyTimeoutMs: checks.milliseconds,
    },
    { database: 'such as new Database("shop.db")' },
  );
  const { database, busyTimeoutMs = 10_000 } = options;
  const own = executor(database);
  let last: Promise<unknown> = Promise.resolve();

  /** One after the other: the connection has one transaction at a time. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  }

  async function patiently(statement: string): Promise<void> {
    const deadline = performance.now() + busyTimeoutMs;
    for (;;) {
      try {
        // Prepared, one that fails would stay open in libsql, and be in the way of the commit.
        database.exec(statement);
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw error;
      }
      await sleep(TRY_AGAIN_AFTER_MS);
    }
  }

  async function run<T>(work: (transaction: Database) => Promise<T>): Promise<T> {
    await patiently("BEGIN IMMEDIATE");
    try {
      const result = await work(database);
      await patiently("COMMIT");
      return result;
    } catch (error) {
      try {
        database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself.
      }
      throw error;
    }
  }

  return defineStore<Database>({
    dialect: "sqlite",
    schema: undefined,
    within(given) {
      assertTransaction(isInTransaction(given), "a database");
      return executor(given);
    },
    transaction: (work) => inTurn(() => run(work)),
    execute: (sql, parameters) => inTurn(() => run(() => own.execute(sql, parameters))),
  });
}

function executor(database: SqliteDatabase): SqlExecutor {
  return {
    async execute(text, parameters = []) {
      const { sql, values } = withQuestionMarks(text, parameters);
      const statement = database.prepare(sql);
      if (statement.reader !== false || /\bRETURNING\b/i.test(sql)) {
        return statement.all(...values) as readonly SqlRow[];
      }
      statement.run(...values);
      return [];
    },
  };
}

/** Whether `BEGIN` has run: by what the driver says of it, or by whether it may run once more. */
function isInTransaction(database: SqliteDatabase): boolean {
  const { inTransaction, isTransaction } = database as {
    readonly inTransaction?: unknown;
    readonly isTransaction?: unknown;
  };
  const known = inTransaction ?? isTransaction;
  if (typeof known === "boolean") return known;
  try {
    database.exec("BEGIN");
  } catch (error) {
    return messageOf(error).includes(WITHIN_ANOTHER);
  }
  database.exec("ROLLBACK");
  return false;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

/** Whether others have the file, or the connection has a transaction of the application's. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode, message } = error as Error & { code?: unknown; errcode?: unknown };
  return (
    (typeof code === "string" && /^SQLITE_(BUSY|LOCKED)/.test(code)) ||
    (typeof errcode === "number" && (errcode % 256 === 5 || errcode % 256 === 6)) ||
    message.includes(WITHIN_ANOTHER)
  );
}
