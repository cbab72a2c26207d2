import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { Condition, LeafTest, MemberTest, Span } from "./condition.ts";
import { payloadPath } from "./documents.ts";
import { LOG_FIELDS } from "./fields.ts";
import { ANY, ONE, type PatternPart } from "./query.ts";

/** The field of an OpenSearch index for each member of a record: the first of its names, `status_code` for the code. */
const FIELDS: ReadonlyMap<string, string> = new Map(
  Object.entries(LOG_FIELDS)
    .toReversed()
    .map(([name, { member }]) => [member, name]),
);

/**
 * Compiles a query to the query object of OpenSearch and Elasticsearch, for an index with the fields of the log, in
 * which ids and names are keywords and payloads are dynamic, as texts with a keyword `.keyword`.
 */
export function openSearchQuery(condition: Condition): JsonObject {
  switch (condition.type) {
    case "all":
      return { match_all: {} };
    case "bool": {
      const { must, should, mustNot } = condition;
      return {
        bool: {
          ...(must.length > 0 && { filter: must.map(openSearchQuery) }),
          ...(must.length === 0 &&
            should.length > 0 && { should: should.map(openSearchQuery), minimum_should_match: 1 }),
          ...(mustNot.length > 0 && { must_not: mustNot.map(openSearchQuery) }),
        },
      };
    }
    case "member":
      return memberQuery(FIELDS.get(condition.member) ?? condition.member, condition.test);
    case "text":
      return leafQuery(condition.member, condition.test);
    case "payload": {
      const { paths, test } = condition;
      return paths === null
        ? leafQuery("data.*", test)
        : anyOf(paths.map((path) => leafQuery(payloadPath(path), test)));
    }
  }
}

function memberQuery(field: string, test: MemberTest): JsonObject {
  switch (test.type) {
    case "values":
      return { terms: { [field]: test.values } };
    case "name":
      return { term: { [field]: { value: test.name, case_insensitive: true } } };
    case "pattern":
      return wildcard(field, test.parts, test.ignoresCase);
    case "span":
      return { range: { [field]: spanQuery(test.span) } };
    case "exists":
      return { exists: { field } };
  }
}

function leafQuery(field: string, test: LeafTest): JsonObject {
  switch (test.type) {
    case "text":
      return { multi_match: { query: test.whole, fields: [field], type: "phrase", lenient: true } };
    case "pattern":
      return field.includes("*")
        ? { query_string: { query: patternText(test.parts), fields: [field], lenient: true } }
        : anyOf([
            wildcard(field, test.parts, true),
            wildcard(`${field}.keyword`, test.parts, true),
          ]);
    case "span":
      return { range: { [field]: spanQuery(test.span) } };
    case "terms":
      return {
        range: {
          [field]: {
            ...(test.lower && { [test.lower.inclusive ? "gte" : "gt"]: test.lower.text }),
            ...(test.upper && { [test.upper.inclusive ? "lte" : "lt"]: test.upper.text }),
          },
        },
      };
    case "exists":
      return { exists: { field } };
  }
}

function wildcard(field: string, parts: readonly PatternPart[], ignoresCase: boolean): JsonObject {
  return { wildcard: { [field]: { value: patternText(parts), case_insensitive: ignoresCase } } };
}

function patternText(parts: readonly PatternPart[]): string {
  return parts
    .map((part) => {
      if (part === ANY) return "*";
      return part === ONE ? "?" : (part as string).replaceAll(/[*?\\]/g, String.raw`\$&`);
    })
    .join("");
}

function spanQuery({ min, max, minInclusive, maxInclusive }: Span): JsonObject {
  return {
    ...(min !== null && { [minInclusive ? "gte" : "gt"]: min }),
    ...(max !== null && { [maxInclusive ? "lte" : "lt"]: max }),
  };
}

function anyOf(queries: readonly JsonObject[]): JsonValue & JsonObject {
  const [only] = queries;
  return queries.length === 1 && only
    ? only
    : { bool: { should: queries, minimum_should_match: 1 } };
}
