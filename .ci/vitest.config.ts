import { defineConfig } from "vitest/config";

/** One run over the tests of every package and example; `.ci/test.mjs` starts it. */
export default defineConfig({
  test: {
    projects: ["packages/*/vitest.config.ts", "examples/*/vitest.config.ts"],
    passWithNoTests: true,
  },
});
