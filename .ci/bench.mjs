// Builds what the benchmark needs, and asks its questions on one Node after the other:
// `pnpm bench --node 24 --node 20 local`. Without `--node` on the one that runs this.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root, run } from "./lib.mjs";
import { nodeProgram } from "./node-releases.mjs";

// Ctrl-C is for the benchmark.
process.on("SIGINT", () => {});

const { values, tokens } = parseArgs({
  strict: false,
  tokens: true,
  options: { node: { type: "string", multiple: true } },
});
// The rest is the benchmark's, as it was written.
const own = new Set(
  tokens.flatMap(({ kind, name, index, inlineValue }) =>
    kind === "option" && name === "node" ? [index, inlineValue ? index : index + 1] : [],
  ),
);
const args = process.argv.slice(2).filter((_, index) => !own.has(index));

const build = await run("turbo", [
  "run",
  "build",
  "--filter=@busbar/benchmark...",
  "--output-logs=errors-only",
]);
if (build.code !== 0) {
  process.stderr.write(build.output);
  process.exit(build.code);
}
const main = join(root, "packages/benchmark/dist/main.js");
for (const version of values.node ?? [process.versions.node]) {
  const { code } = await run(await nodeProgram(version), [main, ...args], { inherit: true });
  if (code !== 0) process.exit(code);
}
