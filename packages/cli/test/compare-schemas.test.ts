import { describe, expect, test } from "vitest";
import { findDifferences } from "../src/events/compare-schemas.ts";
import type { JsonSchema } from "../src/events/json-schema.ts";

const object = (properties: object, required: readonly string[] = [], more: object = {}) =>
  ({ type: "object", properties, required, ...more }) as JsonSchema;
const text = { type: "string" };
const number = { type: "number" };

/** Recursive, as a category with categories in it. */
const tree = (name: object) => ({
  $ref: "#/$defs/node",
  $defs: {
    node: object({ name, children: { type: "array", items: { $ref: "#/$defs/node" } } }, ["name"]),
  },
});

/** A document whose part `id` is behind references. */
const withId = (id: object, rest: object) => ({ ...rest, $defs: { id } }) as JsonSchema;
const id = { $ref: "#/$defs/id" };
/** Keywords that the comparison has no rule for, with a reference in each. */
const withReference = [
  { patternProperties: { "^a": id } },
  { propertyNames: id },
  { not: id },
  { contains: id },
  { dependentSchemas: { a: id } },
  { if: id, else: { minLength: 3 } },
  { if: text, else: id },
];
const closed = { type: "object", additionalProperties: false };
const recursive = (target: object) => ({
  type: "array",
  items: { $dynamicRef: "#node" },
  $defs: { node: { $dynamicAnchor: "node", ...target } },
});

