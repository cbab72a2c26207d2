// Runs the tests of packages that need no server on the newest Node with long-term support: all tests run
// on one Node, and there is more than one way in which Node loads TypeScript and carries async context.
import { join } from "node:path";
import { finish, root, run } from "./lib.mjs";

const version = "24.21.0";
const packages = ["core", "testing"];

const vitest = join(root, "node_modules/vitest/vitest.mjs");
const command = ["--yes", `--package=node@${version}`, "--", "node", vitest, "run"];
const problems = [];
for (const name of packages) {
  const { code, output } = await run("npx", command, { cwd: join(root, "packages", name) });
  if (code !== 0) problems.push(`packages/${name} on Node ${version}:\n${output.trimEnd()}`);
}
finish(problems, `the tests of ${packages.join(" and ")} pass on Node ${version}`);
