import type { JsonObject } from "@busbar/core/provider";

/** Whether a value is an object of JSON: no array, and not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
