import type { Sql } from "@busbar/sql/feature";

/**
 * That a column has one of the values of a JSON array. PostgreSQL finds rows by an array even when its statistics are from
 * a moment in which the table was empty; with a subquery after IN it might read the whole table.
 */
export function isOneOf(
  sql: Sql,
  column: string,
  parameter: string,
  type: "text" | "bigint",
): string {
  const list = sql.list(parameter, type);
  return sql.dialect === "sqlite" ? `${column} IN ${list}` : `${column} = ANY (ARRAY${list})`;
}

/** What a statement says of its text, so that a store may have the database prepare it. */
export const FREQUENT = { isFrequent: true } as const;
