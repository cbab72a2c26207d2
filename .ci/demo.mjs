// Builds what the shop example needs, quietly, then runs it.
import { join } from "node:path";
import { root, run } from "./lib.mjs";

// Ctrl-C is for the example, which shuts down by itself.
process.on("SIGINT", () => {});

const build = await run("turbo", [
  "run",
  "build",
  "--filter=@busbar-examples/shop^...",
  "--output-logs=errors-only",
]);
if (build.code !== 0) {
  process.stderr.write(build.output);
  process.exit(build.code);
}
const demo = await run("pnpm", ["--silent", "run", "start"], {
  cwd: join(root, "examples/shop"),
  inherit: true,
});
process.exitCode = demo.code;
