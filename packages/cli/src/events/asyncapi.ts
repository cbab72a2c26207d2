import type { DescribedEvent } from "@busbar/core";
import { isObject, type JsonSchema } from "./json-schema.ts";

/** What a document says of the application. */
export interface AsyncApiInfo {
  /** The name of the application. */
  readonly title: string;
  /** The version of the application. */
  readonly version: string;
}

/**
 * Describes the events of a catalogue as AsyncAPI 3.0: one channel, one message and one operation for each event. The
 * application sends them.
 */
export function asyncApiOf(events: readonly DescribedEvent[], info: AsyncApiInfo): object {
  const keyed = withKeys(events);
  const each = (make: (event: DescribedEvent, key: string) => object): object =>
    Object.fromEntries(keyed.map(([key, event]) => [key, make(event, key)]));
  return {
    asyncapi: "3.0.0",
    info,
    defaultContentType: "application/json",
    channels: each(({ name }, key) => ({
      address: name,
      messages: { [key]: { $ref: `#/components/messages/${key}` } },
    })),
    operations: each((_, key) => ({
      action: "send",
      channel: { $ref: `#/channels/${key}` },
      messages: [{ $ref: `#/channels/${key}/messages/${key}` }],
    })),
    components: {
      messages: each(({ name, description, examples = [] }, key) => ({
        name,
        ...(description !== undefined && { description }),
        payload: { $ref: `#/components/schemas/${key}` },
        ...(examples.length > 0 && { examples: examples.map((payload) => ({ payload })) }),
      })),
      schemas: each(({ schema = true }, key) =>
        schemaWithin(schema, `#/components/schemas/${key}`),
      ),
    },
  };
}

/** Keys of components may have letters, digits, dots, hyphens and underscores only. */
function withKeys(events: readonly DescribedEvent[]): readonly [string, DescribedEvent][] {
  const taken = new Set<string>();
  return events.map((event) => {
    const plain = event.name.replaceAll(/[^\w.-]/g, "_");
    let key = plain;
    for (let count = 2; taken.has(key); count += 1) key = `${plain}_${count}`;
    taken.add(key);
    return [key, event];
  });
}

/** A schema as a part of a document: its references lead to where it is now. */
function schemaWithin(schema: JsonSchema, place: string): object {
  if (typeof schema === "boolean") return schema ? {} : { not: {} };
  const { $schema: _, ...rest } = schema;
  return moved(rest, place) as object;
}

function moved(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((each) => moved(each, place));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) =>
      key === "$ref" && typeof each === "string" && each.startsWith("#")
        ? [key, `${place}${each.slice(1)}`]
        : [key, moved(each, place)],
    ),
  );
}
