import { nearestName } from "@busbar/core/provider";
import { dateSpan } from "./dates.ts";
import { type Field, PLAIN_MEMBERS, STATES } from "./fields.ts";
import { LuceneError } from "./lucene-error.ts";
import type { Bound, MatchNode, PatternPart, QueryNode, QueryValue } from "./query.ts";
import {
  compareTexts,
  cut,
  decimal,
  folded,
  foldedPattern,
  pathKey,
  patternTest,
  wordsOf,
} from "./text.ts";

/** A query whose fields are known and whose values fit them: what the compilers read. */
export type Condition =
  | { readonly type: "all" }
  | {
      readonly type: "bool";
      readonly must: readonly Condition[];
      readonly should: readonly Condition[];
      readonly mustNot: readonly Condition[];
    }
  | { readonly type: "member"; readonly member: Field["member"]; readonly test: MemberTest }
  | {
      readonly type: "text";
      readonly member: "error" | "response";
      readonly test: LeafTest;
    }
  /** `paths`: any of them; null for all. */
  | {
      readonly type: "payload";
      readonly paths: readonly string[] | null;
      readonly test: LeafTest;
    };

/** Numbers between two bounds. */
export interface Span {
  readonly min: number | null;
  readonly minInclusive: boolean;
  readonly max: number | null;
  readonly maxInclusive: boolean;
}

/** How a member of a record is compared. */
export type MemberTest =
  | { readonly type: "values"; readonly values: readonly (string | number | boolean)[] }
  | { readonly type: "name"; readonly name: string }
  | {
      readonly type: "pattern";
      readonly parts: readonly PatternPart[];
      readonly ignoresCase: boolean;
    }
  | { readonly type: "span"; readonly span: Span }
  | { readonly type: "exists" };

/** How a leaf of a payload is compared. */
export type LeafTest =
  | {
      readonly type: "text";
      readonly whole: string;
      readonly words: readonly string[];
      /** The text as a number, if leaves that are the same number fit as well. */
      readonly number: number | null;
    }
  | { readonly type: "pattern"; readonly parts: readonly PatternPart[] }
  | { readonly type: "span"; readonly span: Span }
  | {
      readonly type: "terms";
      readonly lower: { readonly text: string; readonly inclusive: boolean } | null;
      readonly upper: { readonly text: string; readonly inclusive: boolean } | null;
    }
  /** The leaf itself, or one beneath its path. */
  | { readonly type: "exists" };

/** Which fields a query may name. Payloads are always among them, as `data.…`. */
export type Fields = Readonly<Record<string, Field>>;

/**
 * Checks a query against the fields that there are.
 *
 * @throws {@link LuceneError} for a field that does not exist, and for a value that its field cannot have.
 */
export function bindQuery(node: QueryNode, query: string, fields: Fields): Condition {
  const bind = (each: QueryNode): Condition => {
    if (each.type === "all") return each;
    if (each.type === "match") return new Binding(each, query, fields).condition();
    return {
      type: "bool",
      must: each.must.map(bind),
      should: each.should.map(bind),
      mustNot: each.mustNot.map(bind),
    };
  };
  return bind(node);
}

class Binding {
  readonly #node: MatchNode;
  readonly #query: string;
  readonly #fields: Fields;

  constructor(node: MatchNode, query: string, fields: Fields) {
    this.#node = node;
    this.#query = query;
    this.#fields = fields;
  }

