import type { BusbarConfig } from "@busbar/core";
import type { JsonSchema } from "./json-schema.ts";

/** An event of the catalogue, as commands show it. */
export interface DescribedEvent {
  readonly name: string;
  /** The JSON Schema of what is emitted. Undefined if the library of the schema cannot make one. */
  readonly schema?: JsonSchema | undefined;
  readonly description?: string | undefined;
  readonly examples?: readonly unknown[] | undefined;
}

/** Describes the events of the catalogue, in the order of their names. */
export function describeCatalogue({ events }: BusbarConfig): readonly DescribedEvent[] {
  return Object.entries(events?.schemas ?? {})
    .map(([name, schema]) => ({ name, schema: schemaOf(schema["~standard"]) }))
    .toSorted((first, second) => (first.name < second.name ? -1 : 1));
}

function schemaOf(standard: object): JsonSchema | undefined {
  const { jsonSchema } = standard as {
    jsonSchema?: { input(options: { target: string }): JsonSchema };
  };
  try {
    return jsonSchema?.input({ target: "draft-2020-12" });
  } catch {
    return undefined;
  }
}
