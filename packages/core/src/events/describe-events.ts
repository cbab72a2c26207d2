// With a name of its own: the banner that bundles of CommonJS packages need declares `createRequire`.
import { createRequire as requireFor } from "node:module";
import { join } from "node:path";
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import type { EventCatalogue } from "../contract/catalogue.ts";
import type { JsonObject, JsonValue } from "../contract/json.ts";

const TARGET = "draft-2020-12";

/** An event of a catalogue, in a form that people and tools can read. */
export interface DescribedEvent {
  /** The name of the event. */
  readonly name: string;
  /** The description of the schema. */
  readonly description?: string | undefined;
  /**
   * The schema of the data that is emitted, as JSON Schema of draft 2020-12. Absent if the library of the schema makes
   * no JSON Schema of it.
   */
  readonly schema?: JsonObject | undefined;
  /** The examples of the schema. */
  readonly examples?: readonly JsonValue[] | undefined;
}

/**
 * Describes the events of a catalogue, in the order of their names. The schemas are described by their own libraries:
 * by Standard JSON Schema (zod and arktype), and valibot by `@valibot/to-json-schema`, if the application has installed
 * that package.
 *
 * @example
 * ```ts
 * const events = defineEvents({
 *   "order.placed": z.object({ orderId: z.string() }).meta({ description: "A customer has paid" }),
 * });
 * const [placed] = describeEvents(events);
 * console.log(placed?.description, placed?.schema);
 * ```
 */
export function describeEvents(
  catalogue: Pick<EventCatalogue<object>, "schemas">,
): readonly DescribedEvent[] {
  return Object.entries(catalogue.schemas)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, schema]) => describe(name, schema));
}

function describe(name: string, schema: StandardSchemaV1): DescribedEvent {
  const json = jsonSchemaOf(schema);
  if (!json) return { name };
  const { description, examples } = json;
  return {
    name,
    ...(typeof description === "string" && { description }),
    schema: json,
    ...(Array.isArray(examples) && { examples: examples as readonly JsonValue[] }),
  };
}

/** The first that a library makes of its schema; undefined if none does. */
function jsonSchemaOf(schema: StandardSchemaV1): JsonObject | undefined {
  for (const convert of [byStandard, byMethod, byValibot]) {
    try {
      const made = convert(schema);
      // Libraries add members that are no JSON.
      if (made !== undefined) return JSON.parse(JSON.stringify(made)) as JsonObject;
    } catch {
      // It has a part that is no JSON Schema, or the library knows the target by another name.
    }
  }
  return undefined;
}

function byStandard(schema: StandardSchemaV1): object | undefined {
  const { jsonSchema } = schema["~standard"] as Partial<StandardJSONSchemaV1.Props>;
  // zod throws at a part that JSON Schema has no word for, such as a Date, and is asked to leave that open.
  return jsonSchema?.input({ target: TARGET, libraryOptions: { unrepresentable: "any" } });
}

/** The methods of releases of zod 4 and arktype that have no Standard JSON Schema yet. */
function byMethod(schema: StandardSchemaV1): object | undefined {
  const { toJSONSchema, toJsonSchema } = schema as {
    readonly toJSONSchema?: (options: object) => object;
    readonly toJsonSchema?: (options: object) => object;
  };
  return (
    toJSONSchema?.call(schema, { io: "input", unrepresentable: "any" }) ??
    toJsonSchema?.call(schema, { fallback: ({ base }: { readonly base: object }) => base })
  );
}

function byValibot(schema: StandardSchemaV1): object | undefined {
  if (schema["~standard"].vendor !== "valibot") return undefined;
  // Of the application: another release would not know its schemas.
  const load = requireFor(join(process.cwd(), "package.json"));
  const { toJsonSchema } = load("@valibot/to-json-schema") as {
    readonly toJsonSchema: (schema: StandardSchemaV1, options: object) => object;
  };
  return toJsonSchema(schema, { target: TARGET, typeMode: "input", errorMode: "ignore" });
}
