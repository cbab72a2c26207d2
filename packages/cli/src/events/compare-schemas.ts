import {
  isObject,
  isSchema,
  type JsonSchema,
  type JsonType,
  resolveReference,
  sameJson,
  typesOf,
  valuesOf,
} from "./json-schema.ts";
import { type Documents, sameMeaning } from "./same-meaning.ts";

/** A reason for which data of one schema may not be valid by another one. */
export interface SchemaFinding {
  /** `breaks`: there is such data. `unknown`: the comparison cannot tell. */
  readonly kind: "breaks" | "unknown";
  /** Where in the data, such as `$.items[].price`. */
  readonly path: string;
  /** What is different. */
  readonly message: string;
}

type Members = Readonly<Record<string, unknown>>;

/** The two schemas under comparison, and where in the data each pair is that is being compared. */
interface Comparison extends Documents {
  readonly open: ReadonlyMap<string, string>;
}

/**
 * Finds the reasons for which data that is valid by `from` may be invalid by `to`. Without a reason, all data of `from`
 * is valid by `to`. A property that a schema does not name counts as absent, unless the other one refuses unknown
 * properties. A keyword that has no rule here is reported as `unknown`, unless it means the same in both schemas.
 */
export function findDifferences(from: JsonSchema, to: JsonSchema): readonly SchemaFinding[] {
  return compare(from, to, "$", { from, to, open: new Map() });
}

function compare(
  from: JsonSchema,
  to: JsonSchema,
  path: string,
  comparison: Comparison,
): readonly SchemaFinding[] {
  const first = followReference(from, comparison.from);
  const second = followReference(to, comparison.to);
  if (first === undefined || second === undefined) {
    return [unknown(path, "a reference leads to nothing within the schema")];
  }
  const pair = `${JSON.stringify(from)} ${JSON.stringify(to)}`;
  // A schema that contains itself: the pair is being compared further up.
  const place = comparison.open.get(pair);
  if (place === path)
    return [unknown(path, "a schema refers to itself, and to no part of the data")];
  if (place !== undefined) return [];
  const inner = { ...comparison, open: new Map([...comparison.open, [pair, path]]) };
  return compareResolved(first, second, path, inner);
}

function followReference(schema: JsonSchema, document: JsonSchema): JsonSchema | undefined {
  let found: JsonSchema | undefined = schema;
  // A chain of references without an end leads to nothing.
  for (let steps = 0; steps < 100; steps += 1) {
    if (!isObject(found) || typeof found["$ref"] !== "string") return found;
    const { $ref: reference, ...siblings }: Members = found;
    const target = resolveReference(document, reference as string);
    if (target === undefined) return undefined;
    const rules = Object.keys(siblings).filter((keyword) => !ANNOTATIONS.has(keyword));
    if (rules.length > 0) return { ...siblings, allOf: [target, ...schemasIn(siblings["allOf"])] };
    found = target;
  }
  return undefined;
}

function compareResolved(
  from: JsonSchema,
  to: JsonSchema,
  path: string,
  comparison: Comparison,
): readonly SchemaFinding[] {
  if (to === true || from === false) return [];
  if (to === false) return [breaks(path, "is refused")];
  const narrow: Members = from === true ? {} : from;
  if (sameMeaning(narrow, to, comparison)) return [];
  const alternatives = schemasIn(narrow["anyOf"] ?? narrow["oneOf"]);
  if (alternatives.length > 0) {
    const findings = alternatives.flatMap((each) => compare(each, to, path, comparison));
    // What stands next to the alternatives narrows them, and may exclude what was found.
    return hasRules(narrow, "anyOf", "oneOf")
      ? findings.map(({ message }) => unknown(path, message))
      : findings;
  }
  if (valuesOf(narrow)?.some(isNested) && hasRules(to, "const", "enum", "type", "anyOf", "oneOf")) {
    return [unknown(path, "constant objects and lists cannot be compared")];
  }
  if (Array.isArray(narrow["allOf"])) return compareAllOf(narrow, to, path, comparison);
  return Object.keys(to).flatMap((keyword) => {
    if (ANNOTATIONS.has(keyword)) return [];
    const rule = RULES.get(keyword);
    if (rule) return rule({ from: narrow, to, path, comparison });
    return sameKeyword(keyword, narrow, to, comparison)
      ? []
      : [unknown(path, `the keyword "${keyword}" cannot be compared`)];
  });
}

