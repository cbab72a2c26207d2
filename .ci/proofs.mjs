// The checklist of webhooks has each row once, and each test that it names is there. A row without a test says what it
// lacks.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { finish, root } from "./lib.mjs";

const page = "docs/reference/webhooks-checklist.md";
/** What paths of tests on the page start at, unless they start with `packages/` or `examples/`. */
const tests = "packages/webhooks/test";
/** The rows of each table: the last number, and the rows that Busbar does not have yet. */
const tables = [
  { letter: "A", last: 31, without: [] },
  { letter: "B", last: 23, without: [8, 17, 21] },
  { letter: "C", last: 17, without: [3, 4, 7, 10, 12, 14] },
  { letter: "D", last: 11, without: [] },
  { letter: "F", last: 10, without: [] },
];

const text = readFileSync(join(root, page), "utf8");
const lines = text.split("\n");
const problems = [];
let count = 0;

for (const { letter, last, without } of tables) {
  for (let number = 1; number <= last; number += 1) {
    if (without.includes(number)) continue;
    const rows = lines.filter((line) => line.startsWith(`| ${letter}${number} `));
    if (rows.length !== 1) problems.push(`${letter}${number} has ${rows.length} rows, not one`);
    for (const row of rows) checkRow(`${letter}${number}`, row);
  }
}
finish(problems, `${count} tests of the checklist of webhooks`);

function checkRow(name, row) {
  const proofs = [...row.matchAll(/`([^`]+\.(?:ts|txt))`(?:: "([^"]+)")?/g)];
  if (proofs.length === 0 && !row.includes("**Not whole:**")) {
    problems.push(`${name} neither names a test nor says what is not whole`);
  }
  for (const [, path, title] of proofs) {
    count += 1;
    const file = join(root, /^(?:packages|examples)\//.test(path) ? path : join(tests, path));
    if (!existsSync(file)) problems.push(`${name}: there is no file ${path}`);
    else if (title === undefined && !path.endsWith(".txt")) {
      problems.push(`${name}: the name of the test in ${path} is missing`);
    } else if (title !== undefined) checkTitle(name, path, title, readFileSync(file, "utf8"));
  }
}

/** Each part of a title, such as `the breaker > warns once`, is the name of a test or of a group in the file. */
function checkTitle(name, path, title, source) {
  for (const part of title.split(" > ")) {
    if (source.includes(`"${part}"`) || source.includes(`\`${part}\``)) continue;
    problems.push(`${name}: there is no test "${part}" in ${path}`);
  }
}
