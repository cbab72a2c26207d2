import fc from "fast-check";
import lucene from "lucene";
import { describe, expect, test } from "vitest";
import { isLuceneError } from "../../src/search/lucene-error.ts";
import { MAX_QUERY_LENGTH, parseQuery } from "../../src/search/parser.ts";
import { printQuery, type QueryNode } from "../../src/search/query.ts";
import { queryNodes, withoutPositions } from "../support/query-arbitraries.ts";

/** Texts that are nearly queries. */
const nearQueries = fc
  .array(
    fc.oneof(
      fc.constantFrom(...Array.from('()[]{}:"\\/^~*?+-!<>= \n')),
      fc.constantFrom(
        " AND ",
        " OR ",
        "NOT ",
        " TO ",
        "&&",
        "||",
        "_exists_",
        "*:*",
        "a",
        "b:",
        "\\u00",
      ),
      fc.string({ unit: "binary", maxLength: 3 }),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(""));

describe("parseQuery", () => {
  test("reads what printQuery has written as the same tree", () => {
    fc.assert(
      fc.property(queryNodes, (node) => {
        expect(withoutPositions(parseQuery(printQuery(node)))).toEqual(withoutPositions(node));
      }),
      { numRuns: 500 },
    );
  });

  test("answers any text with a tree or with a LuceneError within the text", () => {
    fc.assert(
      fc.property(nearQueries, fc.constantFrom("OR" as const, "AND" as const), (text, operator) => {
        try {
          const node = parseQuery(text, { defaultOperator: operator });
          expect(withoutPositions(parseQuery(printQuery(node)))).toEqual(withoutPositions(node));
        } catch (error) {
          if (!isLuceneError(error)) throw error;
          expect(error.offset).toBeGreaterThanOrEqual(0);
          expect(error.offset).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(["(", "a:(", "a ", "+", "!", "\\", "*", "?a", '"', "[", "a:b:", "1", "://", "AND "])(
    "is done with %s over and over in no time",
    (piece) => {
      const text = piece.repeat(MAX_QUERY_LENGTH / piece.length);
      const before = performance.now();
      try {
        parseQuery(text);
      } catch (error) {
        if (!isLuceneError(error)) throw error;
      }
      expect(performance.now() - before).toBeLessThan(200);
    },
  );
});

describe("parseQuery and the package lucene", () => {
  const words = ["a", "b", "c", "d"];
  const leaf = fc.oneof(
    fc.constantFrom(...words),
    fc.constantFrom(...words).map((word) => `"${word}"`),
    fc.constantFrom(...words).map((word) => `f:${word}`),
    fc.constantFrom(...words).map((word) => `f:"${word}"`),
  );
  const grouped = fc.letrec<{ query: string }>((tie) => ({
    query: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc
        .tuple(tie("query"), fc.constantFrom(" AND ", " OR ", " && ", " || ", " "), tie("query"))
        .map(([left, operator, right]) => `(${left}${operator}${right})`),
      fc
        .tuple(tie("query"), fc.constantFrom(" AND NOT ", " OR NOT "), leaf)
        .map(([left, operator, right]) => `(${left}${operator}${right})`),
    ),
  })).query;

  test("agree on queries with parentheses", () => {
    fc.assert(
      fc.property(
        grouped,
        fc.subarray([...words, ...words.map((word) => `f:${word}`)]),
        (query, facts) => {
          const isTrue = (name: string): boolean => facts.includes(name);
          expect(holds(parseQuery(query), isTrue)).toBe(
            holdsForLucene(lucene.parse(query), isTrue),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});

function holds(node: QueryNode, isTrue: (name: string) => boolean): boolean {
  if (node.type === "all") return true;
  if (node.type === "match") {
    const text = node.value.type === "text" ? node.value.text : "";
    return isTrue(node.field === null ? text : `${node.field}:${text}`);
  }
  const { must, should, mustNot } = node;
  return (
    must.every((each) => holds(each, isTrue)) &&
    (must.length > 0 || should.length === 0 || should.some((each) => holds(each, isTrue))) &&
    !mustNot.some((each) => holds(each, isTrue))
  );
}

function holdsForLucene(
  node: lucene.AST | lucene.Node,
  isTrue: (name: string) => boolean,
): boolean {
  if ("term" in node)
    return isTrue(node.field === "<implicit>" ? node.term : `${node.field}:${node.term}`);
  if (!("left" in node)) throw new Error("a range");
  const left = holdsForLucene(node.left, isTrue);
  if (!("operator" in node)) return left;
  const right = holdsForLucene(node.right, isTrue);
  switch (node.operator as string) {
    case "AND":
    case "&&":
      return left && right;
    case "AND NOT":
    case "NOT":
      return left && !right;
    case "OR NOT":
      return left || !right;
    default:
      return left || right;
  }
}
