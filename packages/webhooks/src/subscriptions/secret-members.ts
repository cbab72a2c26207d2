import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { isJsonObject } from "../contract/json-object.ts";

/** What is read back in place of a secret. */
export const SECRET = "[secret]";

/** A secret member of settings, and its place. */
export type SecretMember = readonly [path: readonly (string | number)[], value: JsonValue];

/** Settings without what is secret in them, and that. */
export interface SplitSettings {
  /** With {@link SECRET} in place of each secret. */
  readonly shown: JsonObject;
  readonly secret: readonly SecretMember[];
}

/**
 * Takes those members out of settings that are `writeOnly` by their JSON Schema: nested ones, those of items of arrays,
 * and those behind `$ref`, `anyOf` and the like as well.
 */
export function splitSettings(settings: JsonObject, schema: JsonObject): SplitSettings {
  const secret: SecretMember[] = [];
  const split = (
    value: JsonValue,
    schemas: readonly JsonObject[],
    path: SecretMember[0],
  ): JsonValue => {
    if (value === null) return null;
    if (schemas.some((it) => it["writeOnly"] === true)) {
      secret.push([path, value]);
      return SECRET;
    }
    if (Array.isArray(value)) {
      return value.map((item, index) =>
        split(item, itemSchemas(schemas, index, schema), [...path, index]),
      );
    }
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(
      membersOf(value).map(([key, member]) => [
        key,
        split(member, memberSchemas(schemas, key, schema), [...path, key]),
      ]),
    );
  };
  const shown = split(settings, expanded([schema], schema), []);
  return { shown: isJsonObject(shown) ? shown : {}, secret };
}

/** Puts secrets back where {@link splitSettings} took them from. */
export function joinSettings({ shown, secret }: SplitSettings): JsonObject {
  const settings = structuredClone(shown);
  for (const [path, value] of secret) {
    let at = settings as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
    const last = path.at(-1);
    if (last !== undefined) at[last] = value;
  }
  return settings;
}

/**
 * Puts the stored secrets into settings that were read, changed, and sent back: wherever they say {@link SECRET} and
 * a secret is stored at the same place. Within arrays, the place is the item that is otherwise the same.
 *
 * @returns The settings, and an issue for each {@link SECRET} for which there is no stored one.
 */
export function keepSecrets(
  given: JsonObject,
  stored: SplitSettings | undefined,
  schema: JsonObject,
): { readonly settings: JsonObject; readonly issues: readonly StandardSchemaV1.Issue[] } {
  const issues: StandardSchemaV1.Issue[] = [];
  // What a secret member says is a place to fill; elsewhere the same text is only text.
  const { secret: members } = splitSettings(given, schema);
  const places = new Set(
    members.filter(([, value]) => value === SECRET).map(([path]) => JSON.stringify(path)),
  );
  const fill = (
    value: JsonValue,
    shown: JsonValue | undefined,
    full: JsonValue | undefined,
    path: SecretMember[0],
  ): JsonValue => {
    if (value === SECRET && places.has(JSON.stringify(path))) {
      if (shown === SECRET && full !== undefined) return full;
      issues.push({
        path,
        message: `must be the secret itself: none is stored here that ${SECRET} could stand for`,
      });
      return value;
    }
    if (Array.isArray(value)) {
      const from = sameItems(value, Array.isArray(shown) ? shown : []);
      return value.map((item, index) => {
        const at = from[index];
        const [shownItem, fullItem] = at === undefined ? [] : [itemOf(shown, at), itemOf(full, at)];
        return fill(item, shownItem, fullItem, [...path, index]);
      });
    }
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(
      membersOf(value).map(([key, member]) => [
        key,
        fill(member, memberOf(shown, key), memberOf(full, key), [...path, key]),
      ]),
    );
  };
  const full = stored && joinSettings(stored);
  const settings = fill(given, stored?.shown, full, []);
  return { settings: isJsonObject(settings) ? settings : {}, issues };
}

/**
 * For each item, the index of the stored item that looks the same. Undefined if there is none, or if there are several
 * and not all of them are there still: then nobody can tell which one is meant.
 */
function sameItems(
  items: readonly JsonValue[],
  stored: readonly JsonValue[],
): readonly (number | undefined)[] {
  const indexes = new Map<string, number[]>();
  for (const [index, item] of stored.entries()) {
    const look = lookOf(item);
    indexes.set(look, [...(indexes.get(look) ?? []), index]);
  }
  const looks = items.map(lookOf);
  const seen = new Map<string, number>();
  return looks.map((look) => {
    const found = indexes.get(look) ?? [];
    if (found.length > 1 && found.length !== looks.filter((it) => it === look).length) {
      return undefined;
    }
    const nth = seen.get(look) ?? 0;
    seen.set(look, nth + 1);
    return found[nth];
  });
}

/** JSON in which the order of members is of no account. */
function lookOf(value: JsonValue): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    isJsonObject(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

type Schemas = readonly JsonObject[];

/** The schemas of a member of an object. */
function memberSchemas(schemas: Schemas, key: string, root: JsonObject): Schemas {
  const found = schemas.flatMap((schema) => {
    const own = memberOf(schema["properties"], key);
    const patterns = isJsonObject(schema["patternProperties"]) ? schema["patternProperties"] : {};
    const matching = Object.entries(patterns)
      .filter(([pattern]) => new RegExp(pattern, "u").test(key))
      .map(([, it]) => it);
    const named = own === undefined ? matching : [own, ...matching];
    return named.length > 0 ? named : [schema["additionalProperties"]];
  });
  return expanded(found, root);
}

/** The schemas of an item of an array. */
function itemSchemas(schemas: Schemas, index: number, root: JsonObject): Schemas {
  const found = schemas.flatMap((schema) => {
    // Older drafts have the schemas of the first items in `items`.
    const lists = [schema["prefixItems"], schema["items"]].filter((it) => Array.isArray(it));
    return [itemOf(lists[0], index) ?? schema["items"] ?? schema["additionalItems"]];
  });
  return expanded(found, root);
}

/** Schemas, and all that they refer to or choose from. */
function expanded(schemas: readonly unknown[], root: JsonObject): Schemas {
  const found = new Set<JsonObject>();
  const add = (schema: unknown): void => {
    if (!isJsonObject(schema) || found.has(schema)) return;
    found.add(schema);
    for (const keyword of ["allOf", "anyOf", "oneOf"]) {
      const parts = schema[keyword];
      if (Array.isArray(parts)) for (const part of parts) add(part);
    }
    for (const keyword of ["then", "else"]) add(schema[keyword]);
    if (typeof schema["$ref"] === "string") add(referred(schema["$ref"], root));
  };
  for (const schema of schemas) add(schema);
  return [...found];
}

/** What a `$ref` within a schema refers to. */
function referred(reference: string, root: JsonObject): unknown {
  if (!reference.startsWith("#")) return undefined;
  const keys = decodeURIComponent(reference.slice(1)).split("/").slice(1);
  return keys.reduce<unknown>(
    (at, key) => memberOf(at, key.replaceAll("~1", "/").replaceAll("~0", "~")),
    root,
  );
}

function memberOf(value: unknown, key: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function itemOf(value: unknown, index: number): JsonValue | undefined {
  return Array.isArray(value) ? (value[index] as JsonValue | undefined) : undefined;
}

function membersOf(value: JsonObject): readonly (readonly [string, JsonValue])[] {
  return Object.entries(value).flatMap(([key, member]) =>
    member === undefined ? [] : [[key, member] as const],
  );
}