/** Whether a keyword means the same in both schemas. */
function sameKeyword(keyword: string, from: Members, to: Members, documents: Documents): boolean {
  if (keyword.startsWith("unevaluated")) return false;
  const names = [keyword, ...(NEIGHBOURS.get(keyword) ?? [])];
  const partOf = (schema: Members): Members =>
    Object.fromEntries(names.flatMap((it) => (it in schema ? [[it, schema[it]]] : [])));
  return sameMeaning(partOf(from), partOf(to), documents);
}

/** Whether a schema says more than what these keywords say. */
function hasRules(schema: Members, ...except: readonly string[]): boolean {
  return Object.keys(schema).some((it) => !ANNOTATIONS.has(it) && !except.includes(it));
}

function isNested(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Data of an intersection is data of each part: one part that fits is enough, and so is the merged object. */
function compareAllOf(
  from: Members,
  to: Members,
  path: string,
  comparison: Comparison,
): readonly SchemaFinding[] {
  const { allOf, ...own } = from;
  const parts = [own, ...schemasIn(allOf)].map((part) => followReference(part, comparison.from));
  const merged = mergeObjects(parts);
  if (merged !== undefined) return compare(merged, to, path, comparison);
  for (const part of parts) {
    if (part !== undefined && compare(part, to, path, comparison).length === 0) return [];
  }
  return [unknown(path, 'the intersection "allOf" cannot be compared')];
}

/** Merges objects that name different properties, and say nothing else. */
function mergeObjects(parts: readonly (JsonSchema | undefined)[]): Members | undefined {
  const properties: Record<string, unknown> = {};
  const required = new Set<unknown>();
  for (const part of parts) {
    if (!isObject(part)) return undefined;
    const { type, properties: named = {}, required: needed = [], ...rest } = part;
    const others = Object.keys(rest).filter((keyword) => !ANNOTATIONS.has(keyword));
    const isEmpty = type === undefined && others.length === 0;
    if (isEmpty && Object.keys(named as object).length === 0) continue;
    if (type !== "object" || others.length > 0 || !isObject(named)) return undefined;
    if (Object.keys(named).some((name) => name in properties)) return undefined;
    Object.assign(properties, named);
    for (const name of needed as readonly unknown[]) required.add(name);
  }
  return { type: "object", properties, required: [...required] };
}

interface RuleInput {
  readonly from: Members;
  readonly to: Members;
  readonly path: string;
  readonly comparison: Comparison;
}

type Rule = (input: RuleInput) => readonly SchemaFinding[];

/** Say nothing about what is valid. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  "$schema",
  "$id",
  "$anchor",
  "$comment",
  "$defs",
  "definitions",
  "title",
  "description",
  "default",
  "deprecated",
  "example",
  "examples",
  "readOnly",
  "writeOnly",
  "contentEncoding",
  "contentMediaType",
]);

/** The keywords that change what a keyword means. For `unevaluatedProperties` and `unevaluatedItems`, all may do so. */
const NEIGHBOURS: ReadonlyMap<string, readonly string[]> = new Map([
  ["contains", ["minContains", "maxContains"]],
  ["minContains", ["contains"]],
  ["maxContains", ["contains"]],
  ["if", ["then", "else"]],
  ["then", ["if"]],
  ["else", ["if"]],
  ["additionalItems", ["items"]],
]);

/** What is done about each keyword of the wider schema. What only the narrower one has makes it narrower still. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["type", compareTypes],
  ["const", compareValues],
  ["enum", compareValues],
  ["anyOf", (input) => compareAlternatives(input, "anyOf")],
  ["oneOf", (input) => compareAlternatives(input, "oneOf")],
  ["allOf", compareParts],
  ["minimum", lowerBound],
  ["exclusiveMinimum", lowerBound],
  ["maximum", upperBound],
  ["exclusiveMaximum", upperBound],
  ["multipleOf", compareMultiples],
  ["minLength", atLeast("string", "minLength", "characters", characterCount)],
  ["maxLength", atMost("string", "maxLength", "characters", characterCount)],
  ["pattern", comparePatterns],
  ["format", compareFormats],
  ["items", compareItems],
  ["prefixItems", comparePrefix],
  ["minItems", atLeast("array", "minItems", "items", (value) => (value as unknown[]).length)],
  ["maxItems", atMost("array", "maxItems", "items", (value) => (value as unknown[]).length)],
  ["uniqueItems", compareUnique],
  ["properties", compareProperties],
  ["required", compareRequired],
  ["additionalProperties", compareAdditional],
  ["minProperties", atLeast("object", "minProperties", "properties", memberCount)],
  ["maxProperties", atMost("object", "maxProperties", "properties", memberCount)],
]);

function compareTypes({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  const allowed = typesOf(to);
  const values = valuesOf(from);
  const refused = typesOf(from).filter(
    (type) => !allowed.includes(type) && !(type === "integer" && allowed.includes("number")),
  );
  // Types that `enum` has no value of cannot occur.
  const possible = refused.filter(
    (type) => values === undefined || typesOf({ enum: values }).includes(type),
  );
  if (possible.length === 0) return [];
  return [breaks(path, `may be ${listed(possible)}, and must be ${listed(allowed)}`)];
}

function compareValues({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  const allowed = valuesOf(to)!;
  const possible = valuesOf(from) ?? valuesOfTypes(typesOf(from));
  const texts = allowed.map((value) => JSON.stringify(value));
  if (possible === undefined) return [breaks(path, `may be other than ${listed(texts)}`)];
  const refused = possible.filter((value) => !allowed.some((it) => sameJson(it, value)));
  if (refused.length === 0) return [];
  return [
    breaks(path, `may be ${listed(refused.map((it) => JSON.stringify(it)))}, which is refused`),
  ];
}

/** The values of types that have few. */
function valuesOfTypes(types: readonly JsonType[]): readonly unknown[] | undefined {
  const values: Partial<Record<JsonType, readonly unknown[]>> = {
    null: [null],
    boolean: [true, false],
  };
  return types.every((type) => type in values) ? types.flatMap((type) => values[type]!) : undefined;
}

function compareAlternatives(
  { from, to, path, comparison }: RuleInput,
  keyword: "anyOf" | "oneOf",
): readonly SchemaFinding[] {
  const alternatives = schemasIn(to[keyword]);
  const parts = splitByType(from);
  const findings = parts.flatMap((part) => {
    const tried = alternatives.map((each) => compare(part, each, path, comparison));
    if (tried.some((found) => found.length === 0)) return [];
    const mayFit = tried.some((found) => found.every(({ kind }) => kind === "unknown"));
    return [
      mayFit
        ? unknown(path, "it cannot be told whether one of the alternatives fits")
        : (closest(tried) ?? breaks(path, "fits none of the alternatives")),
    ];
  });
  if (keyword === "oneOf" && findings.length === 0 && !areDisjoint(alternatives, comparison.to)) {
    return [unknown(path, 'alternatives of "oneOf" may overlap')];
  }
  return findings;
}

/** The one finding of the alternative that nearly fits, if there is exactly one such. */
function closest(tried: readonly (readonly SchemaFinding[])[]): SchemaFinding | undefined {
  const [nearest, second] = tried.toSorted((a, b) => a.length - b.length);
  const isClear = nearest?.length === 1 && (second === undefined || second.length > 1);
  return isClear ? nearest[0] : undefined;
}

function splitByType(schema: Members): readonly Members[] {
  const values = valuesOf(schema);
  if (values !== undefined) return values.map((value) => ({ const: value }));
  const { type } = schema;
  return Array.isArray(type)
    ? type.map((each) => ({ ...schema, type: each as unknown }))
    : [schema];
}

/** Whether no data fits two alternatives: their types differ, or a constant of a property that all require. */
function areDisjoint(alternatives: readonly JsonSchema[], document: JsonSchema): boolean {
  const resolved = alternatives.map((each) => followReference(each, document));
  if (!resolved.every(isObject)) return false;
  const types = resolved.flatMap((each) => [
    ...new Set(typesOf(each).map((it) => (it === "integer" ? "number" : it))),
  ]);
  if (new Set(types).size === types.length) return true;
  const [first] = resolved;
  const names = Object.keys(isObject(first?.["properties"]) ? first["properties"] : {});
  return names.some((name) => {
    const constants = resolved.map((each) => constantOf(each, name));
    const all = constants.flatMap((values) => values ?? []);
    return (
      constants.every((values) => values !== undefined) &&
      all.every((value, index) => !all.slice(0, index).some((it) => sameJson(it, value)))
    );
  });
}

function constantOf(schema: Members, name: string): readonly unknown[] | undefined {
  const { properties, required } = schema;
  const property = isObject(properties) && Object.hasOwn(properties, name) && properties[name];
  if (!isObject(property) || !Array.isArray(required) || !required.includes(name)) return undefined;
  return valuesOf(property);
}

function compareParts({ from, to, path, comparison }: RuleInput): readonly SchemaFinding[] {
  return schemasIn(to["allOf"]).flatMap((part) => compare(from, part, path, comparison));
}

function lowerBound(input: RuleInput): readonly SchemaFinding[] {
  return bound(input, "minimum", "exclusiveMinimum", (first, second) => first > second, Math.min);
}

function upperBound(input: RuleInput): readonly SchemaFinding[] {
  return bound(input, "maximum", "exclusiveMaximum", (first, second) => first < second, Math.max);
}

/** Compares the bounds of numbers on one side. `isTighter` says which of two bounds allows less. */
function bound(
  { from, to, path }: RuleInput,
  inclusive: string,
  exclusive: string,
  isTighter: (first: number, second: number) => boolean,
  extreme: (...values: number[]) => number,
): readonly SchemaFinding[] {
  if (!may(from, "integer", "number")) return [];
  const limitOf = (schema: Members): { value: number; isExclusive: boolean } | undefined => {
    const [closed, open] = [schema[inclusive], schema[exclusive]];
    if (typeof open === "number" && !(typeof closed === "number" && isTighter(closed, open))) {
      return { value: open, isExclusive: true };
    }
    return typeof closed === "number" ? { value: closed, isExclusive: false } : undefined;
  };
  const needed = typeof to[exclusive] === "boolean" ? undefined : limitOf(to);
  if (needed === undefined) return [unknown(path, `"${exclusive}" is not a number`)];
  const numbers = valuesOf(from)?.filter((it): it is number => typeof it === "number");
  const given =
    numbers === undefined ? limitOf(from) : { value: extreme(...numbers), isExclusive: false };
  const fits =
    given !== undefined &&
    (isTighter(given.value, needed.value) ||
      (given.value === needed.value && (given.isExclusive || !needed.isExclusive)));
  if (fits) return [];
  const side = inclusive === "minimum" ? "below" : "above";
  const limit = needed.isExclusive ? `${needed.value} or ${side}` : `${side} ${needed.value}`;
  return [breaks(path, `may be ${limit}`)];
}

function compareMultiples({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "integer", "number")) return [];
  const wanted = to["multipleOf"] as number;
  const step = from["multipleOf"] ?? (may(from, "number") ? undefined : 1);
  const numbers = valuesOf(from)?.filter((it): it is number => typeof it === "number");
  const fits =
    numbers?.every((it) => Number.isInteger(it / wanted)) ??
    (typeof step === "number" && Number.isInteger(step / wanted));
  return fits ? [] : [breaks(path, `may be no multiple of ${wanted}`)];
}

