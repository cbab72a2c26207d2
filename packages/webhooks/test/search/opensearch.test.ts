import { describe, expect, test } from "vitest";
import { LOG_FIELDS } from "../../src/search/fields.ts";
import { readQuery } from "../../src/search/lucene-query.ts";
import { openSearchQuery } from "../../src/search/opensearch.ts";

describe("openSearchQuery", () => {
  test.each([
    ["", { match_all: {} }],
    [
      "customer.created AND success:false",
      {
        bool: {
          filter: [expect.anything(), { terms: { success: [false] } }],
        },
      },
    ],
    [
      "event_name:customer.*",
      { wildcard: { event_name: { value: "customer.*", case_insensitive: true } } },
    ],
    ["uuid:a", { terms: { uuid: ["a"] } }],
    ["notifier:http", { term: { notifier: { value: "http", case_insensitive: true } } }],
    ["status:dead", { term: { status: { value: "dead", case_insensitive: true } } }],
    ["status_code:[500 TO 599]", { range: { status_code: { gte: 500, lte: 599 } } }],
    [
      "created:{2024-01-01 TO 2024-01-02}",
      { range: { created: { gte: Date.UTC(2024, 0, 2), lt: Date.UTC(2024, 0, 2) } } },
    ],
    ["NOT _exists_:scope", { bool: { must_not: [{ exists: { field: "scope" } }] } }],
    [
      "data.total:>5 OR error:refused",
      {
        bool: {
          should: [
            { range: { "data.total": { gt: 5 } } },
            {
              multi_match: { query: "refused", fields: ["error"], type: "phrase", lenient: true },
            },
          ],
          minimum_should_match: 1,
        },
      },
    ],
    [
      String.raw`data.data.a:x\**?`,
      {
        bool: {
          should: ["data.data.a", "data.a"].map((field) => ({
            bool: {
              should: [field, `${field}.keyword`].map((each) => ({
                wildcard: { [each]: { value: String.raw`x\**?`, case_insensitive: true } },
              })),
              minimum_should_match: 1,
            },
          })),
          minimum_should_match: 1,
        },
      },
    ],
    ["data.a:{b TO *]", { range: { "data.a": { gt: "b" } } }],
    ["data:b*", { query_string: { query: "b*", fields: ["data.*"], lenient: true } }],
  ])("makes an object of %s", (query, expected) => {
    expect(openSearchQuery(readQuery(query, LOG_FIELDS))).toEqual(expected);
  });
});
