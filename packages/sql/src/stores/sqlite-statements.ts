import { type MarkedStatement, withMarks } from "../placeholders.ts";
import type { SqlRow, SqlValue } from "../store.ts";
import type { SqliteDatabase, SqliteStatement } from "./sqlite-database.ts";

/** Statements that are kept at most: those that were used last. A search may make many texts. */
const KEPT = 200;

interface Prepared extends MarkedStatement {
  readonly statement: SqliteStatement;
  readonly hasRows: boolean;
}

/** The statements of one database, each prepared once and kept by its text. */
export class SqliteStatements {
  readonly #database: SqliteDatabase;
  readonly #kept = new Map<string, Prepared>();

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  /** Runs a statement with `$1`, `$2` … and returns its rows, none if it returns nothing. */
  execute(text: string, parameters: readonly SqlValue[] = []): readonly SqlRow[] {
    const { statement, hasRows, order } = this.#prepared(text);
    const values = order.map((index) => parameters[index] ?? null);
    try {
      if (hasRows) return statement.all(...values) as readonly SqlRow[];
      statement.run(...values);
      return [];
    } catch (error) {
      // A driver may leave it half done, which would be in the way of the commit.
      this.#kept.delete(text);
      throw error;
    }
  }

  #prepared(text: string): Prepared {
    const known = this.#kept.get(text);
    if (known) {
      // The order of the map is that of the last use.
      this.#kept.delete(text);
      this.#kept.set(text, known);
      return known;
    }
    const marked = withMarks(text);
    const statement = this.#database.prepare(marked.sql);
    // libsql says of a statement with RETURNING that it has no rows.
    const hasRows = statement.reader !== false || /\bRETURNING\b/i.test(text);
    const prepared = { ...marked, statement, hasRows };
    this.#kept.set(text, prepared);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return prepared;
  }
}