function atLeast(
  type: JsonType,
  keyword: string,
  noun: string,
  sizeOf: (value: unknown) => number,
): Rule {
  return ({ from, to, path }) => {
    if (!may(from, type)) return [];
    const sizes = sizesOf(from, type, sizeOf);
    const least = sizes === undefined ? ((from[keyword] as number) ?? 0) : Math.min(...sizes);
    const needed = to[keyword] as number;
    return least >= needed ? [] : [breaks(path, `may have fewer than ${needed} ${noun}`)];
  };
}

function atMost(
  type: JsonType,
  keyword: string,
  noun: string,
  sizeOf: (value: unknown) => number,
): Rule {
  return ({ from, to, path }) => {
    if (!may(from, type)) return [];
    const sizes = sizesOf(from, type, sizeOf);
    const most = sizes === undefined ? ((from[keyword] as number) ?? Infinity) : Math.max(...sizes);
    const allowed = to[keyword] as number;
    return most <= allowed ? [] : [breaks(path, `may have more than ${allowed} ${noun}`)];
  };
}

function sizesOf(
  from: Members,
  type: JsonType,
  sizeOf: (value: unknown) => number,
): readonly number[] | undefined {
  return valuesOf(from)
    ?.filter((value) => typesOf({ const: value }).includes(type))
    .map(sizeOf);
}

