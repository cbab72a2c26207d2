import type { JsonObject, JsonValue } from "@busbar/core/provider";
import { resolve } from "./schema-form.tsx";

/**
 * Returns the value that a form begins with: the default of the schema, if it has one. An object begins with its required
 * members that a form shows before the user has touched them, such as a box that is not checked.
 */
export function startOf(schema: JsonObject, root: JsonObject = schema): JsonValue | undefined {
  const resolved = resolve(schema, root);
  if (resolved["default"] !== undefined) return resolved["default"];
  if (resolved["const"] !== undefined) return resolved["const"];
  if (resolved["type"] === "boolean") return false;
  const { properties, required } = resolved;
  if (resolved["type"] !== "object" || typeof properties !== "object" || properties === null) {
    return undefined;
  }
  const members = Object.entries(properties).flatMap(([name, member]) => {
    const isRequired = Array.isArray(required) && required.includes(name);
    const value = isRequired ? startOf(member as JsonObject, root) : undefined;
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(members);
}
