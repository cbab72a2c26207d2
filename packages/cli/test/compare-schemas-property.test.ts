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
    fc.dictionary(fc.constantFrom("a", "b"), tie("value"), { maxKeys: 2 }),
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
      })
      .map(compact),
    fc
      .record({
        type: fc.constant("object"),
        properties: fc.dictionary(fc.constantFrom("a", "b"), tie("schema"), { maxKeys: 2 }),
        required: maybe(fc.uniqueArray(fc.constantFrom("a", "b"))),
        additionalProperties: fc.oneof(fc.constant(false), tie("schema")),
        maxProperties: maybe(small),
      })
      .map(compact),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((oneOf) => ({ oneOf })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((allOf) => ({ allOf })),
    fc.constant({ not: { type: "null" } }),
  ),
})).schema;

test("data of the first schema is valid by the second one where nothing is found", () => {
  const ajv = new Ajv2020({ strict: false, validateSchema: false, logger: false });
  let compatible = 0;
  fc.assert(
    fc.property(
      schema,
      schema,
      fc.boolean(),
      fc.array(value, { minLength: 5, maxLength: 12 }),
      (first, second, isWider, values) => {
        // A second schema at random is hardly ever wider than the first.
        const to = isWider ? { anyOf: [first, second] } : second;
        if (findDifferences(first, to).length > 0) return;
        compatible += 1;
        const [from, into] = [ajv.compile(first as object), ajv.compile(to as object)];
        for (const each of values) {
          if (from(each) && !into(each)) throw new Error(`${JSON.stringify(each)} is refused`);
        }
      },
    ),
    { numRuns: 150, seed: 14 },
  );
  expect(compatible).toBeGreaterThan(30);
});
