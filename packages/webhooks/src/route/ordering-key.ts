import type { JsonValue } from "@busbar/core/provider";

/**
 * The value at a path of a payload, such as `order.id` or `lines.0.sku`, as text. Null if there is none, or if it is an
 * object, an array, or text that no column takes.
 */
export function valueAt(payload: JsonValue, path: string): string | null {
  let value: unknown = payload;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && isKey(value) ? value : null;
}

/** Characters that an ordering key may have. */
const LONGEST_KEY = 1_000;

function isKey(text: string): boolean {
  return text !== "" && text.length <= LONGEST_KEY && !text.includes("\0") && text.isWellFormed();
}
