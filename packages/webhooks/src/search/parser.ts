import { LuceneError } from "./lucene-error.ts";
import {
  ANY,
  type Bound,
  type BoolNode,
  type MatchNode,
  ONE,
  type PatternPart,
  type QueryNode,
  type QueryValue,
} from "./query.ts";

/** UTF-16 code units that a query has at most. */
export const MAX_QUERY_LENGTH = 4096;
/** How deep groups may be nested. */
export const MAX_QUERY_DEPTH = 50;
/** How many values a query may name. */
export const MAX_QUERY_CLAUSES = 256;

/** How a query is read. */
export interface ParseOptions {
  /**
   * What stands between two clauses that have no operator between them.
   *
   * @default "OR"
   */
  readonly defaultOperator?: "OR" | "AND" | undefined;
}

/**
 * Reads a query in the syntax of Lucene, as Elasticsearch's `query_string` has it.
 *
 * @throws {@link LuceneError} with the place, for whatever it cannot read. Nothing else is thrown.
 */
export function parseQuery(text: string, { defaultOperator = "OR" }: ParseOptions = {}): QueryNode {
  if (text.length > MAX_QUERY_LENGTH) {
    throw new LuceneError(
      `The query has ${text.length} characters, more than ${MAX_QUERY_LENGTH}`,
      text,
      MAX_QUERY_LENGTH,
    );
  }
  return new Parser(text, defaultOperator === "AND").query();
}

/** What stands before a clause: `+`, `-`, or `NOT` and `!`. */
type Modifier = "none" | "must" | "exclude" | "not";

interface Operand {
  readonly node: QueryNode;
  readonly modifier: Modifier;
}

/** What is between two operators OR, or between two spaces. */
interface Item extends Operand {
  /** Whether an OR that was written out stands before it. */
  readonly afterOr: boolean;
}

