import type { JsonObject, JsonValue } from "@busbar/core/provider";

/** The JSON object that a column holds. Undefined if the column holds something else. */
export function objectIn(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
