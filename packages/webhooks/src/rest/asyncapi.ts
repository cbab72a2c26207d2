import type { JsonObject } from "@busbar/core/provider";
import type { CatalogueEntry } from "../contract/async-event.ts";

/** The version of the description. It moves when a receiver has to change. */
const VERSION = "1.0.0";

/**
 * Describes the events as AsyncAPI 3.0, as subscriptions with the default format get them. Each event is a channel; where
 * it leads to is said by each subscription.
 */
export function asyncApiDocument(entries: readonly CatalogueEntry[]): JsonObject {
  const channels = entries.map(({ name }): [string, JsonObject] => [
    name,
    { address: null, messages: { event: { $ref: `#/components/messages/${name}` } } },
  ]);
  const operations = entries.map(({ name }): [string, JsonObject] => [
    name,
    { action: "send", channel: { $ref: `#/channels/${name}` } },
  ]);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Events",
      version: VERSION,
      description: "Deliveries are signed as Standard Webhooks says.",
    },
    defaultContentType: "application/json",
    channels: Object.fromEntries(channels),
    operations: Object.fromEntries(operations),
    components: {
      messages: Object.fromEntries(entries.map((entry) => [entry.name, messageOf(entry)])),
    },
  };
}

function messageOf({ name, description, schema, example, deprecated }: CatalogueEntry): JsonObject {
  const { $schema: _, ...own } = schema ?? {};
  const place = `#/components/messages/${name}/payload/properties/data`;
  const data = movedTo(place, own) as JsonObject;
  return {
    name,
    ...(description !== null && { summary: description }),
    ...(deprecated && { tags: [{ name: "deprecated" }] }),
    headers: {
      type: "object",
      required: ["webhook-id", "webhook-timestamp", "webhook-signature"],
      properties: {
        "webhook-id": { type: "string", description: "The same over all attempts." },
        "webhook-timestamp": { type: "string", description: "When the attempt began: Unix time." },
        "webhook-signature": { type: "string" },
      },
    },
    payload: {
      type: "object",
      required: ["type", "timestamp", "data"],
      properties: {
        type: { const: name },
        timestamp: {
          type: "string",
          format: "date-time",
          description: "When the event was emitted.",
        },
        data,
      },
    },
    ...(example !== null && {
      examples: [{ payload: { type: name, timestamp: "2026-01-01T12:00:00.000Z", data: example } }],
    }),
  };
}

/** A schema as a part of a document: references within the schema lead to where it is now. */
function movedTo(place: string, schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((each) => movedTo(place, each));
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      const isReference = key === "$ref" && typeof value === "string" && value.startsWith("#");
      return [key, isReference ? `${place}${value.slice(1)}` : movedTo(place, value)];
    }),
  );
}
