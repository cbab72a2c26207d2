/** The part of a prepared statement that is used. */
export interface SqliteStatement {
  // The types of libsql also want objects where they want values: TypeScript 5.9 compares both.
  /** Runs the statement, and returns its rows. */
  all(...values: unknown[]): unknown[];
  /** Runs the statement, which has no rows. */
  run(...values: unknown[]): unknown;
  /** Where it is false, as in better-sqlite3, `all` throws. */
  readonly reader?: boolean;
}

/** The part of a synchronous SQLite database: `libsql`, `better-sqlite3` and `node:sqlite` have it. */
export interface SqliteDatabase {
  /** Prepares a statement. */
  prepare(sql: string): SqliteStatement;
  /** Runs SQL without parameters. */
  exec(sql: string): unknown;
}