  condition(): Condition {
    const { field: name, value } = this.#node;
    if (name === null) return anywhere(value, this.#fields);
    const paths = payloadPaths(name);
    if (paths !== undefined) return { type: "payload", paths, test: this.#leafTest(value, true) };
    const field = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
    if (!field) return this.#unknownField(name);
    const { member, kind } = field;
    if (value.type === "exists") return { type: "member", member, test: value };
    if (kind === "text" && (member === "error" || member === "response")) {
      if (value.type === "range") this.#fail(`Field ${name} has no ranges`, ["a word", "a phrase"]);
      return { type: "text", member, test: this.#leafTest(value, false) };
    }
    if (kind === "status" && isStatusCode(value)) {
      return { type: "member", member: "statusCode", test: this.#number(name, value, true) };
    }
    return { type: "member", member, test: this.#memberTest(name, field, value) };
  }

  #memberTest(name: string, { kind, member }: Field, value: QueryValue): MemberTest {
    switch (kind) {
      case "number":
        return this.#number(name, value, member === "statusCode");
      case "date":
        return this.#date(name, value);
      case "boolean":
        if (value.type !== "text" || !/^(true|false)$/.test(value.text)) {
          this.#fail(`Field ${name} is true or false`, ["true", "false"]);
        }
        return { type: "values", values: [value.text === "true"] };
      case "status":
        if (value.type === "text" && !STATES.includes(folded(value.text))) {
          this.#fail(`There is no status ${JSON.stringify(value.text)}`, STATES);
        }
        return this.#name(name, value, true);
      default:
        return this.#name(name, value, kind === "name");
    }
  }

  #name(name: string, value: QueryValue, ignoresCase: boolean): MemberTest {
    if (value.type === "text") {
      return ignoresCase
        ? { type: "name", name: folded(value.text) }
        : { type: "values", values: [value.text] };
    }
    if (value.type !== "pattern") this.#fail(`Field ${name} has no ranges`, ["a word", "a phrase"]);
    const parts = ignoresCase ? foldedPattern(value.parts) : value.parts;
    return { type: "pattern", parts, ignoresCase };
  }

  #number(name: string, value: QueryValue, isStatus: boolean): MemberTest {
    if (value.type === "text") {
      return { type: "values", values: [this.#asNumber(name, value.text, this.#node.valueAt)] };
    }
    if (value.type === "range") {
      const bound = (each: Bound | null): number | null =>
        each && this.#asNumber(name, each.text, each.at);
      return { type: "span", span: spanOf(value, bound, bound) };
    }
    if (value.type !== "pattern" || !isStatus) {
      this.#fail(`Field ${name} is a number`, ["a number", "a range"]);
    }
    const fits = patternTest(value.parts);
    const codes = Array.from({ length: 500 }, (_, index) => index + 100);
    return { type: "values", values: codes.filter((code) => fits(String(code))) };
  }

  #asNumber(name: string, text: string, at: number): number {
    const number = decimal(text);
    if (number === undefined) this.#fail(`Field ${name} is a number`, ["a number"], at);
    return number;
  }

  #date(name: string, value: QueryValue): MemberTest {
    if (value.type === "text") {
      const { from, to } = this.#asDate(name, value.text, this.#node.valueAt);
      const span = { min: from, minInclusive: true, max: to, maxInclusive: false };
      return { type: "span", span };
    }
    if (value.type !== "range") {
      this.#fail(`Field ${name} is a date`, DATES);
    }
    const dates = (bound: Bound): { from: number; to: number } =>
      this.#asDate(name, bound.text, bound.at);
    return { type: "span", span: dateRange(value, dates) };
  }

  #asDate(name: string, text: string, at: number): { from: number; to: number } {
    const span = dateSpan(text);
    if (!span) this.#fail(`Field ${name} is a date`, DATES, at);
    return span;
  }

  #leafTest(value: QueryValue, hasNumbers: boolean): LeafTest {
    switch (value.type) {
      case "exists":
        return value;
      case "text":
        return leafText(value.text, hasNumbers);
      case "pattern":
        return { type: "pattern", parts: foldedPattern(value.parts) };
      case "range":
        return this.#leafRange(value);
    }
  }

  /** Reads a range of numbers if its bounds are numbers, one of dates if they are dates, and otherwise one of words. */
  #leafRange(value: QueryValue & { type: "range" }): LeafTest {
    const bounds = [value.lower, value.upper].filter((each) => each !== null);
    if (bounds.every(({ text }) => decimal(text) !== undefined)) {
      const number = (each: Bound | null): number | null => each && (decimal(each.text) ?? null);
      return { type: "span", span: spanOf(value, number, number) };
    }
    if (bounds.every(({ text }) => dateSpan(text) !== undefined)) {
      const dates = ({ text }: Bound): { from: number; to: number } =>
        dateSpan(text) ?? { from: 0, to: 0 };
      return { type: "span", span: dateRange(value, dates) };
    }
    const term = (each: Bound | null): { text: string; inclusive: boolean } | null =>
      each && { text: cut(folded(each.text)), inclusive: each.inclusive };
    return { type: "terms", lower: term(value.lower), upper: term(value.upper) };
  }

  #unknownField(name: string): never {
    const known = [...Object.keys(this.#fields), "data", "_exists_"];
    const nearest = nearestName(name, known);
    return this.#fail(
      `There is no field ${JSON.stringify(name)}`,
      nearest === undefined ? [...known.slice(0, -2), "data.…"] : [nearest],
      this.#node.at,
    );
  }

  #fail(problem: string, expected: readonly string[], at: number = this.#node.valueAt): never {
    throw new LuceneError(problem, this.#query, at, expected);
  }
}

const DATES = ["a date such as 2024-01-31", '"2024-01-31 10:00:00"'];

