import type { JsonObject, JsonValue } from "@busbar/core/provider";
import { isJsonObject } from "../contract/json-object.ts";

/** Applies a merge patch of RFC 7396 to an object. */
export function mergePatch(target: JsonValue | undefined, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(isJsonObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, isJsonObject(value) ? mergePatch(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}
