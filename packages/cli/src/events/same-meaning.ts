import { isObject, type JsonSchema, resolveReference, sameJson } from "./json-schema.ts";

/** The documents that references are resolved in: `from` for the first part, `to` for the second. */
export interface Documents {
  readonly from: JsonSchema;
  readonly to: JsonSchema;
}

/**
 * Whether two parts of schemas mean the same: the parts are the same JSON, and so is everything that their references
 * lead to. Parts with a reference that depends on the schemas around it count as different.
 */
export function sameMeaning(first: unknown, second: unknown, documents: Documents): boolean {
  return sameDialect(documents) && sameParts(first, second, documents, new Set());
}

/** The same text may mean something else in another draft. A document need not name its draft. */
function sameDialect({ from, to }: Documents): boolean {
  const [first, second] = [from, to].map((it) => (isObject(it) ? it["$schema"] : undefined));
  return first === undefined || second === undefined || first === second;
}

function sameParts(
  first: unknown,
  second: unknown,
  documents: Documents,
  visited: Set<string>,
): boolean {
  if (!sameJson(first, second)) return false;
  for (const reference of referencesIn(first)) {
    if (visited.has(reference)) continue;
    visited.add(reference);
    const target = resolveReference(documents.from, reference);
    if (target === undefined) return false;
    const other = resolveReference(documents.to, reference);
    if (!sameParts(target, other, documents, visited)) return false;
  }
  return true;
}

const REFERENCES: ReadonlySet<string> = new Set(["$ref", "$dynamicRef", "$recursiveRef"]);

/** Returns the references of a part. One that is not to be resolved by its text alone is the empty text. */
function referencesIn(part: unknown): readonly string[] {
  if (typeof part !== "object" || part === null) return [];
  return Object.entries(part).flatMap(([keyword, value]: [string, unknown]) => {
    if (typeof value !== "string" || !REFERENCES.has(keyword)) return referencesIn(value);
    return keyword === "$ref" ? value : "";
  });
}
