import { createHash } from "node:crypto";
import type { Dialect, SqlStore } from "./store.ts";

/** What statements have in common, in the dialect of a store. */
export interface Sql {
  /** Which SQL this is. */
  readonly dialect: Dialect;
  /** The name of a table, in the schema of the store. */
  readonly table: (name: string) => string;
  /** The database's clock, in milliseconds since the epoch: one for all processes. */
  readonly now: string;
  /** Locks the rows of a SELECT, and skips those that others have locked. */
  readonly skipLocked: string;
  /** A table of the members of a JSON array of objects, with a column for each of `columns`. */
  readonly rows: (
    parameter: string,
    columns: Readonly<Record<string, "text" | "bigint">>,
  ) => string;
  /** A list, for after IN, of the members of a JSON array of numbers or of strings. */
  readonly list: (parameter: string, type: "text" | "bigint") => string;
  /** That a row's id is one of a JSON array of numbers. */
  readonly idIn: (parameter: string) => string;
  /** The column by which a row that is locked is found again within its transaction. */
  readonly lockedRow: string;
  /** That a row is one of those that a query for {@link Sql.lockedRow} has locked. */
  readonly lockedRowIn: (query: string) => string;
}

/** The dialect of a store. */
export function sqlOf(store: Pick<SqlStore, "dialect" | "schema">): Sql {
  if (store.dialect === "sqlite") return sqlite;
  const schema = store.schema === undefined ? "" : `${quoteName(store.schema)}.`;
  return { ...postgres, table: (name) => schema + name };
}

/** Bytes that the name of a PostgreSQL channel may have. */
const LONGEST_CHANNEL = 63;

/**
 * The PostgreSQL channel on which changes of a table are announced: its name, or a hash where the name is too long for a
 * channel.
 *
 * @param table As {@link Sql.table} returns it.
 */
export function channelOf(table: string): string {
  const name = table.replaceAll('"', "");
  if (Buffer.byteLength(name) <= LONGEST_CHANNEL) return name;
  return `busbar_${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/** A name as SQL takes it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as PostgreSQL takes it, whatever `standard_conforming_strings` is. */
export function quoteText(text: string): string {
  return `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/**
 * JSON as PostgreSQL takes it within a statement. The dollar sign would end it, and query builders look for
 * question marks: both are only within strings, where JSON has another form for them.
 */
export function jsonLiteral(json: string): string {
  const safe = json.replaceAll(/[?$]/g, (mark) => (mark === "?" ? "\\u003f" : "\\u0024"));
  return `$busbar$${safe}$busbar$`;
}

const sqlite: Sql = {
  dialect: "sqlite",
  table: (name) => name,
  now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
  skipLocked: "",
  rows: (parameter, columns) => {
    const names = Object.keys(columns).map((name) => `value ->> '$.${name}' AS ${name}`);
    return `(SELECT key AS position, ${names.join(", ")} FROM json_each(${parameter}))`;
  },
  list: (parameter) => `(SELECT value FROM json_each(${parameter}))`,
  idIn: (parameter) => `id IN ${sqlite.list(parameter, "bigint")}`,
  lockedRow: "rowid",
  lockedRowIn: (query) => `rowid IN (${query})`,
};

/**
 * The rows of a statement are found by an array. With a subquery after IN, PostgreSQL may read the whole
 * table for them, or all of them for each of its rows: so it does when its statistics are from a moment in
 * which the table was empty, as tables of pending work mostly are.
 */
const postgres: Omit<Sql, "table"> = {
  dialect: "postgres",
  // A subquery is asked once for all rows, and an index can be searched for its answer.
  now: "(SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint))",
  skipLocked: "FOR UPDATE SKIP LOCKED",
  rows: (parameter, columns) => {
    const names = Object.entries(columns).map(([name, type]) => `${name} ${type}`);
    // By way of text: a driver that knows the parameter to be JSON would encode it once more.
    return `(SELECT * FROM json_to_recordset(CAST(CAST(${parameter} AS text) AS json))
      AS it (position bigint, ${names.join(", ")}))`;
  },
  list: (parameter, type) =>
    `(SELECT CAST(value AS ${type})
      FROM json_array_elements_text(CAST(CAST(${parameter} AS text) AS json)) AS it (value))`,
  idIn: (parameter) => `id = ANY (ARRAY${postgres.list(parameter, "bigint")})`,
  lockedRow: "ctid",
  lockedRowIn: (query) => `ctid = ANY (ARRAY(${query}))`,
};
