import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { findDifferences } from "../src/events/compare-schemas.ts";
import type { JsonSchema } from "../src/events/json-schema.ts";

const primitive = fc.constantFrom<unknown>(null, true, false, 0, 1, 2.5, -3, "", "a", "ab");
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    primitive,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b"), tie("value"), { maxKeys: 2, noNullPrototype: true }),
  ),
})).value;

const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(of, { nil: undefined });
const compact = (schema: object): JsonSchema =>
  Object.fromEntries(Object.entries(schema).filter(([, it]) => it !== undefined));
const small = fc.integer({ min: 0, max: 3 });
const type = fc.constantFrom("null", "boolean", "integer", "number", "string", "array", "object");

/** Objects name all that they may have: what a schema does not name is the rule that the comparison makes. */
const schema = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc
      .oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 }))
      .map((it) => ({ type: it })),
    fc
      .uniqueArray(primitive, { minLength: 1, maxLength: 3, comparator: "SameValueZero" })
      .map((it) => ({ enum: it })),
    fc
      .record({
        type: maybe(fc.constantFrom("number", "integer")),
        minimum: maybe(small),
        exclusiveMinimum: maybe(small),
        maximum: maybe(small),
        multipleOf: maybe(fc.constantFrom(1, 2, 0.5)),
      })
      .map(compact),
    fc
      .record({
        type: maybe(fc.constant("string")),
        minLength: maybe(small),
        maxLength: maybe(small),
        pattern: maybe(fc.constantFrom("^a", "b$")),
      })
      .map(compact),
    fc
      .record({
        type: fc.constant("array"),
        items: maybe(tie("schema")),
        prefixItems: maybe(fc.array(tie("schema"), { minLength: 1, maxLength: 2 })),
        minItems: maybe(small),
        maxItems: maybe(small),
        uniqueItems: maybe(fc.boolean()),
        contains: maybe(tie("schema")),
        minContains: maybe(fc.integer({ min: 0, max: 2 })),
      })
      .map(compact),
    fc
      .record({
        type: fc.constant("object"),
        properties: fc.dictionary(fc.constantFrom("a", "b"), tie("schema"), { maxKeys: 2 }),
        required: maybe(fc.uniqueArray(fc.constantFrom("a", "b"))),
        additionalProperties: fc.oneof(fc.constant(false), tie("schema")),
        patternProperties: maybe(
          fc.dictionary(fc.constantFrom("^a", "b$"), tie("schema"), { minKeys: 1, maxKeys: 2 }),
        ),
        propertyNames: maybe(fc.constantFrom({ const: "a" }, { $ref: "#/$defs/other" })),
        maxProperties: maybe(small),
      })
      .map(compact),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((oneOf) => ({ oneOf })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((allOf) => ({ allOf })),
    fc.constantFrom({ not: { type: "null" } }, { not: { $ref: "#/$defs/other" } }),
    fc.constant({ $ref: "#/$defs/other" }),
  ),
})).schema;

/** A document whose references lead to a type. */
function withOther(
  schemaOf: JsonSchema,
  other: string | undefined,
): Readonly<Record<string, unknown>> {
  return { ...(schemaOf as object), $defs: { other: { type: other } } };
}

/** How a second schema comes from the first one. Two at random are hardly ever compatible. */
const relation = fc.constantFrom("random", "wider", "same text");

test("data of the first schema is valid by the second one where nothing is found", () => {
  const ajv = new Ajv2020({ strict: false, validateSchema: false, logger: false });
  let compatible = 0;
  fc.assert(
    fc.property(
      schema,
      schema,
      relation,
      fc.tuple(type, type),
      fc.array(value, { minLength: 5, maxLength: 12 }),
      (one, other, how, others, values) => {
        const related = { random: other, wider: { anyOf: [one, other] }, "same text": one }[how];
        const [first, second] = [withOther(one, others[0]), withOther(related, others[1])];
        if (findDifferences(first, second).length > 0) return;
        compatible += 1;
        const [from, into] = [ajv.compile(first), ajv.compile(second)];
        for (const each of values) {
          if (from(each) && !into(each)) throw new Error(`${JSON.stringify(each)} is refused`);
        }
      },
    ),
    { numRuns: 300, seed: 14 },
  );
  expect(compatible).toBeGreaterThan(30);
});
