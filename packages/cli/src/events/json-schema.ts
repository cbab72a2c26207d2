import { isDeepStrictEqual } from "node:util";

/** A JSON Schema of draft 2020-12 or draft 7. */
export type JsonSchema = boolean | Readonly<Record<string, unknown>>;

/** The types of JSON. A number with no fraction is an `integer` and a `number`. */
export type JsonType = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

const JSON_TYPES: readonly JsonType[] = [
  "null",
  "boolean",
  "integer",
  "number",
  "string",
  "array",
  "object",
];

/** Whether a value is an object with members. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value can be a schema. */
export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "boolean" || isObject(value);
}

/** Whether two values are the same JSON. */
export function sameJson(first: unknown, second: unknown): boolean {
  return isDeepStrictEqual(first, second);
}

/** Returns the type of a JSON value. */
function typeOfValue(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value as "boolean" | "string" | "object";
}

/** Returns the values that `const` and `enum` allow, or undefined where a schema has neither. */
export function valuesOf(
  schema: Readonly<Record<string, unknown>>,
): readonly unknown[] | undefined {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

/** Returns the types that a schema allows. */
export function typesOf(schema: Readonly<Record<string, unknown>>): readonly JsonType[] {
  const given = schema["type"];
  if (given !== undefined) return [given].flat() as JsonType[];
  const values = valuesOf(schema);
  return values === undefined ? JSON_TYPES : [...new Set(values.map(typeOfValue))];
}

/**
 * Finds what a reference within its own document leads to, such as `#/$defs/order`. Returns undefined if the document
 * has a part with an `$id` of its own: references mean something else within such a part.
 */
export function resolveReference(document: JsonSchema, reference: string): JsonSchema | undefined {
  if (hasInnerId(document)) return undefined;
  if (reference === "#") return document;
  if (!reference.startsWith("#/")) return undefined;
  let found: unknown = document;
  for (const part of reference.slice(2).split("/")) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    const hasMember = typeof found === "object" && found !== null && Object.hasOwn(found, key);
    found = hasMember ? (found as never)[key] : undefined;
  }
  return isSchema(found) ? found : undefined;
}

function hasInnerId(part: unknown, depth = 0): boolean {
  if (typeof part !== "object" || part === null) return false;
  if (depth > 0 && typeof (part as { $id?: unknown }).$id === "string") return true;
  return Object.values(part).some((inner) => hasInnerId(inner, depth + 1));
}
