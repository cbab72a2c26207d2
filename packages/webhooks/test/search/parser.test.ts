import { describe, expect, test } from "vitest";
import { isLuceneError, type LuceneError } from "../../src/search/lucene-error.ts";
import { MAX_QUERY_CLAUSES, MAX_QUERY_DEPTH, parseQuery } from "../../src/search/parser.ts";
import { printQuery } from "../../src/search/query.ts";

/** What a query means, with all operators as `+` and `-`. */
function meaning(query: string, defaultOperator: "OR" | "AND" = "OR"): string {
  return printQuery(parseQuery(query, { defaultOperator }));
}

function fault(query: string): LuceneError {
  try {
    parseQuery(query);
  } catch (error) {
    if (isLuceneError(error)) return error;
    throw error;
  }
  throw new Error(`nothing is wrong with ${query}`);
}

describe("parseQuery", () => {
  test.each([
    // The five queries that the documentation of Mage-OS shows.
    ["event_name: customer.*", "event_name:customer.*"],
    ["*.created", "*.created"],
    ["customer.* AND success: false", '(+customer.* +success:"false")'],
    [
      "data.data.customer_email: roni_cost@example.com",
      'data.data.customer_email:"roni_cost@example.com"',
    ],
    [
      "data.data.increment_id: CK* AND success: true",
      '(+data.data.increment_id:CK* +success:"true")',
    ],
    ["", "*:*"],
    ["  ", "*:*"],
    ["*", "*:*"],
    ["*:*", "*:*"],
    ["a", '"a"'],
    ["a b", '("a" "b")'],
    ["a OR b", '("a" "b")'],
    ["a || b", '("a" "b")'],
    ["a AND b", '(+"a" +"b")'],
    ["a && b", '(+"a" +"b")'],
    ["a AND b OR c", '((+"a" +"b") "c")'],
    ["a OR b AND c", '("a" (+"b" +"c"))'],
    ["NOT a", '(-"a")'],
    ["!a", '(-"a")'],
    ["-a", '(-"a")'],
    ["a NOT b", '("a" -"b")'],
    ["a -b", '("a" -"b")'],
    ["a OR -b", '("a" -"b")'],
    ["a OR NOT b", '("a" (-"b"))'],
    ["NOT a OR b", '((-"a") "b")'],
    ["NOT a AND b", '(+"b" -"a")'],
    ["a AND NOT b", '(+"a" -"b")'],
    ["a && b || !c", '((+"a" +"b") (-"c"))'],
    ["quick brown +fox -news", '(+"fox" "quick" "brown" -"news")'],
    ["+a:b -c:d", '(+a:"b" -c:"d")'],
    ["(a OR b) AND c", '(+("a" "b") +"c")'],
    ["((a))", '"a"'],
    ["a:(b OR c)", '(a:"b" a:"c")'],
    ["a:(b AND d:c)", '(+a:"b" +d:"c")'],
    ["a:(+b -c)", '(+a:"b" -a:"c")'],
    ["a:b^2", 'a:"b"'],
    ["(a b)^0.5 c", '(("a" "b") "c")'],
    ['a:"b c"', 'a:"b c"'],
    ['a : "b"', 'a:"b"'],
    [String.raw`a:"b \" c"`, String.raw`a:"b \" c"`],
    [String.raw`a:b\:c`, 'a:"b:c"'],
    [String.raw`a\:b:c`, String.raw`a\:b:"c"`],
    [String.raw`a:b\ c`, 'a:"b c"'],
    [String.raw`a:b\*`, 'a:"b*"'],
    [String.raw`a:\u0041`, 'a:"A"'],
    [String.raw`\AND`, '"AND"'],
    ["a:te?t*", "a:te?t*"],
    ["a:b**", "a:b*"],
    ["a:*", "_exists_:a"],
    ["_exists_:a.b", "_exists_:a.b"],
    ["NOT _exists_:a", "(-_exists_:a)"],
    ["a:[1 TO 5]", 'a:["1" TO "5"]'],
    ["a:{1 TO 5}", 'a:{"1" TO "5"}'],
    ["a:[1 TO 5}", 'a:["1" TO "5"}'],
    ["a:{1 TO *]", 'a:{"1" TO *]'],
    ["a:[* TO 5]", 'a:[* TO "5"]'],
    ["a:[* TO *]", "_exists_:a"],
    ["a:>5", 'a:{"5" TO *]'],
    ["a:>=5", 'a:["5" TO *]'],
    ["a:<5", 'a:[* TO "5"}'],
    ["a: <= 5", 'a:[* TO "5"]'],
    ["a:(>=5 AND <10)", '(+a:["5" TO *] +a:[* TO "10"})'],
    ["a:-5", 'a:"-5"'],
    ["a:[-5 TO -1]", 'a:["-5" TO "-1"]'],
    ["created:2024-01-01T10:00:00Z", 'created:"2024-01-01T10:00:00Z"'],
    ["created:>2024-01-01T10:00", 'created:{"2024-01-01T10:00" TO *]'],
    ['created:["2024-01-01 00:00:00" TO 2024-02]', 'created:["2024-01-01 00:00:00" TO "2024-02"]'],
    ["destination:https://shop.test/hooks", 'destination:"https://shop.test/hooks"'],
    ["https://shop.test/a-b", '"https://shop.test/a-b"'],
    ["and or not to", '("and" "or" "not" "to")'],
    ["a\nb", '("a" "b")'],
    ["größe:42", 'größe:"42"'],
  ])("reads %s", (query, expected) => {
    expect(meaning(query)).toBe(expected);
  });

  test.each([
    ["a b", '(+"a" +"b")'],
    ["a b OR c", '(+"a" +("b" "c"))'],
    ["a -b", '(+"a" -"b")'],
    ["a NOT b c", '(+"a" +"c" -"b")'],
    ["a OR b", '("a" "b")'],
    ["x:(a b)", '(+x:"a" +x:"b")'],
  ])("reads %s with AND between words", (query, expected) => {
    expect(meaning(query, "AND")).toBe(expected);
  });

  test.each<[query: string, offset: number, expected?: string]>([
    ["(", 1, "a word"],
    [")", 0, "a word"],
    ["()", 1, "a word"],
    ["(a", 2, '")"'],
    ["a)", 1],
    ["((a)", 4, '")"'],
    ["(a OR)", 5, "a word"],
    ["a:(b", 4, '")"'],
    ["a:()", 3, "a word"],
    ['"a', 0, `'"' at its end`],
    ['a:"b', 2, `'"' at its end`],
    ['"', 0],
    ['a "b" "', 6],
    [String.raw`"a\"`, 0],
    ["a:", 2, "a word"],
    ["a: ", 3, "a word"],
    [":a", 0, "a word"],
    [":", 0],
    ["a::b", 2, "a word"],
    ["a:b:c", 3, String.raw`"\:"`],
    ["a:b: c", 3],
    ["AND", 0, "a word"],
    ["AND a", 0, "a word"],
    ["OR a", 0],
    ["a AND", 5, "a word"],
    ["a OR", 4],
    ["a NOT", 5],
    ["NOT", 3],
    ["NOT NOT a", 4],
    ["a AND AND b", 6],
    ["a AND OR b", 6],
    ["a OR OR b", 5],
    ["a && && b", 5],
    ["&& a", 0],
    ["a ||", 4],
    ["a:AND", 2],
    ["a: OR b", 3],
    ["+", 1],
    ["-", 1],
    ["!", 1],
    ["+ +a", 2],
    ["-!a", 1],
    ["a:+b", 2],
    ["a:-b", 2],
    ["a -", 3],
    ["a:[1 TO 2", 9, '"]"'],
    ["a:[1 TO", 7],
    ["a:[1 TO]", 7, "the upper bound"],
    ["a:[1 2]", 5, "TO"],
    ["a:[1]", 4, "TO"],
    ["a:[]", 3, "the lower bound"],
    ["a:[", 3],
    ["a:[TO 2]", 3, "the lower bound"],
    ["a:[1 to 2]", 5, "TO"],
    ["a:[1 TO 2)", 10],
    ['a:["1 TO 2]', 3],
    ["a:]", 2],
    ["a]", 1],
    ["a}", 1],
    ["{1 TO 2}", 0],
    ["[1 TO 2]", 0],
    ["a:>", 3, "a number"],
    ["a:>=", 4],
    ["a:<*", 3],
    ["a:>(1)", 3],
    [">5", 0],
    ["a:/b.*/", 2],
    ["/a/", 0],
    ["a~", 1],
    ["a:b~2", 3],
    ['"a b"~3', 5],
    ["a^", 2, "a number"],
    ["a^b", 2, "a number"],
    ["a^2x", 2],
    ["a*:b", 0],
    ["*:b", 0],
    ["?:b", 0],
    ["_exists_:", 9, "the name of a field"],
    ["_exists_:a*", 9, "the name of a field"],
    ["_exists_:(a)", 9],
    [String.raw`a\ `.trim(), 1],
    [String.raw`a:\u12`, 2],
    [String.raw`\uzzzz`, 0],
    [`${"(".repeat(MAX_QUERY_DEPTH + 1)}a`, MAX_QUERY_DEPTH],
    ["a ".repeat(MAX_QUERY_CLAUSES + 1), MAX_QUERY_CLAUSES * 2],
    ["a".repeat(5_000), 4_096],
  ])("refuses %s at its fault", (query, offset, expected) => {
    const error = fault(query);
    expect(error.offset).toBe(offset);
    if (expected !== undefined) expect(error.expected).toContain(expected);
    expect(error.message).toMatch(/, at position \d+/);
  });

  test("says line and column of a fault", () => {
    const error = fault("a AND\n(b OR\n  c:)");
    expect(error).toMatchObject({ line: 3, column: 5, offset: 16 });
    expect(error.message).toBe(
      '")" is out of place, at line 3, position 5: expected a word, a phrase, a range or "("',
    );
  });
});
