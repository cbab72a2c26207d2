import { assertOptions, checks } from "@busbar/core/provider";
import { defineStore } from "../define-store.ts";
import { methodsOf } from "../option-checks.ts";
import type { SqlStore, SqlValue } from "../store.ts";
import { assertTransaction } from "../transactions.ts";
import { patiently, WITHIN_ANOTHER } from "./sqlite-busy.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { type OpenedDatabase, openFile } from "./sqlite-file.ts";
import { SqliteStatements } from "./sqlite-statements.ts";
import { SqliteTurns } from "./sqlite-turns.ts";

/** Options of {@link sqliteStore} with a database that you have opened. */
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

/** Options of {@link sqliteStore} with a file that the store opens. */
export interface SqliteFileOptions {
  /**
   * The path of the file, such as `webhooks.db`. The first statement opens the file, in WAL mode and with
   * foreign keys checked, and makes it if it is missing. `close()` of the store closes it. The driver is `libsql`
   * if it is installed, and otherwise `node:sqlite`, which Node.js has since 22.13.
   *
   * Within one process, open a file with one driver only, or share one store: the locks of SQLite do not hold
   * between two drivers in one process, and writes are lost.
   */
  readonly file: string;
  /**
   * When a commit is on the disk. Whatever kills only the process loses no commit. A power cut, or a crash of
   * the operating system, leaves the file whole; with `normal` it may lose the commits of the last moments, with
   * `full` none. `full` waits for the disk at each commit, which takes milliseconds.
   *
   * @default "normal"
   */
  readonly synchronous?: "normal" | "full" | undefined;
  /**
   * Milliseconds to try to begin a transaction while other processes have the file.
   *
   * @default 10_000
   */
  readonly busyTimeoutMs?: number | undefined;
}

/**
 * Makes a store on a SQLite file. A transaction is a database on which `BEGIN` has run. Transactions take turns,
 * in the order of their calls.
 *
 * A database that you open should be in WAL mode, and its own `timeout` short: it blocks the process.
 *
 * @example
 * ```ts
 * const store = sqliteStore({ file: "webhooks.db" });
 * ```
 */
export function sqliteStore(options: SqliteFileOptions): SqlStore<SqliteDatabase>;
export function sqliteStore<Database extends SqliteDatabase>(
  options: SqliteStoreOptions<Database>,
): SqlStore<Database>;
export function sqliteStore(
  options: SqliteFileOptions | SqliteStoreOptions,
): SqlStore<SqliteDatabase> {
  return "file" in Object(options)
    ? storeOnFile(options as SqliteFileOptions)
    : storeOnDatabase(options as SqliteStoreOptions);
}

function storeOnDatabase(options: SqliteStoreOptions): SqlStore<SqliteDatabase> {
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
    { database: 'such as new Database("shop.db"), or the option file' },
  );
  const { database, busyTimeoutMs = 10_000 } = options;
  return storeOn({ open: async () => database, close() {}, busyTimeoutMs });
}

function storeOnFile(options: SqliteFileOptions): SqlStore<SqliteDatabase> {
  assertOptions(
    "sqliteStore()",
    options,
    {
      file: checks.text,
      synchronous: checks.oneOf("normal", "full"),
      busyTimeoutMs: checks.milliseconds,
    },
    { file: 'such as "shop.db"' },
  );
  const { file, synchronous = "normal", busyTimeoutMs = 10_000 } = options;
  let opened: OpenedDatabase | undefined;
  let isClosed = false;
  return storeOn({
    server: file,
    busyTimeoutMs,
    async open() {
      if (isClosed) throw new Error("The store is closed");
      opened = await openFile({ file, synchronous, busyTimeoutMs });
      return opened;
    },
    close() {
      isClosed = true;
      opened?.close();
      opened = undefined;
    },
  });
}

/** Where the database of a store comes from. */
interface Source {
  readonly busyTimeoutMs: number;
  readonly server?: string;
  open(): Promise<SqliteDatabase>;
  /** Closes what `open` has opened. */
  close(): void;
}

function storeOn(source: Source): SqlStore<SqliteDatabase> {
  const { busyTimeoutMs } = source;
  const turns = new SqliteTurns();
  let own: SqliteDatabase | undefined;
  let statements = new WeakMap<SqliteDatabase, SqliteStatements>();

  function statementsOf(database: SqliteDatabase): SqliteStatements {
    let known = statements.get(database);
    if (!known) statements.set(database, (known = new SqliteStatements(database)));
    return known;
  }

  async function run<T>(
    database: SqliteDatabase,
    work: (transaction: SqliteDatabase) => T | Promise<T>,
  ): Promise<T> {
    // Prepared, one that fails would stay open in libsql, and be in the way of the commit.
    await patiently(() => database.exec("BEGIN IMMEDIATE"), busyTimeoutMs);
    try {
      const result = await work(database);
      await patiently(() => database.exec("COMMIT"), busyTimeoutMs);
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

  return defineStore<SqliteDatabase>({
    dialect: "sqlite",
    schema: undefined,
    server: source.server,
    within(given) {
      assertTransaction(isInTransaction(given), "a database");
      const its = statementsOf(given);
      return { execute: async (sql, parameters) => its.execute(sql, parameters) };
    },
    transaction: (work) => turns.take(async () => run((own ??= await source.open()), work)),
    execute: (sql: string, parameters?: readonly SqlValue[]) =>
      turns.take(async () => {
        const database = (own ??= await source.open());
        const step = () => statementsOf(database).execute(sql, parameters);
        // A query has its own view of the file, and need not wait for those who write.
        const isQuery = /^\s*SELECT\b/i.test(sql) && saysInTransaction(database) === false;
        return isQuery ? patiently(step, busyTimeoutMs) : run(database, step);
      }),
    close: () =>
      turns.take(async () => {
        own = undefined;
        statements = new WeakMap();
        source.close();
      }),
  });
}

/** Whether `BEGIN` has run: by what the driver says of it, or by whether it may run once more. */
function isInTransaction(database: SqliteDatabase): boolean {
  const known = saysInTransaction(database);
  if (known !== undefined) return known;
  try {
    database.exec("BEGIN");
  } catch (error) {
    return error instanceof Error && error.message.includes(WITHIN_ANOTHER);
  }
  database.exec("ROLLBACK");
  return false;
}

/** What the driver says of it, if it does. */
function saysInTransaction(database: SqliteDatabase): boolean | undefined {
  // To ask a database of libsql that is closed would end the process.
  if ((database as { readonly open?: unknown }).open === false) return undefined;
  const { inTransaction, isTransaction } = database as {
    readonly inTransaction?: unknown;
    readonly isTransaction?: unknown;
  };
  const known = inTransaction ?? isTransaction;
  return typeof known === "boolean" ? known : undefined;
}
