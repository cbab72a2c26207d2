import type { JsonObject, JsonValue } from "@busbar/core/provider";
import { compareTexts, decimal } from "../search/text.ts";

/** What a condition may ask of a value. */
export const OPERATORS: readonly string[] = [
  "$eq",
  "$neq",
  "$gt",
  "$gte",
  "$lt",
  "$lte",
  "$in",
  "$nin",
  "$startsWith",
  "$endsWith",
  "$exist",
  "$and",
  "$or",
  "$not",
];

/** How deep arrays within arrays are looked into. */
const MAX_DEPTH = 20;

/**
 * Returns the value at a path of names with dots between them. A member of the whole name goes before one of its parts.
 * Of arrays it is that of each member, as an array.
 */
export function valuesAt(value: JsonValue | undefined, path: string): JsonValue | undefined {
  return at(value, path, MAX_DEPTH);
}

function at(value: JsonValue | undefined, path: string, depth: number): JsonValue | undefined {
  if (typeof value !== "object" || value === null || depth === 0) return undefined;
  if (Array.isArray(value)) {
    const found = (value as readonly JsonValue[])
      .map((each) => at(each, path, depth - 1))
      .filter((each) => each !== undefined);
    return found.length === 0 ? undefined : found;
  }
  const members = value as JsonObject;
  if (Object.hasOwn(members, path)) return members[path];
  const dot = path.indexOf(".");
  if (dot === -1) return undefined;
  const name = path.slice(0, dot);
  return Object.hasOwn(members, name) ? at(members[name], path.slice(dot + 1), depth) : undefined;
}

/** Whether two values are the same. A text that is a decimal number is the same as that number. */
export function isEqual(value: JsonValue | undefined, operand: JsonValue | undefined): boolean {
  if (value === operand) return true;
  if (typeof operand === "number" && typeof value === "string") return decimal(value) === operand;
  if (typeof value !== "object" || typeof operand !== "object") return false;
  if (value === null || operand === null) return false;
  if (Array.isArray(value) || Array.isArray(operand)) {
    return (
      Array.isArray(value) &&
      Array.isArray(operand) &&
      value.length === operand.length &&
      value.every((each: JsonValue, index) => isEqual(each, operand[index] as JsonValue))
    );
  }
  const [a, b] = [value as JsonObject, operand as JsonObject];
  const names = Object.keys(b);
  return (
    Object.keys(a).length === names.length &&
    names.every((name) => Object.hasOwn(a, name) && isEqual(a[name], b[name]))
  );
}

/** Below 0 if a value is less than the operand, undefined if they do not compare: a text with a number, say. */
export function compareValues(value: JsonValue, operand: JsonValue): number | undefined {
  if (typeof operand === "number") {
    const number = typeof value === "string" ? decimal(value) : value;
    return typeof number === "number" ? number - operand : undefined;
  }
  return typeof value === "string" && typeof operand === "string"
    ? compareTexts(value, operand)
    : undefined;
}

/** Whether an operator accepts the order of value and operand. */
export function isOrdered(
  operator: "$gt" | "$gte" | "$lt" | "$lte",
  order: number | undefined,
): boolean {
  if (order === undefined) return false;
  switch (operator) {
    case "$gt":
      return order > 0;
    case "$gte":
      return order >= 0;
    case "$lt":
      return order < 0;
    case "$lte":
      return order <= 0;
  }
}
