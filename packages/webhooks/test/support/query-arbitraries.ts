import fc from "fast-check";
import type { MatchNode, PatternPart, QueryNode, QueryValue } from "../../src/search/query.ts";
import { ANY, ONE } from "../../src/search/query.ts";

const part: fc.Arbitrary<PatternPart> = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 6 }),
  fc.constant(ONE),
);

/** Patterns as the parser makes them: with a wildcard, and no two literal texts or asterisks in a row. */
const pattern: fc.Arbitrary<QueryValue> = fc
  .array(fc.oneof(part, fc.constant(ANY)), { minLength: 2, maxLength: 5 })
  .filter((parts) => {
    const merges = parts.some((each, index) => {
      const next = parts[index + 1];
      return (
        (each === ANY && next === ANY) || (typeof each === "string" && typeof next === "string")
      );
    });
    return !merges && parts.some((each) => typeof each !== "string");
  })
  .map((parts) => ({ type: "pattern", parts }));

const bound = fc.record({
  text: fc.string({ unit: "binary", maxLength: 6 }),
  inclusive: fc.boolean(),
  at: fc.constant(0),
});

const range: fc.Arbitrary<QueryValue> = fc
  .record({
    lower: fc.option(bound),
    upper: fc.option(bound),
  })
  .filter(({ lower, upper }) => lower !== null || upper !== null)
  .map((bounds) => ({ type: "range", ...bounds }));

const match: fc.Arbitrary<MatchNode> = fc
  .record({
    field: fc.option(
      fc
        .string({ unit: "binary", minLength: 1, maxLength: 8 })
        .filter((name) => name !== "_exists_"),
    ),
    value: fc.oneof(
      fc.record({
        type: fc.constant("text" as const),
        text: fc.string({ unit: "binary", maxLength: 8 }),
      }),
      pattern,
      range,
      fc.constant({ type: "exists" as const }),
    ),
  })
  .filter(({ field, value }) => field !== null || value.type === "text" || value.type === "pattern")
  .map((node) => ({ type: "match", at: 0, valueAt: 0, ...node }));

/** Trees that the parser may make. */
export const queryNodes: fc.Arbitrary<QueryNode> = fc.letrec<{ node: QueryNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    fc.oneof({ weight: 9, arbitrary: match }, fc.constant({ type: "all" as const, at: 0 })),
    fc
      .record({
        must: fc.array(tie("node"), { maxLength: 2 }),
        should: fc.array(tie("node"), { maxLength: 2 }),
        mustNot: fc.array(tie("node"), { maxLength: 2 }),
      })
      .filter(({ must, should, mustNot }) => mustNot.length > 0 || must.length + should.length > 1)
      .map((clauses) => ({ type: "bool" as const, at: 0, ...clauses })),
  ),
})).node;

/** A tree without its positions, to compare it with another. */
export function withoutPositions(node: QueryNode): unknown {
  return JSON.parse(
    JSON.stringify(node, (key, value: unknown) => {
      if (key === "at" || key === "valueAt") return undefined;
      return typeof value === "symbol" ? { wildcard: value.description } : value;
    }),
  );
}
