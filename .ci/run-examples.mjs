// Starts each example and compares what it prints with its expected.txt, line by line.
// In expected.txt `<id>` stands for a UUID, `<ms>` for a number and `<any>` for any text in a line.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { finish, run, workspace } from "./lib.mjs";

const timeoutMs = 60_000;
const wanted = process.argv.slice(2);
const placeholders = {
  "<id>": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
  "<ms>": String.raw`\d+(?:\.\d+)?`,
  "<any>": ".*",
};

const problems = [];
let count = 0;
for (const { folder, path, manifest } of workspace()) {
  if (!folder.startsWith("examples/") || manifest.scripts?.start === undefined) continue;
  if (wanted.length > 0 && !wanted.some((name) => folder.endsWith(`/${name}`))) continue;
  const expectedFile = join(path, "expected.txt");
  if (!existsSync(expectedFile)) {
    problems.push(`${folder} has no expected.txt`);
    continue;
  }
  count += 1;
  // What is expected is what an example does by itself, without the servers of this machine.
  const env = { REDIS_URL: "", BUSBAR_PROVIDER: "" };
  const result = await run("pnpm", ["--silent", "run", "start"], { cwd: path, timeoutMs, env });
  if (result.timedOut) {
    problems.push(`${folder} did not end within ${timeoutMs} ms\n${result.output}`);
  } else if (result.code !== 0) {
    problems.push(`${folder} ended with code ${result.code}\n${result.output}`);
  } else {
    const difference = compare(linesOf(readFileSync(expectedFile, "utf8")), linesOf(result.stdout));
    if (difference !== undefined) {
      problems.push(`${folder} (- expected.txt, + printed)\n${difference}\n${result.stderr}`);
    }
  }
}
finish(problems, `${count} examples`);

/** Without the final line break, and with one kind of line break. */
function linesOf(text) {
  return text.replaceAll("\r\n", "\n").replace(/\n$/, "").split("\n");
}

function matches(expected, actual) {
  const pattern = expected
    .split(/(<id>|<ms>|<any>)/)
    .map((part) => placeholders[part] ?? part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`))
    .join("");
  return new RegExp(`^${pattern}$`).test(actual);
}

/** Undefined when equal; otherwise every line, marked, after the longest common subsequence. */
function compare(expected, actual) {
  const common = Array.from({ length: expected.length + 1 }, () =>
    Array.from({ length: actual.length + 1 }, () => 0),
  );
  for (let e = expected.length - 1; e >= 0; e -= 1) {
    for (let a = actual.length - 1; a >= 0; a -= 1) {
      common[e][a] = matches(expected[e], actual[a])
        ? common[e + 1][a + 1] + 1
        : Math.max(common[e + 1][a], common[e][a + 1]);
    }
  }
  const lines = [];
  let e = 0;
  let a = 0;
  while (e < expected.length || a < actual.length) {
    if (e < expected.length && a < actual.length && matches(expected[e], actual[a])) {
      lines.push(`  ${actual[a]}`);
      e += 1;
      a += 1;
    } else if (
      a >= actual.length ||
      (e < expected.length && common[e + 1][a] >= common[e][a + 1])
    ) {
      lines.push(`- ${expected[e]}`);
      e += 1;
    } else {
      lines.push(`+ ${actual[a]}`);
      a += 1;
    }
  }
  return lines.some((line) => !line.startsWith("  ")) ? lines.join("\n") : undefined;
}