/** What ends a word. */
const ENDS_WORD = new Set(' \t\n\r\f\v\u3000()":[]{}^~');
/** What ends a bound of a range. */
const ENDS_BOUND = new Set(' \t\n\r\f\v\u3000"[]{}');
const SPACE = /[\s\u3000]/;
/** What may come after an operator without a space. */
const AFTER_OPERATOR = /[\s\u3000()"\]}]/;
/** A date with a time, of which the colons belong to the value. */
const DATE_BEFORE_COLON = /^\d{4}-\d\d-\d\dT\d[\d:.+-]*$/i;

const OPERANDS = ["a word", "a phrase", "a field", '"("'];
const VALUES = ["a word", "a phrase", "a range", '"("'];

class Parser {
  readonly #text: string;
  readonly #spaceIsAnd: boolean;
  #at = 0;
  #depth = 0;
  #clauses = 0;

  constructor(text: string, spaceIsAnd: boolean) {
    this.#text = text;
    this.#spaceIsAnd = spaceIsAnd;
  }

  query(): QueryNode {
    this.#skipSpace();
    if (this.#ended) return { type: "all", at: 0 };
    const node = this.#group(null);
    if (!this.#ended) this.#unexpected();
    return node;
  }

  get #ended(): boolean {
    return this.#at >= this.#text.length;
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  /** Reads clauses up to the end, or to a parenthesis that closes. */
  #group(field: string | null): QueryNode {
    const at = this.#at;
    const items: Item[] = [];
    let afterOr = false;
    do {
      items.push({ ...this.#conjunction(field), afterOr });
      afterOr = this.#operator("OR", "||");
      if (afterOr) this.#skipSpace();
    } while (afterOr || !(this.#ended || this.#peek() === ")"));
    return this.#combine(items, at);
  }

  /** Reads clauses with AND between them. */
  #conjunction(field: string | null): Operand {
    const at = this.#at;
    const operands = [this.#operand(field)];
    while (this.#operator("AND", "&&")) operands.push(this.#operand(field));
    const [first] = operands;
    if (operands.length === 1 && first) return first;
    const isExcluded = ({ modifier }: Operand): boolean =>
      modifier === "exclude" || modifier === "not";
    return {
      modifier: "none",
      node: {
        type: "bool",
        at,
        must: operands.filter((each) => !isExcluded(each)).map(({ node }) => node),
        should: [],
        mustNot: operands.filter(isExcluded).map(({ node }) => node),
      },
    };
  }

  #operand(field: string | null): Operand {
    this.#skipSpace();
    const modifier = this.#modifier();
    if (modifier !== "none") this.#skipSpace();
    const node = this.#clause(field);
    this.#suffixes();
    this.#skipSpace();
    return { node, modifier };
  }

  #modifier(): Modifier {
    if (this.#operator("NOT", "!")) return "not";
    const sign = this.#peek();
    if (sign !== "+" && sign !== "-") return "none";
    this.#at += 1;
    return sign === "+" ? "must" : "exclude";
  }

  #clause(field: string | null): QueryNode {
    const at = this.#at;
    switch (this.#peek()) {
      case "(":
        return this.#parentheses(field);
      case '"':
        return this.#match(field, { type: "text", text: this.#quoted() }, at, at);
      case "/":
        return this.#refuseRegex();
      case "[":
      case "{":
      case ">":
      case "<":
        if (field === null) this.#fail("A range needs a field before it", at);
        return this.#value(field, at);
      default:
        return this.#word(field);
    }
  }

  /** Reads a word, which is a field if a colon comes after it. */
  #word(field: string | null): QueryNode {
    const at = this.#at;
    this.#refuseOperator(OPERANDS);
    this.#refuseSign(OPERANDS);
    const parts = this.#parts(field !== null);
    if (parts.length === 0) this.#unexpected(OPERANDS);
    const end = this.#at;
    this.#skipSpace();
    if (this.#peek() !== ":") {
      this.#at = end;
      const value = valueOf(parts);
      if (field === null && value.type === "exists") return { type: "all", at };
      return this.#match(field, value, at, at);
    }
    const name = this.#fieldName(parts, at);
    this.#at += 1;
    this.#skipSpace();
    const valueAt = this.#at;
    if (name === "_exists_") return this.#exists(at);
    if (name === "*") {
      const value = valueOf(this.#parts(true));
      if (value.type === "exists") return { type: "all", at };
      this.#fail("A field has no wildcards in its name, except in *:*", at);
    }
    if (this.#peek() === "(") return this.#parentheses(name);
    return this.#value(name, at, valueAt);
  }

  #fieldName(parts: readonly PatternPart[], at: number): string {
    const [only] = parts;
    if (parts.length === 1 && only === ANY) return "*";
    if (parts.length === 1 && typeof only === "string") return only;
    return this.#fail("A field has no wildcards in its name, except in *:*", at);
  }

  #exists(at: number): MatchNode {
    const valueAt = this.#at;
    this.#refuseOperator(["the name of a field"]);
    const [name, ...more] = this.#parts(true);
    if (typeof name !== "string" || more.length > 0) {
      this.#fail("_exists_ has no field", valueAt, ["the name of a field"]);
    }
    return this.#match(name, { type: "exists" }, at, valueAt);
  }

  #value(field: string, at: number, valueAt = at): MatchNode {
    switch (this.#peek()) {
      case '"':
        return this.#match(field, { type: "text", text: this.#quoted() }, at, valueAt);
      case "[":
      case "{":
        return this.#match(field, this.#range(), at, valueAt);
      case ">":
      case "<":
        return this.#match(field, this.#comparison(), at, valueAt);
      case "/":
        return this.#refuseRegex();
      default: {
        this.#refuseOperator(VALUES);
        this.#refuseSign(VALUES);
        const parts = this.#parts(true);
        if (parts.length === 0) {
          if (this.#peek() === ":") this.#fail("A field has two colons", this.#at, VALUES);
          this.#unexpected(VALUES);
        }
        if (this.#peek() === ":") {
          this.#fail("A colon within a value must be escaped, or the value quoted", this.#at, [
            String.raw`"\:"`,
          ]);
        }
        return this.#match(field, valueOf(parts), at, valueAt);
      }
    }
  }

  #parentheses(field: string | null): QueryNode {
    const at = this.#at;
    this.#depth += 1;
    if (this.#depth > MAX_QUERY_DEPTH) {
      this.#fail(`Groups are nested deeper than ${MAX_QUERY_DEPTH}`, at);
    }
    this.#at += 1;
    this.#skipSpace();
    if (this.#peek() === ")") this.#fail("A group is empty", this.#at, OPERANDS);
    const node = this.#group(field);
    if (this.#peek() !== ")") this.#fail("A group is not closed", this.#at, ['")"']);
    this.#at += 1;
    this.#depth -= 1;
    return node;
  }

  #range(): QueryValue {
    const lowerInclusive = this.#peek() === "[";
    this.#at += 1;
    this.#skipSpace();
    const lower = this.#bound(lowerInclusive, ["the lower bound", '"*"']);
    if (!this.#operator("TO")) this.#fail("A range has no TO", this.#at, ["TO"]);
    this.#skipSpace();
    const upper = this.#bound(true, ["the upper bound", '"*"']);
    const close = this.#peek();
    if (close !== "]" && close !== "}") {
      this.#fail("A range is not closed", this.#at, ['"]"', '"}"']);
    }
    this.#at += 1;
    if (lower === null && upper === null) return { type: "exists" };
    return { type: "range", lower, upper: upper && { ...upper, inclusive: close === "]" } };
  }

  #bound(inclusive: boolean, expected: readonly string[]): Bound | null {
    const at = this.#at;
    if (this.#peek() === '"') {
      const text = this.#quoted();
      this.#skipSpace();
      return { text, inclusive, at };
    }
    let text = "";
    while (!this.#ended && !ENDS_BOUND.has(this.#peek())) text += this.#character();
    const source = this.#text.slice(at, this.#at);
    if (source === "" || source === "TO") this.#fail("A range lacks a bound", at, expected);
    this.#skipSpace();
    return source === "*" ? null : { text, inclusive, at };
  }

  #comparison(): QueryValue {
    const isLower = this.#peek() === ">";
    this.#at += 1;
    const inclusive = this.#peek() === "=";
    if (inclusive) this.#at += 1;
    this.#skipSpace();
    const at = this.#at;
    const text = this.#peek() === '"' ? this.#quoted() : this.#plainWord(at);
    const bound = { text, inclusive, at };
    return {
      type: "range",
      lower: isLower ? bound : null,
      upper: isLower ? null : bound,
    };
  }

  #plainWord(at: number): string {
    const parts = this.#parts(true);
    const [only] = parts;
    if (parts.length === 0) this.#unexpected(["a number", "a date", "a word"]);
    if (parts.length > 1 || typeof only !== "string") {
      this.#fail("A comparison has no wildcards", at, ["a number", "a date", "a word"]);
    }
    return only;
  }

  /** Reads up to where a word ends, as literal texts and wildcards. */
  #parts(isValue: boolean): PatternPart[] {
    const start = this.#at;
    const parts: PatternPart[] = [];
    let literal = "";
    const flush = (): void => {
      if (literal !== "") parts.push(literal);
      literal = "";
    };
    while (!this.#ended) {
      const next = this.#peek();
      if (next === ":" && this.#isColonOfValue(start, isValue)) {
        literal += next;
        this.#at += 1;
      } else if (ENDS_WORD.has(next)) {
        break;
      } else if (next === "*" || next === "?") {
        flush();
        // Two asterisks say what one says.
        if (next === "?" || parts.at(-1) !== ANY) parts.push(next === "*" ? ANY : ONE);
        this.#at += 1;
      } else {
        literal += this.#character();
      }
    }
    flush();
    return parts;
  }

  /** Whether the colon here is one of `https://…`, or of a time. */
  #isColonOfValue(start: number, isValue: boolean): boolean {
    if (this.#at === start) return false;
    if (this.#text.startsWith("://", this.#at)) return true;
    return isValue && DATE_BEFORE_COLON.test(this.#text.slice(start, this.#at).slice(0, 40));
  }

  /** Reads one character, without the backslash before it. */
  #character(): string {
    const character = this.#peek();
    this.#at += 1;
    if (character !== "\\") return character;
    if (this.#ended) this.#fail("A backslash has nothing to escape", this.#at - 1);
    const escaped = this.#peek();
    this.#at += 1;
    if (escaped !== "u") return escaped;
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[\da-f]{4}$/i.test(digits)) {
      this.#fail(String.raw`\u needs four hexadecimal digits`, this.#at - 2);
    }
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #quoted(): string {
    const at = this.#at;
    this.#at += 1;
    let text = "";
    while (this.#peek() !== '"') {
      if (this.#ended) this.#fail("A phrase is not closed", at, [`'"' at its end`]);
      text += this.#character();
    }
    this.#at += 1;
    return text;
  }

  /** Passes over `^2`, which only matters to an order by relevance, and refuses `~`. */
  #suffixes(): void {
    if (this.#peek() === "~") {
      this.#fail("Searching for similar words, or for words near each other (~), is not supported");
    }
    if (this.#peek() !== "^") return;
    this.#at += 1;
    const number = /^\d+(\.\d+)?(?![^\s)])/.exec(this.#text.slice(this.#at, this.#at + 40))?.[0];
    if (number === undefined) this.#fail("A boost needs a number", this.#at, ["a number"]);
    this.#at += number.length;
  }

  #refuseRegex(): never {
    return this.#fail(
      String.raw`Regular expressions are not supported: use wildcards, or write \/ for a slash`,
    );
  }

  #refuseOperator(expected: readonly string[]): void {
    const operator = /^(?:(?:AND|OR|NOT)(?![^\s\u3000():"])|&&|\|\|)/.exec(
      this.#text.slice(this.#at, this.#at + 4),
    )?.[0];
    if (operator === undefined) return;
    this.#fail(`Operator ${operator} is out of place`, this.#at, expected);
  }

  /** Refuses `+`, `-` and `!` where they are no operators, but for negative numbers. */
  #refuseSign(expected: readonly string[]): void {
    const isSign = /^(?:[+!]|-(?!\d))/.test(this.#text.slice(this.#at, this.#at + 2));
    if (isSign) this.#unexpected(expected);
  }

  /** Whether an operator comes next, which is passed over then. */
  #operator(word: string, symbol?: string): boolean {
    if (symbol !== undefined && this.#text.startsWith(symbol, this.#at)) {
      this.#at += symbol.length;
      return true;
    }
    const after = this.#text[this.#at + word.length] ?? " ";
    if (!this.#text.startsWith(word, this.#at) || !AFTER_OPERATOR.test(after)) return false;
    this.#at += word.length;
    return true;
  }

  #match(field: string | null, value: QueryValue, at: number, valueAt: number): MatchNode {
    this.#clauses += 1;
    if (this.#clauses > MAX_QUERY_CLAUSES) {
      this.#fail(`The query names more than ${MAX_QUERY_CLAUSES} values`, at);
    }
    return { type: "match", at, field, value, valueAt };
  }

  #skipSpace(): void {
    while (!this.#ended && SPACE.test(this.#peek())) this.#at += 1;
  }

  #unexpected(expected: readonly string[] = []): never {
    const what = this.#ended
      ? "The query ends too early"
      : `${described(this.#text, this.#at)} is out of place`;
    return this.#fail(what, this.#at, expected);
  }

  #fail(problem: string, at: number = this.#at, expected: readonly string[] = []): never {
    throw new LuceneError(problem, this.#text, at, expected);
  }

  #combine(items: readonly Item[], at: number): QueryNode {
    if (!this.#spaceIsAnd) return alternatives(items, at);
    // A space is an AND between what OR holds together.
    const groups: Item[][] = [];
    for (const item of items) {
      if (item.afterOr) groups.at(-1)?.push(item);
      else groups.push([item]);
    }
    const single = groups.filter((group) => group.length === 1).flat();
    const excluded = single.filter(({ modifier }) => modifier === "exclude" || modifier === "not");
    return simplified({
      type: "bool",
      at,
      must: groups
        .filter(([first]) => first && !excluded.includes(first))
        .map((group) => alternatives(group, group[0]?.node.at ?? at)),
      should: [],
      mustNot: excluded.map(({ node }) => node),
    });
  }
}