describe("findDifferences", () => {
  test.each<[string, JsonSchema, JsonSchema]>([
    ["an equal schema", object({ id: text }, ["id"]), object({ id: text }, ["id"])],
    ["other words about it", { ...text, title: "a" }, { ...text, description: "b" }],
    ["no rule at all", text, {}],
    ["everything", text, true],
    ["a wider type", { type: "integer" }, number],
    ["one more type", text, { type: ["string", "null"] }],
    ["one more value", { enum: ["a", "b"] }, { enum: ["a", "b", "c"] }],
    ["values of a type", { enum: ["a", "b"] }, text],
    ["all values of a type", { type: "boolean" }, { enum: [true, false] }],
    ["wider bounds", { ...number, minimum: 1, maximum: 5 }, { ...number, minimum: 0, maximum: 9 }],
    ["a bound that excludes less", { ...number, exclusiveMinimum: 0 }, { ...number, minimum: 0 }],
    ["values within bounds", { enum: [1, 2] }, { ...number, minimum: 1, maximum: 2 }],
    ["values of a length", { enum: ["ab"] }, { ...text, minLength: 2, maxLength: 2 }],
    ["values of a pattern", { const: "a1" }, { ...text, pattern: "^a" }],
    [
      "a number of which it is a multiple",
      { ...number, multipleOf: 10 },
      { ...number, multipleOf: 5 },
    ],
    ["integers", { type: "integer" }, { type: "number", multipleOf: 1 }],
    [
      "a longer list",
      { type: "array", items: text, maxItems: 2 },
      { type: "array", items: {}, maxItems: 3 },
    ],
    ["the same pattern", { ...text, pattern: "a" }, { ...text, pattern: "a" }],
    ["a new optional property", object({ id: text }), object({ id: text, note: text })],
    ["a property that is no longer required", object({ id: text }, ["id"]), object({ id: text })],
    ["a property that is gone", object({ id: text, note: text }), object({ id: text })],
    [
      "an optional property in a closed object",
      object({ id: text }, [], { additionalProperties: false }),
      object({ id: text, note: number }, [], { additionalProperties: false }),
    ],
    [
      "a map of a wider type",
      { type: "object", additionalProperties: { type: "integer" } },
      { type: "object", additionalProperties: number },
    ],
    [
      "a tuple as a list",
      { type: "array", prefixItems: [text, text], items: false },
      { type: "array", items: text },
    ],
    [
      "one more alternative",
      { anyOf: [text, number] },
      { anyOf: [text, number, { type: "null" }] },
    ],
    ["alternatives as types", { anyOf: [text, number] }, { type: ["string", "number"] }],
    ["types as alternatives", { type: ["string", "null"] }, { anyOf: [text, { type: "null" }] }],
    [
      "one more kind",
      { oneOf: [object({ kind: { const: "a" } }, ["kind"])] },
      {
        oneOf: [
          object({ kind: { const: "a" } }, ["kind"]),
          object({ kind: { const: "b" } }, ["kind"]),
        ],
      },
    ],
    ["the same by another reference", tree(text), { ...tree(text), title: "renamed" }],
    ["a wider type within itself", tree(text), tree({})],
    ["an intersection of which a part fits", { allOf: [text, { minLength: 3 }] }, text],
    [
      "an intersection of objects",
      { allOf: [object({ a: text }, ["a"]), object({ b: text }, ["b"])] },
      object({ a: text, b: text }, ["a", "b"]),
    ],
    [
      "an unknown keyword that both have",
      { ...text, contains: 1 },
      { ...text, contains: 1, title: "a" },
    ],
    ...withReference.map((part): [string, JsonSchema, JsonSchema] => [
      `a reference to the same in ${Object.keys(part).join()}`,
      withId(text, part),
      { ...(withId(text, part) as object), title: "a" },
    ]),
    [
      "names of a pattern that both have",
      { ...closed, properties: { xa: text }, patternProperties: { "^x": text } },
      { ...closed, patternProperties: { "^x": text } },
    ],
    [
      "a name that a pattern describes",
      { ...closed, patternProperties: { "^x": { ...text, minLength: 2 }, "^y": number } },
      { type: "object", properties: { xa: text } },
    ],
    [
      "an unknown keyword that is gone",
      { type: "object", propertyNames: text },
      { type: "object" },
    ],
  ])("finds nothing in %s", (_, from, to) => {
    expect(findDifferences(from, to)).toEqual([]);
  });

  test.each<[string, JsonSchema, JsonSchema, string]>([
    [
      "a property that is required now",
      object({ id: text }),
      object({ id: text }, ["id"]),
      "$.id may be absent, and is required",
    ],
    [
      "another type",
      object({ id: text }),
      object({ id: number }),
      "$.id may be string, and must be number",
    ],
    ["a narrower type", number, { type: "integer" }, "$ may be number, and must be integer"],
    [
      "no type before",
      {},
      text,
      "$ may be null, boolean, integer, number, array or object, and must be string",
    ],
    [
      "a value that is gone",
      { enum: ["a", "b"] },
      { enum: ["a"] },
      '$ may be "b", which is refused',
    ],
    ["values of what was free", text, { enum: ["a"] }, '$ may be other than "a"'],
    ["null no longer", { type: ["string", "null"] }, text, "$ may be null, and must be string"],
    ["a higher minimum", { ...number, minimum: 0 }, { ...number, minimum: 1 }, "$ may be below 1"],
    [
      "a bound that excludes more",
      { ...number, maximum: 5 },
      { ...number, exclusiveMaximum: 5 },
      "$ may be 5 or above",
    ],
    ["a value beyond a bound", { enum: [1, 7] }, { ...number, maximum: 5 }, "$ may be above 5"],
    [
      "another step",
      { ...number, multipleOf: 5 },
      { ...number, multipleOf: 10 },
      "$ may be no multiple of 10",
    ],
    ["a shorter text", text, { ...text, maxLength: 5 }, "$ may have more than 5 characters"],
    [
      "a longer list",
      { type: "array" },
      { type: "array", minItems: 1 },
      "$ may have fewer than 1 items",
    ],
    ["a pattern", text, { ...text, pattern: "^a" }, "$ may not match the pattern ^a"],
    [
      "a value against a pattern",
      { enum: ["a", "b"] },
      { ...text, pattern: "^a" },
      '$ may be "b", which is refused',
    ],
    ["a format", text, { ...text, format: "email" }, "$ may have another format than email"],
    [
      "items of another type",
      { type: "array", items: text },
      { type: "array", items: number },
      "$[] may be string, and must be number",
    ],
    [
      "unique items",
      { type: "array" },
      { type: "array", uniqueItems: true },
      "$ may have the same item twice",
    ],
    [
      "a tuple",
      { type: "array", prefixItems: [text, text] },
      { type: "array", prefixItems: [text, number] },
      "$[1] may be string, and must be number",
    ],
    [
      "a property that a closed object does not have",
      object({ a: text }, [], { additionalProperties: false }),
      object({}, [], { additionalProperties: false }),
      "$.a may be there, and is refused as an unknown property",
    ],
    [
      "a closed object that was open",
      object({}),
      object({}, [], { additionalProperties: false }),
      "$ may have unknown properties, which are refused",
    ],
    [
      "a map of another type",
      { type: "object", additionalProperties: text },
      { type: "object", additionalProperties: number },
      "$.* may be string, and must be number",
    ],
    [
      "an alternative that is gone",
      { anyOf: [text, number] },
      { anyOf: [text] },
      "$ may be number, and must be string",
    ],
    [
      "a type that no alternative has",
      { type: ["string", "boolean"] },
      { anyOf: [text, number] },
      "$ fits none of the alternatives",
    ],
    [
      "a narrower type within itself",
      tree({ type: ["string", "null"] }),
      tree(text),
      "$.name may be null, and must be string",
    ],
    ["a schema that refuses all", text, false, "$ is refused"],
    [
      "another type of a name that a pattern describes",
      { ...closed, patternProperties: { "^x": text } },
      { type: "object", properties: { xa: number } },
      "$.xa may be string, and must be number",
    ],
    [
      "a property with the name of a method",
      { ...closed, properties: { constructor: text } },
      { ...closed, properties: {} },
      "$.constructor may be there, and is refused as an unknown property",
    ],
    [
      "alternatives next to others",
      text,
      { anyOf: [text], oneOf: [number] },
      "$ may be string, and must be number",
    ],
  ])("finds %s", (_, from, to, expected) => {
    const found = findDifferences(from, to);
    expect(found.map(({ path, message }) => `${path} ${message}`)).toContain(expected);
    expect(found.every(({ kind }) => kind === "breaks")).toBe(true);
  });

  test.each<[string, JsonSchema, JsonSchema]>([
    ["an unknown keyword", { type: "object" }, { type: "object", propertyNames: text }],
    ["a negation", text, { not: { const: "a" } }],
    ["a condition", {}, { if: text, else: { minimum: 1 } }],
    ["two patterns", { ...text, pattern: "a" }, { ...text, pattern: "b" }],
    ["values against a format", { enum: ["a"] }, { ...text, format: "email" }],
    ["a reference to elsewhere", { $ref: "https://shop.example/order.json" }, text],
    ["a reference that leads to itself", { $ref: "#" }, text],
    [
      "alternatives that overlap",
      { ...text, minLength: 3 },
      { oneOf: [text, { ...text, minLength: 9 }] },
    ],
    [
      "an intersection",
      { allOf: [{ minLength: 3 }, { ...text, pattern: "a" }] },
      { ...text, minLength: 4 },
    ],
    [
      "alternatives within a rule",
      { minLength: 9, anyOf: [text, { minLength: 1 }] },
      { ...text, minLength: 5 },
    ],
    ["a constant object", { const: { a: 1 } }, object({ a: text })],
    [
      "a keyword that depends on others",
      { unevaluatedProperties: false, properties: { a: {} } },
      { unevaluatedProperties: false, properties: {} },
    ],
    ...withReference.map((part): [string, JsonSchema, JsonSchema] => [
      `a reference to something else in ${Object.keys(part).join()}`,
      withId(text, part),
      withId({ ...text, minLength: 1 }, part),
    ]),
    ["a reference that depends on the schemas around it", recursive(text), recursive(number)],
    [
      "a reference within a part with an id of its own",
      withId(text, { properties: { a: { $id: "https://shop.example/a", not: id } } }),
      withId(number, { properties: { a: { $id: "https://shop.example/a", not: id } } }),
    ],
    ["a schema that may be itself", number, { anyOf: [{ $ref: "#" }, text] }],
    ["how many items must be contained", { contains: text, minContains: 0 }, { contains: text }],
    [
      "names of a pattern, of which nothing is known after",
      { ...closed, patternProperties: { "^x": text } },
      closed,
    ],
    ["a pattern that cannot be read", { const: "a" }, { ...text, pattern: "[" }],
    [
      "constants that are the same in another order",
      { ...(object({ a: { const: { b: 1, c: 2 } } }, ["a"]) as object) },
      {
        oneOf: [
          object({ a: { const: { b: 1, c: 2 } } }, ["a"]),
          object({ a: { const: { c: 2, b: 1 } } }, ["a"]),
        ],
      },
    ],
    [
      "the same text in another draft",
      { $schema: "http://json-schema.org/draft-07/schema#", not: text },
      { $schema: "https://json-schema.org/draft/2020-12/schema", not: text },
    ],
    ["items of draft 7", { type: "array", items: [text] }, { type: "array", items: [number] }],
  ])("cannot tell about %s", (_, from, to) => {
    expect(findDifferences(from, to).map(({ kind }) => kind)).toContain("unknown");
    expect(findDifferences(from, to).map(({ kind }) => kind)).not.toContain("breaks");
  });
});