/** JSON Schema counts code points. */
function characterCount(value: unknown): number {
  return Array.from(value as string).length;
}

function memberCount(value: unknown): number {
  return Object.keys(value as object).length;
}

function comparePatterns({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "string") || from["pattern"] === to["pattern"]) return [];
  const pattern = to["pattern"] as string;
  const texts = valuesOf(from)?.filter((it): it is string => typeof it === "string");
  if (texts !== undefined) {
    return texts.flatMap((it) => {
      const isMatch = matches(pattern, it);
      if (isMatch === undefined) return [unknown(path, `the pattern ${pattern} cannot be read`)];
      return isMatch ? [] : [breaks(path, `may be ${JSON.stringify(it)}, which is refused`)];
    });
  }
  return from["pattern"] === undefined
    ? [breaks(path, `may not match the pattern ${pattern}`)]
    : [unknown(path, "two different patterns cannot be compared")];
}

/** Whether a text has a part that a pattern describes. Undefined if JavaScript cannot read the pattern. */
function matches(pattern: string, text: string): boolean | undefined {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return undefined;
  }
}

function compareFormats({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "string") || from["format"] === to["format"]) return [];
  const format = String(to["format"]);
  return valuesOf(from) === undefined
    ? [breaks(path, `may have another format than ${format}`)]
    : [unknown(path, `values cannot be compared with the format ${format}`)];
}

