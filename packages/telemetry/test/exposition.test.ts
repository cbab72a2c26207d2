import { expect, test } from "vitest";
import { parseExposition } from "./support/exposition.ts";

const head = "# HELP a_total A.\n# TYPE a_total counter\n";
const histogram = (...lines: string[]): string =>
  `# HELP h H.\n# TYPE h histogram\n${lines.join("\n")}\n`;

test("the parser of scrapes reads what Prometheus reads", () => {
  const text = `${head}a_total{x="1",y="say \\"hi\\"\\n"} 3\na_total 1e3\n${histogram(
    'h_bucket{le="1"} 1',
    'h_bucket{le="+Inf"} 2',
    "h_sum 3",
    "h_count 2",
  )}`;
  expect(parseExposition(text).get("a_total")?.samples).toEqual([
    { name: "a_total", labels: { x: "1", y: 'say "hi"\n' }, value: 3 },
    { name: "a_total", labels: {}, value: 1_000 },
  ]);
});

test.each([
  ["no end", `${head}a_total 1`],
  ["no type", "a_total 1\n"],
  ["no help", "# TYPE a_total counter\na_total 1\n"],
  ["a family twice", `${head}a_total 1\n${head}`],
  ["a sample twice", `${head}a_total 1\na_total 1\n`],
  ["a sample of another family", `${head}b_total 1\n`],
  ["a counter without _total", "# HELP a A.\n# TYPE a counter\na 1\n"],
  ["a counter below 0", `${head}a_total -1\n`],
  ["a value that is none", `${head}a_total one\n`],
  ["a label that is none", `${head}a_total{x.y="1"} 1\n`],
  ["a label twice", `${head}a_total{x="1",x="1"} 1\n`],
  ["a quote in a label", `${head}a_total{x="a"b"} 1\n`],
  [
    "buckets that fall",
    histogram('h_bucket{le="1"} 2', 'h_bucket{le="+Inf"} 1', "h_sum 1", "h_count 1"),
  ],
  ["no last bucket", histogram('h_bucket{le="1"} 2', "h_sum 1", "h_count 2")],
  ["a count that differs", histogram('h_bucket{le="+Inf"} 1', "h_sum 1", "h_count 2")],
])("the parser of scrapes throws at %s", (_, text) => {
  expect(() => parseExposition(text)).toThrow();
});
