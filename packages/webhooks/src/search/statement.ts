import type { SqlValue } from "@busbar/sql";
import type { Sql } from "@busbar/sql/feature";
import { ANY, type PatternPart } from "./query.ts";

/** Collects the parameters of a statement while it is written. */
export class Statement {
  readonly sql: Sql;
  readonly values: SqlValue[] = [];

  constructor(sql: Sql) {
    this.sql = sql;
  }

  /** Returns the placeholder of a value. */
  value(value: SqlValue): string {
    this.values.push(typeof value === "string" ? storable(value) : value);
    return `$${this.values.length}`;
  }

  /** Returns the condition that a column has one of several values. */
  among(column: string, values: readonly (string | number)[], type: "text" | "bigint"): string {
    if (values.length === 0) return "FALSE";
    const safe = values.map((value) => (typeof value === "string" ? storable(value) : value));
    const list = this.sql.list(this.value(JSON.stringify(safe)), type);
    // An array is looked up in an index, whatever PostgreSQL believes of the size of tables.
    return this.sql.dialect === "postgres"
      ? `${column} = ANY (ARRAY${list})`
      : `${column} IN ${list}`;
  }

  /** Returns the placeholder of a number that may have a fraction. */
  number(value: number): string {
    return Number.isSafeInteger(value)
      ? String(value)
      : `CAST(${this.value(value)} AS double precision)`;
  }

  /** Returns the condition that a column fits a pattern, with case. */
  pattern(column: string, parts: readonly PatternPart[]): string {
    const isGlob = this.sql.dialect === "sqlite";
    const text = parts.map((part) => {
      if (typeof part === "string") {
        return isGlob
          ? part.replaceAll(/[[*?]/g, "[$&]")
          : part.replaceAll(/[\\%_]/g, String.raw`\$&`);
      }
      if (part === ANY) return isGlob ? "*" : "%";
      return isGlob ? "?" : "_";
    });
    return `${column} ${isGlob ? "GLOB" : "LIKE"} ${this.value(text.join(""))}`;
  }

  /** Returns the condition that a column that is ordered by bytes begins with a text, as an index finds it. */
  prefix(column: string, text: string): string {
    const end = afterPrefix(text);
    const from = `${column} >= ${this.value(text)}`;
    return end === undefined ? from : `${from} AND ${column} < ${this.value(end)}`;
  }
}

/** A text that no database refuses. Nothing that is stored differs from it. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

/** The first text, by code points, after all that begin with a prefix. */
function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.at(-1) === 0x10_ff_ff) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  // Surrogates are no characters.
  return String.fromCodePoint(...points, last === 0xd7_ff ? 0xe0_00 : last + 1);
}
