import { isOwn } from "./json.ts";
import { nearestName } from "./nearest-name.ts";
import { quoted } from "../errors/quoted.ts";
import { ILL_FORMED } from "./text-issue.ts";

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

export function checkMilliseconds(value: unknown): string | undefined {
  return typeof value === "number" && value >= 0 ? undefined : "must be milliseconds from 0";
}
