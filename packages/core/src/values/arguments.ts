import type { StandardSchemaV1 } from "@standard-schema/spec";
import { isOwn } from "./json.ts";
import { quoted } from "../errors/quoted.ts";

/** What is wrong with a value, if anything: what it must be, as it follows the name of the option. */
export type Check = (value: unknown) => string | undefined;

/** Something that is wrong with options. */
export interface OptionIssue {
  /** The names on the way to the option. Empty for the options as a whole. */
  readonly path: readonly string[];
  /** What the option must be, as it follows its name. */
  readonly reason: string;
  /** For an option that does not exist: the nearest one that does, or all of them. */
  readonly hint?: string | undefined;
}

/** A {@link Check}, or the checks of options within an option, as {@link optionsWithin} makes them. */
export type OptionCheck = (value: unknown) => string | readonly OptionIssue[] | undefined;

/** A check for each member of some options. An option that is `undefined` counts as not given. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: OptionCheck };

/**
 * Checks the options of a call: a misspelt one would be ignored without a word.
 *
 * @param call The call, as its error names it; a function where it takes long to say.
 * @param needs What the call needs, and an example of each: `{ store: "such as pgStore({ pool })" }`.
 * @throws TypeError that names the call, the option, and the one that was most likely meant.
 *
 * @example
 * ```ts
 * assertOptions("natsProvider()", options, { url: checks.text, maxPending: checks.wholeFrom(1) });
 * ```
 */
export function assertOptions<Options extends object>(
  call: string | (() => string),
  options: Options | undefined,
  its: Checks<Options>,
  needs?: { readonly [Name in keyof Options]?: string },
): void {
  const [issue] = optionIssues(needs ? (options ?? {}) : options, its);
  if (issue) throw optionError(typeof call === "string" ? call : call(), issue);
  for (const name in needs) {
    if (options?.[name] !== undefined) continue;
    throw new TypeError(
      `${typeof call === "string" ? call : call()} needs the option ${name}, ${needs[name]}`,
    );
  }
}

/**
 * Everything that is wrong with options, in their order.
 *
 * @param explain Says why an option that is not among the checks cannot be given, if there is a reason.
 */
export function optionIssues(
  options: unknown,
  its: Readonly<Record<string, OptionCheck>>,
  explain?: (name: string) => string | undefined,
): readonly OptionIssue[] {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    return [{ path: [], reason: `must be an object, not ${describe(options)}` }];
  }
  const issues: OptionIssue[] = [];
  // Quick, as runs of workflows come by.
  for (const name in options) {
    if (!isOwn(options, name)) continue;
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (!isOwn(its, name)) {
      const why = explain?.(name);
      const hint = why === undefined ? didYouMean(name, Object.keys(its)) : undefined;
      issues.push({ path: [name], reason: why ?? `unknown key${hint}`, hint });
      continue;
    }
    const found = value === undefined ? undefined : its[name]!(value);
    if (typeof found === "string") issues.push({ path: [name], reason: found });
    else for (const it of found ?? []) issues.push({ ...it, path: [name, ...it.path] });
  }
  return issues;
}

/** The check of an option that has options of its own. */
export function optionsWithin<Options extends object>(
  its: Checks<Options>,
  explain?: (name: string) => string | undefined,
): OptionCheck {
  return (value) => optionIssues(value, its, explain);
}

/** The error of a call for something that is wrong with its options. */
export function optionError(call: string, { path, reason, hint }: OptionIssue): TypeError {
  if (path.length === 0) return new TypeError(`${call}: its options ${reason}`);
  const name = path.join(".");
  return new TypeError(
    hint === undefined
      ? `${call}: option ${name} ${reason}`
      : `${call} has no option ${quoted(name)}${hint}`,
  );
}

/**
 * Makes a Standard Schema of checks, for the options of a provider in a configuration.
 *
 * @param find Returns what is wrong with options, such as {@link optionIssues} does.
 *
 * @example
 * ```ts
 * defineEventModule({
 *   name: "busbar-nats",
 *   options: createOptionsSchema<NatsOptions>((options) => optionIssues(options, natsChecks)),
 *   provider: natsProvider,
 * });
 * ```
 */
export function createOptionsSchema<Options extends object>(
  find: (options: unknown) => readonly OptionIssue[],
): StandardSchemaV1<unknown, Options> {
  return {
    "~standard": {
      version: 1,
      vendor: "busbar",
      validate(value = {}) {
        const issues = find(value).map(({ path, reason }) => ({ path, message: reason }));
        return issues.length > 0 ? { issues } : { value: value as Options };
      },
    },
  };
}

/** Says what a value is, for error messages, without showing what is in it. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : typeof value;
}

/** `, did you mean "…"?` when one of the known names is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? `; known are ${known.join(", ")}` : `, did you mean "${nearest}"?`;
}

/** @throws TypeError when an argument is not text that could name something. */
export function assertText(call: string, argument: string, value: unknown): void {
  const reason = checkText(value);
  if (reason !== undefined) throw new TypeError(`${call}: ${argument} ${reason}`);
}