function compareItems({ from, to, path, comparison }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "array")) return [];
  if (!isSchema(to["items"]) || (from["items"] !== undefined && !isSchema(from["items"]))) {
    return [unknown(path, "lists of items in the style of draft 7 cannot be compared")];
  }
  const skipped = schemasIn(to["prefixItems"]).length;
  const rest = schemasIn(from["prefixItems"]).slice(skipped);
  const items = isSchema(from["items"]) ? from["items"] : true;
  return [...rest, items].flatMap((each) =>
    compare(each, to["items"] as JsonSchema, `${path}[]`, comparison),
  );
}

function comparePrefix({ from, to, path, comparison }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "array")) return [];
  const given = schemasIn(from["prefixItems"]);
  const rest = isSchema(from["items"]) ? from["items"] : true;
  return schemasIn(to["prefixItems"]).flatMap((each, index) =>
    compare(given[index] ?? rest, each, `${path}[${index}]`, comparison),
  );
}

function compareUnique({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  if (to["uniqueItems"] !== true || !may(from, "array") || from["uniqueItems"] === true) return [];
  return [breaks(path, "may have the same item twice")];
}

function compareProperties({ from, to, path, comparison }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "object")) return [];
  const given = propertiesOf(from);
  const others = from["additionalProperties"];
  return Object.entries(propertiesOf(to)).flatMap(([name, schema]) => {
    const place = `${path}.${name}`;
    if (Object.hasOwn(given, name)) return compare(given[name]!, schema, place, comparison);
    const tried = Object.entries(patternsOf(from)).map(([pattern, each]) => ({
      isMatch: matches(pattern, name),
      each,
    }));
    if (tried.some(({ isMatch }) => isMatch === undefined)) {
      return [unknown(place, "a pattern of names cannot be read")];
    }
    const [part, ...more] = tried.filter(({ isMatch }) => isMatch).map(({ each }) => each);
    if (part !== undefined) {
      const both = more.length === 0 ? part : { allOf: [part, ...more] };
      return compare(both, schema, place, comparison);
    }
    // What a schema does not name counts as absent; what all other properties are is known.
    return isObject(others) ? compare(others, schema, place, comparison) : [];
  });
}

