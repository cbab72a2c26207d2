import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Issue } from "../contract/issue.ts";
import { cut } from "../errors/quoted.ts";
import { withoutValues } from "../values/without-values.ts";

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