/** @throws TypeError when an argument is not a list of such text. */
export function assertTexts(call: string, argument: string, value: unknown): void {
  const reason = checkTexts(value);
  if (reason !== undefined) throw new TypeError(`${call}: ${argument} ${reason}`);
}

/** Well-formed text that is not empty. */
export function checkText(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return "must be a string that is not empty";
  return value.isWellFormed() ? undefined : ILL_FORMED;
}

export function checkTexts(value: unknown): string | undefined {
  if (!Array.isArray(value)) return "must be an array of strings";
  return value.map(checkText).find((reason) => reason !== undefined);
}

export function oneOf(...values: readonly string[]): Check {
  return (value) =>
    values.includes(value as string)
      ? undefined
      : `must be ${alternatives(values.map((it) => JSON.stringify(it)))}`;
}

/** `a, b or c`. */
function alternatives(texts: readonly string[]): string {
  return [texts.slice(0, -1).join(", "), ...texts.slice(-1)].filter((it) => it !== "").join(" or ");
}

export function checkBoolean(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "must be true or false";
}

/** A limit of time, which may be Infinity: none. */
export function checkTimeLimit(value: unknown): string | undefined {
  return typeof value === "number" && value >= 0 ? undefined : "must be milliseconds from 0";
}

export function checkMilliseconds(value: unknown): string | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0
    ? undefined
    : "must be a number of milliseconds from 0";
}

export function checkFunction(value: unknown): string | undefined {
  return typeof value === "function" ? undefined : "must be a function";
}

export function checkObject(value: unknown): string | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? undefined : "must be an object";
}

export function wholeFrom(least: number): Check {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least
      ? undefined
      : `must be a whole number from ${least}`;
}

export function checkPositive(value: unknown): string | undefined {
  return Number.isFinite(value) && (value as number) > 0 ? undefined : "must be a number above 0";
}

/** Takes every value: it is checked elsewhere, or is the caller's own. */
export function anything(): undefined {
  return undefined;
}

/** Checks of values that options often have. */
export const checks: {
  /** A string that is not empty. */
  readonly text: Check;
  /** An array of strings that are not empty. */
  readonly texts: Check;
  /** `true` or `false`. */
  readonly boolean: Check;
  /** A number of milliseconds from 0. */
  readonly milliseconds: Check;
  /** A finite number above 0. */
  readonly positive: Check;
  /** A function. */
  readonly function: Check;
  /** An object that is no array. */
  readonly object: Check;
  /** Any value. */
  readonly anything: Check;
  /** A whole number that is not below another. */
  readonly wholeFrom: (least: number) => Check;
  /** One of several strings. */
  readonly oneOf: (...values: readonly string[]) => Check;
} = {
  text: checkText,
  texts: checkTexts,
  boolean: checkBoolean,
  milliseconds: checkMilliseconds,
  positive: checkPositive,
  function: checkFunction,
  object: checkObject,
  anything,
  wholeFrom,
  oneOf,
};

/** Why text is refused that has half of a surrogate pair: it is no character, and stores refuse or change it. */
export const ILL_FORMED = "must be well-formed, without half of a surrogate pair";

/** What is wrong with what should be a string of 1 to `maxLength` characters, if anything. */
export function textIssue(value: unknown, maxLength: number): string | undefined {
  if (typeof value !== "string" || value.length < 1 || value.length > maxLength) {
    return `must be a string of 1 to ${maxLength} characters`;
  }
  return value.isWellFormed() ? undefined : ILL_FORMED;
}

/** `, did you mean "…"?` when one of the known names is near, and otherwise nothing: there may be many. */
export function nearestHint(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? "" : `, did you mean ${quoted(nearest)}?`;
}

/** The name that a mistyped one most likely stands for; undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  // A third of the letters may differ, and two in a short name.
  let limit = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < Math.min(limit, candidate.length)) {
      nearest = candidate;
      limit = distance;
    }
  }
  return nearest ?? onlyNameWith(name, known);
}

/** The only known name that has a name within it, such as `redisUrl` for `url`, or that is within it. */
function onlyNameWith(name: string, known: readonly string[]): string | undefined {
  const word = name.toLowerCase();
  if (word.length < 2) return undefined;
  const [first, ...others] = known.filter((candidate) => {
    const other = candidate.toLowerCase();
    return other.includes(word) || (other.length >= 4 && word.includes(other));
  });
  return others.length > 0 ? undefined : first;
}

/**
 * The reason for a key that does not exist, with the nearest one that does: for anyone who checks options.
 */
export function unknownKeyReason(key: string, known: readonly string[]): string {
  return `unknown key${didYouMean(key, known)}`;
}

/** Levenshtein's distance: how many letters to insert, delete or replace. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
