import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { SpreadLongFiles } from "./spread-long-files.ts";

/** One run over the tests of every package and example; `.ci/test.mjs` starts it. */
export default defineConfig({
  test: {
    // What the bus writes to the console, and others: shown where a test fails.
    silent: "passed-only",
    projects: [
      "packages/*/vitest.config.ts",
      "packages/*/test/browser/vitest.config.ts",
      "examples/*/vitest.config.ts",
    ],
    passWithNoTests: true,
    sequence: { sequencer: SpreadLongFiles },
    // Most tests wait for a server or a process: on two cores, two files at once take half the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