function compareRequired({ from, to, path }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "object")) return [];
  const given = new Set(Array.isArray(from["required"]) ? (from["required"] as unknown[]) : []);
  return (to["required"] as readonly string[])
    .filter((name) => !given.has(name))
    .map((name) => breaks(`${path}.${name}`, "may be absent, and is required"));
}

function compareAdditional({ from, to, path, comparison }: RuleInput): readonly SchemaFinding[] {
  if (!may(from, "object")) return [];
  const others = to["additionalProperties"];
  if (!isSchema(others) || others === true) return [];
  const patterns = patternsOf(to);
  if (!sameMeaning(patternsOf(from), patterns, comparison)) {
    const message = '"additionalProperties" cannot be compared next to other "patternProperties"';
    return [unknown(path, message)];
  }
  const known = propertiesOf(to);
  const named = Object.entries(propertiesOf(from)).filter(
    ([name]) =>
      !Object.hasOwn(known, name) &&
      !Object.keys(patterns).some((it) => matches(it, name) === true),
  );
  const findings = named.flatMap(([name, schema]) =>
    others === false
      ? [breaks(`${path}.${name}`, "may be there, and is refused as an unknown property")]
      : compare(schema, others, `${path}.${name}`, comparison),
  );
  const rest = from["additionalProperties"];
  if (rest === false) return findings;
  if (others === false)
    return [...findings, breaks(path, "may have unknown properties, which are refused")];
  return [...findings, ...compare(isSchema(rest) ? rest : true, others, `${path}.*`, comparison)];
}

function propertiesOf(schema: Members): Readonly<Record<string, JsonSchema>> {
  const { properties } = schema;
  return isObject(properties) ? (properties as Record<string, JsonSchema>) : {};
}

function patternsOf({ patternProperties }: Members): Readonly<Record<string, JsonSchema>> {
  return isObject(patternProperties) ? (patternProperties as Record<string, JsonSchema>) : {};
}

/** Whether data of a schema may be of one of these types. */
function may(schema: Members, ...types: readonly JsonType[]): boolean {
  return typesOf(schema).some((type) => types.includes(type));
}

function schemasIn(value: unknown): readonly JsonSchema[] {
  return Array.isArray(value) ? value.filter(isSchema) : [];
}

function breaks(path: string, message: string): SchemaFinding {
  return { kind: "breaks", path, message };
}

function unknown(path: string, message: string): SchemaFinding {
  return { kind: "unknown", path, message };
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
