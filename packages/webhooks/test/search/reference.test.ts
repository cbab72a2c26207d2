import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LOG_FIELDS } from "../../src/search/fields.ts";
import { readQuery } from "../../src/search/lucene-query.ts";

const page = readFileSync(
  new URL("../../../../docs/reference/search-syntax.md", import.meta.url),
  "utf8",
);
/** The first cells of the tables of a section. */
const cellsOf = (heading: string): readonly string[] => {
  const section = page.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) => row.split(/(?<!\\)\|/)[1] ?? "");
};
const codesOf = (cell: string): readonly string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code.replaceAll(String.raw`\|`, "|"));

describe("the reference of the search syntax", () => {
  const block = /```text\n([^`]+)```/.exec(page)?.[1]?.trim().split("\n") ?? [];
  const queries = [...block, ...cellsOf("Clauses").flatMap(codesOf)];

  test("has examples", () => {
    expect(block).toHaveLength(5);
    expect(queries.length).toBeGreaterThan(30);
  });

  test.each(queries)("shows %s, which can be read", (query) => {
    // The operators of ranges are shown without their field.
    const whole = /^[<>]=?$/.test(query) ? `data.total:${query}1` : query;
    expect(readQuery(whole, LOG_FIELDS)).toBeDefined();
  });

  test("lists all fields", () => {
    const listed = cellsOf("Fields").flatMap(codesOf);
    expect(listed.filter((name) => !name.startsWith("data"))).toEqual(Object.keys(LOG_FIELDS));
  });
});
