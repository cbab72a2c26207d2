import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Issue } from "../contract/issue.ts";
import { cut } from "../errors/quoted.ts";

/** Issues of one payload, and characters of each, that are kept. */
const KEPT_ISSUES = 50;
const KEPT_CHARACTERS = 1_000;

/** Whether a value is a schema of any library that follows Standard Schema, version 1. */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  // The schemas of some libraries are functions.
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  if (!("~standard" in value)) return false;
  const standard = value["~standard"];
  return (
    typeof standard === "object" &&
    standard !== null &&
    "version" in standard &&
    standard.version === 1 &&
    "validate" in standard &&
    typeof standard.validate === "function"
  );
}

/** Whether a schema answers later: by a promise, maybe one of another realm. */
export function isPromiseLike<T extends object>(answer: T | Promise<T>): answer is Promise<T> {
  return "then" in answer;
}

/**
 * The issues of a schema in the form that errors have, with paths such as `items[0].sku`. Some libraries quote
 * the value that was received: the values of `data` are taken out.
 */
export function toIssues(
  issues: readonly StandardSchemaV1.Issue[],
  data: unknown,
): readonly Issue[] {
  return issues.slice(0, KEPT_ISSUES).map(({ path, message }) => ({
    path: formatPath(path ?? []),
    reason: withoutValues(cut(message, KEPT_CHARACTERS), data),
  }));
}

function formatPath(path: NonNullable<StandardSchemaV1.Issue["path"]>): string {
  let formatted = "";
  for (const segment of path) {
    const key = typeof segment === "object" ? segment.key : segment;
    if (typeof key === "string" && /^[\p{ID_Start}$_][\p{ID_Continue}$-]*$/u.test(key)) {
      formatted += formatted === "" ? key : `.${key}`;
    } else {
      formatted += typeof key === "string" ? `[${JSON.stringify(key)}]` : `[${String(key)}]`;
    }
  }
  return formatted;
}

/** Values of a payload that are looked for in a text. */
const MOST_VALUES = 10_000;
const MOST_LEVELS = 500;
/** Shorter text is part of many words, and is looked for between quotes only. */
const SHORT_CHARACTERS = 4;

/**
 * Takes the values of some data out of a text about that data, such as a message of a schema: `received
 * "4111…"` becomes `received …`. Names of members stay.
 */
export function withoutValues(text: string, data: unknown): string {
  const values = new Set<string>();
  collect(data, values, 0);
  // The longest first: a shorter one may be part of it, and would leave the rest.
  const found = [...values]
    .filter((value) => text.includes(value))
    .toSorted((a, b) => b.length - a.length);
  let result = text;
  for (const value of found) result = without(result, value);
  return result;
}

function without(text: string, value: string): string {
  const between = text
    .replaceAll(`"${value}"`, () => "…")
    .replaceAll(`'${value}'`, () => "…")
    .replaceAll(`\`${value}\``, () => "…");
  if (value.length >= SHORT_CHARACTERS) return between.replaceAll(value, () => "…");
  const escaped = value.replaceAll(/[^\p{L}\p{N}]/gu, (character) => `\\${character}`);
  return between.replaceAll(
    new RegExp(`\\b(received|got|was)\\s+${escaped}(?![\\w.])`, "g"),
    "$1 …",
  );
}

/** Text and numbers, as they are and as JSON writes them. */
function collect(value: unknown, values: Set<string>, level: number): void {
  if (values.size >= MOST_VALUES || level > MOST_LEVELS) return;
  if (typeof value === "string" && value !== "") {
    values.add(value);
    values.add(JSON.stringify(value).slice(1, -1));
  }
  if (typeof value === "number" || typeof value === "bigint") values.add(String(value));
  if (typeof value !== "object" || value === null) return;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (const member of members) {
    if (values.size >= MOST_VALUES) return;
    collect(member, values, level + 1);
  }
}