/** Combines clauses of which one is enough, but for those with `+`, `-` or NOT before them. */
function alternatives(items: readonly Item[], at: number): QueryNode {
  const must: QueryNode[] = [];
  const should: QueryNode[] = [];
  const mustNot: QueryNode[] = [];
  for (const [index, { node, modifier, afterOr }] of items.entries()) {
    const isBesideOr = afterOr || items[index + 1]?.afterOr === true;
    if (modifier === "must") must.push(node);
    else if (modifier === "none") should.push(node);
    // "a OR NOT b" is an alternative, where "a NOT b" and "a OR -b" exclude.
    else if (modifier === "not" && isBesideOr) {
      should.push({ type: "bool", at: node.at, must: [], should: [], mustNot: [node] });
    } else mustNot.push(node);
  }
  return simplified({ type: "bool", at, must, should, mustNot });
}

function simplified(node: BoolNode): QueryNode {
  const [first, ...more] = [...node.must, ...node.should];
  return first && more.length === 0 && node.mustNot.length === 0 ? first : node;
}

function valueOf(parts: readonly PatternPart[]): QueryValue {
  const [only] = parts;
  if (parts.length === 1 && only === ANY) return { type: "exists" };
  if (parts.length === 1 && typeof only === "string") return { type: "text", text: only };
  return { type: "pattern", parts };
}

function described(text: string, at: number): string {
  return JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0));
}
