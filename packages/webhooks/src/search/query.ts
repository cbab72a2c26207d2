/** A query as a tree. Positions count UTF-16 code units from the beginning of the text. */
export type QueryNode = AllNode | BoolNode | MatchNode;

/** Matches everything: `*`, `*:*`, or an empty query. */
export interface AllNode {
  readonly type: "all";
  /** Where it begins. */
  readonly at: number;
}

/**
 * Combines clauses. Matches what all of `must` match and none of `mustNot` does. If there is no `must`, at least one of
 * `should` has to match, if there is one.
 */
export interface BoolNode {
  readonly type: "bool";
  /** Where it begins. */
  readonly at: number;
  readonly must: readonly QueryNode[];
  readonly should: readonly QueryNode[];
  readonly mustNot: readonly QueryNode[];
}

/** Compares a field with a value. */
export interface MatchNode {
  readonly type: "match";
  /** Where it begins. */
  readonly at: number;
  /** The name of the field, or null for all fields that are searched without one. */
  readonly field: string | null;
  readonly value: QueryValue;
  /** Where the value begins. */
  readonly valueAt: number;
}

/** A piece of a pattern: literal text, any number of characters (`*`), or one (`?`). */
export type PatternPart = string | typeof ANY | typeof ONE;

/** Stands for `*` in a pattern. */
export const ANY: unique symbol = Symbol("any");
/** Stands for `?` in a pattern. */
export const ONE: unique symbol = Symbol("one");

/** One end of a range. */
export interface Bound {
  readonly text: string;
  readonly inclusive: boolean;
  /** Where its text begins. */
  readonly at: number;
}

/** What a field is compared with. */
export type QueryValue =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "pattern"; readonly parts: readonly PatternPart[] }
  | { readonly type: "range"; readonly lower: Bound | null; readonly upper: Bound | null }
  | { readonly type: "exists" };

/** Returns a text that {@link parseQuery} makes the same tree of, but for the positions. */
export function printQuery(node: QueryNode): string {
  switch (node.type) {
    case "all":
      return "*:*";
    case "bool": {
      const clauses = [
        ...node.must.map((each) => `+${printQuery(each)}`),
        ...node.should.map(printQuery),
        ...node.mustNot.map((each) => `-${printQuery(each)}`),
      ];
      return `(${clauses.join(" ")})`;
    }
    case "match":
      return printMatch(node.field, node.value);
  }
}

function printMatch(field: string | null, value: QueryValue): string {
  if (value.type === "exists") return `_exists_:${escaped(field ?? "")}`;
  const prefix = field === null ? "" : `${escaped(field)}:`;
  switch (value.type) {
    case "text":
      return `${prefix}${phrase(value.text)}`;
    case "pattern":
      return `${prefix}${value.parts.map(printPart).join("")}`;
    case "range": {
      const open = value.lower?.inclusive === false ? "{" : "[";
      const close = value.upper?.inclusive === false ? "}" : "]";
      const lower = value.lower === null ? "*" : phrase(value.lower.text);
      const upper = value.upper === null ? "*" : phrase(value.upper.text);
      return `${prefix}${open}${lower} TO ${upper}${close}`;
    }
  }
}

function printPart(part: PatternPart): string {
  if (part === ANY) return "*";
  return part === ONE ? "?" : escaped(part as string);
}

/** Returns a text as a phrase of the syntax, which matches it and nothing else. */
export function phrase(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** A word with all that means something in the syntax escaped. */
function escaped(text: string): string {
  const symbols = text.replaceAll(/[^\p{L}\p{N}_.]/gu, String.raw`\$&`);
  // Operators are words, too.
  return /^(AND|OR|NOT|TO)$/.test(symbols) ? `\\${symbols}` : symbols;
}
