/** A value that a statement takes. Every driver can pass these types on. */
export type SqlValue = string | number | null;

/** A row as a driver returns it. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Options of a statement or a transaction of a feature's own. */
export interface AnswerOptions {
  /**
   * Milliseconds after which the caller no longer waits for the answer. A store that can gives up the
   * connection then, instead of keeping it for an answer that does not come. No limit by default.
   */
  readonly answerWithinMs?: number | undefined;
  /**
   * Whether the statement runs often with the same text, so that a store may have the database prepare it.
   *
   * @default false
   */
  readonly isFrequent?: boolean | undefined;
}

/** Runs statements, on one connection or on any of a pool. */
export interface SqlExecutor {
  /**
   * Runs one statement and resolves with its rows, none if it returns nothing. Parameters are `$1`,
   * `$2` and so on, each of which may occur several times.
   */
  execute(
    sql: string,
    parameters?: readonly SqlValue[],
    options?: AnswerOptions,
  ): Promise<readonly SqlRow[]>;
}

/** Which SQL a database speaks. */
export type Dialect = "postgres" | "sqlite";

/**
 * Listens on a PostgreSQL channel, until the function that it resolves with is called.
 *
 * @param onNotify Called for each notification, with its payload if the driver passes the payload on.
 * @param onLost Called once when the connection is lost: then listen again.
 */
export type Listen = (
  channel: string,
  onNotify: (payload?: string) => void,
  onLost: (cause: unknown) => void,
) => Promise<() => Promise<void>>;

/**
 * A database, by way of one driver, query builder or ORM. Made by `defineStore`. One store serves any
 * number of features: the outbox, the inbox and webhooks alike.
 *
 * @typeParam Tx What the application knows as a transaction: what it gives to `withTransaction`, and
 *   what a handler within `once` finds in `context.tx`.
 */
export interface SqlStore<Tx = unknown> extends SqlExecutor {
  /** Which SQL the database understands. */
  readonly dialect: Dialect;
  /** The PostgreSQL schema of the tables; whatever `search_path` says when it is undefined. */
  readonly schema: string | undefined;
  /** Runs statements in a transaction of the caller's. */
  within(transaction: Tx): SqlExecutor;
  /**
   * Runs `work` in a transaction of its own: commits when it resolves, rolls back when it rejects.
   * On SQLite the transaction writes from its beginning (`BEGIN IMMEDIATE`), and there is one at a time in a store:
   * within `work`, use `within(transaction)` only. `execute` would wait for the end of the transaction for ever.
   */
  transaction<T>(work: (transaction: Tx) => Promise<T>, options?: AnswerOptions): Promise<T>;
  /**
   * Closes what the store itself has opened, such as the file of `sqliteStore({ file })`, when the work that was
   * called for before has ended. Idempotent. What you gave to the store stays open, and the store usable.
   */
  close(): Promise<void>;
  /** Hears of commits in other processes. Without it features poll. */
  readonly listen?: Listen | undefined;
  /** Where the database is, such as `127.0.0.1:5432` or `shop.db`, for error messages. Without credentials. */
  readonly server?: string | undefined;
}

/** Options that every store has. */
export interface StoreOptions {
  /**
   * The PostgreSQL schema of the tables. It must exist. `search_path` decides by default.
   */
  readonly schema?: string | undefined;
}

/** Options of a store that goes through a query builder or an ORM. */
export interface AdapterOptions extends StoreOptions {
  /** @default "postgres" */
  readonly dialect?: Dialect | undefined;
  /**
   * Hears of commits in other processes: `pgListen(pool)` or `postgresListen(sql)`. Without it their
   * events are found by polling.
   */
  readonly listen?: Listen | undefined;
}