/**
 * What a value without a field means: it may be in any of several. Patterns do not look into ids, and those that begin
 * with a wildcard only into names: nothing else could be found by them in a short time.
 */
function anywhere(value: QueryValue, fields: Fields): Condition {
  if (value.type !== "text" && value.type !== "pattern") return { type: "all" };
  const isPattern = value.type === "pattern";
  const known = new Map(Object.values(fields).map(({ member, kind }) => [member, kind]));
  const members = PLAIN_MEMBERS.flatMap((member): Condition[] => {
    const kind = known.get(member);
    if (kind === undefined || (isPattern && kind === "id")) return [];
    return [{ type: "member", member, test: plainTest(value, kind) }];
  });
  const test: LeafTest = isPattern
    ? { type: "pattern", parts: foldedPattern(value.parts) }
    : leafText(value.text, false);
  const texts = (["error", "response"] as const)
    .filter((member) => known.has(member))
    .map((member): Condition => ({ type: "text", member, test }));
  const isOfNames = isPattern && typeof value.parts[0] !== "string";
  return {
    type: "bool",
    must: [],
    should: isOfNames ? members : [...members, { type: "payload", paths: null, test }, ...texts],
    mustNot: [],
  };
}

function plainTest(
  value: QueryValue & { type: "text" | "pattern" },
  kind: Field["kind"],
): MemberTest {
  if (value.type === "pattern") {
    return { type: "pattern", parts: foldedPattern(value.parts), ignoresCase: true };
  }
  return kind === "id"
    ? { type: "values", values: [value.text] }
    : { type: "name", name: folded(value.text) };
}

function leafText(text: string, hasNumbers: boolean): LeafTest {
  const whole = folded(text);
  return {
    type: "text",
    whole: cut(whole),
    words: wordsOf(whole),
    number: hasNumbers ? (decimal(text) ?? null) : null,
  };
}

/** The paths in payloads that a field may mean: `data.data.x` is `x`, as in Mage-OS, and `data.x`. */
function payloadPaths(field: string): readonly string[] | null | undefined {
  if (field === "data") return null;
  if (!field.startsWith("data.") || field.length === 5) return undefined;
  const path = field.slice(5);
  const paths = path.startsWith("data.") && path.length > 5 ? [path, path.slice(5)] : [path];
  return paths.map(pathKey);
}

function isStatusCode(value: QueryValue): boolean {
  if (value.type === "range") return true;
  const start = value.type === "text" ? value.text : value.type === "pattern" ? value.parts[0] : "";
  return typeof start === "string" && /^\d/.test(start);
}

function spanOf(
  { lower, upper }: QueryValue & { type: "range" },
  min: (bound: Bound | null) => number | null,
  max: (bound: Bound | null) => number | null,
): Span {
  return {
    min: min(lower),
    minInclusive: lower?.inclusive ?? true,
    max: max(upper),
    maxInclusive: upper?.inclusive ?? true,
  };
}

/** A date without a time is the whole day: its end counts where the bound belongs to the range. */
function dateRange(
  { lower, upper }: QueryValue & { type: "range" },
  dates: (bound: Bound) => { from: number; to: number },
): Span {
  const low = lower && dates(lower);
  const high = upper && dates(upper);
  return {
    min: low && (lower?.inclusive ? low.from : low.to),
    minInclusive: true,
    max: high && (upper?.inclusive ? high.to : high.from),
    maxInclusive: false,
  };
}

/** Whether a query asks for any of several members. */
export function usesMember(
  condition: Condition,
  members: readonly (Field["member"] | "payload")[],
): boolean {
  switch (condition.type) {
    case "all":
      return false;
    case "bool":
      return [...condition.must, ...condition.should, ...condition.mustNot].some((each) =>
        usesMember(each, members),
      );
    case "payload":
      return members.includes("payload");
    default:
      return members.includes(condition.member);
  }
}

/** Whether a number is within a span. */
export function isWithin(number: number, span: Span): boolean {
  const { min, max, minInclusive, maxInclusive } = span;
  if (min !== null && (minInclusive ? number < min : number <= min)) return false;
  return max === null || (maxInclusive ? number <= max : number < max);
}

/** Whether a term is within a range of terms. */
export function isBetween(term: string, { lower, upper }: LeafTest & { type: "terms" }): boolean {
  if (lower) {
    const order = compareTexts(term, lower.text);
    if (lower.inclusive ? order < 0 : order <= 0) return false;
  }
  if (!upper) return true;
  const order = compareTexts(term, upper.text);
  return upper.inclusive ? order <= 0 : order < 0;
}
