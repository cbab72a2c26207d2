import { isOwn } from "./json.ts";
import { quoted } from "../errors/quoted.ts";

/** What is wrong with a value, if anything. */
export type Check = (value: unknown) => string | undefined;

/** A check for each member of some options. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: Check };

/**
 * Checks the options of a call: a misspelt one would be ignored without a word.
 *
 * @param call The call, as its error names it; a function where it takes long to say.
 * @throws TypeError that names the call, the option, and the one that was most likely meant.
 */
export function assertOptions<Options extends object>(
  call: string | (() => string),
  options: Options,
  checks: Checks<Options>,
): void {
  const issue = optionsIssue(options, checks);
  if (issue !== undefined) {
    throw new TypeError(`${typeof call === "string" ? call : call()}${issue}`);
  }
}

/** What is wrong with some options, as it follows the name of the call. */
function optionsIssue<Options extends object>(
  options: Options,
  checks: Checks<Options>,
): string | undefined {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    return " takes its options as an object";
  }
  for (const name in options) {
    if (!isOwn(options, name)) continue;
    if (!isOwn(checks, name)) {
      return ` has no option ${quoted(name)}${didYouMean(name, Object.keys(checks))}`;
    }
    const value: unknown = options[name];
    const reason = value === undefined ? undefined : checks[name](value);
    if (reason !== undefined) return `: option ${name} ${reason}`;
  }
  return undefined;
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
      : `must be ${values.map((it) => JSON.stringify(it)).join(" or ")}`;
}

export function checkBoolean(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "must be true or false";
}

/** A limit of time, which may be Infinity: none. */
export function checkTimeLimit(value: unknown): string | undefined {
  return typeof value === "number" && value >= 0 ? undefined : "must be milliseconds from 0";
}

/** Why text is refused that has half of a surrogate pair: it is no character, and stores refuse or change it. */
export const ILL_FORMED = "must be well-formed, without half of a surrogate pair";

/** What is wrong with what should be a string of 1 to `maxLength` characters, if anything. */
export function textIssue(value: unknown, maxLength: number): string | undefined {
  if (typeof value !== "string" || value.length < 1 || value.length > maxLength) {
    return `must be a string of 1 to ${maxLength} characters`;
  }
  return value.isWellFormed() ? undefined : ILL_FORMED;
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
  return nearest;
}

/**
 * The reason for a key that does not exist, with the nearest one that does: for whoever checks options.
 */
export function unknownKeyReason(key: string, known: readonly string[]): string {
  const nearest = nearestName(key, known);
  return nearest === undefined
    ? `unknown key; known are ${known.join(", ")}`
    : `unknown key, did you mean "${nearest}"?`;
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
