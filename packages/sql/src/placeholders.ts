import type { SqlValue } from "./store.ts";

/** A statement in a driver's own form. */
export interface PositionalStatement {
  /** The statement, with the placeholders of the driver. */
  readonly sql: string;
  /** The values, one for each placeholder. */
  readonly values: readonly SqlValue[];
}

/** Splits a statement at its `$1`, `$2` …: there is one more part than there are values. */
export function splitAtParameters(
  sql: string,
  parameters: readonly SqlValue[],
): { readonly parts: readonly string[]; readonly values: readonly SqlValue[] } {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  let from = 0;
  for (const match of sql.matchAll(/\$(\d+)/g)) {
    parts.push(sql.slice(from, match.index));
    values.push(parameters[Number(match[1]) - 1] ?? null);
    from = match.index + match[0].length;
  }
  parts.push(sql.slice(from));
  return { parts, values };
}

/** A statement with `?`, and which parameter each of them is, counted from 0. */
export interface MarkedStatement {
  /** The statement. */
  readonly sql: string;
  /** The place of each value among the parameters. */
  readonly order: readonly number[];
}

/** Makes `?` of `$1`, `$2` … in a statement that is prepared for any values. */
export function withMarks(text: string): MarkedStatement {
  const order: number[] = [];
  const sql = text.replaceAll(/\$(\d+)/g, (_, number: string) => {
    order.push(Number(number) - 1);
    return "?";
  });
  return { sql, order };
}

/** Makes `?` of `$1`, `$2` …, and repeats the values that occur several times. */
export function withQuestionMarks(
  sql: string,
  parameters: readonly SqlValue[],
): PositionalStatement {
  const { parts, values } = splitAtParameters(sql, parameters);
  return { sql: parts.join("?"), values };
}
