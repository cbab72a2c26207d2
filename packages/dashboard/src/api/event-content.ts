import type { Event } from "@busbar/core";
import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { EventContent } from "../contract/api.ts";

/** An event as JSON: its times are texts. */
export function eventContent({ id, name, data, metadata }: Event): EventContent {
  return { id, name, data: asJson(data), metadata: asJson(metadata) as JsonObject };
}

function asJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value ?? null)) as JsonValue;
}
