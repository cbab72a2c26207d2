// Runs every test of every package and ends with one line: `N passed, N failed`.
// Arguments go to vitest: `pnpm test packages/core -t "delivers again"`.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { provideProgramFolder } from "./child-programs.mjs";
import { cache, filesIn, run, workspace } from "./lib.mjs";
import { provideServer } from "./servers/provide-server.mjs";

const filters = process.argv.slice(2);
const resultsFile = join(cache, "test-results.json");
const summaryFile = join(cache, "test-summary.txt");
mkdirSync(cache, { recursive: true });
rmSync(resultsFile, { force: true });
rmSync(summaryFile, { force: true });

// Ctrl-C is for the tests, which end by themselves, and then their server does.
process.on("SIGINT", () => {});
process.once("SIGTERM", () => process.exit(143));
const redis = await provideRedis();
const programs = provideProgramFolder();
const { code } = await run(
  "vitest",
  [
    "run",
    "--root=.",
    "--config=.ci/vitest.config.ts",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${resultsFile}`,
    ...filters,
  ],
  { inherit: true, env: { ...redis.env, ...programs.env } },
);
await redis.stop();
programs.remove();

const problems = [];
let passed = 0;
let failed = 0;
if (existsSync(resultsFile)) {
  const results = JSON.parse(readFileSync(resultsFile, "utf8"));
  passed = results.numPassedTests;
  failed = results.numFailedTests;
  for (const file of results.testResults) {
    // A file that does not load has no failed test to count: the file itself is one.
    const counted = file.assertionResults.some((test) => test.status === "failed");
    if (file.status === "failed" && !counted) failed += 1;
  }
  if (filters.length === 0) {
    const ran = new Set(results.testResults.map((file) => file.name));
    for (const { folder, path } of workspace()) {
      const silent = filesIn(join(path, "test"))
        .filter((file) => file.endsWith(".test.ts"))
        .filter((file) => !ran.has(join(path, "test", file).replaceAll(sep, "/")));
      for (const file of silent) problems.push(`${folder}/test/${file} did not run`);
    }
  }
} else {
  problems.push("vitest wrote no results");
}
failed += problems.length;
if (code !== 0 && failed === 0) {
  problems.push(`vitest ended with code ${code} although every test passed: see above`);
  failed = 1;
}

for (const problem of problems) console.error(problem);
const summary = `${passed} passed, ${failed} failed`;
writeFileSync(summaryFile, `${summary}\n`);
console.log(`\n${summary}`);
process.exitCode = failed === 0 ? 0 : 1;

async function provideRedis() {
  try {
    return await provideServer(process.env.BUSBAR_TEST_SERVER ?? "redis", { detached: true });
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
