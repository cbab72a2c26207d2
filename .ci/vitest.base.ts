import { defineConfig } from "vitest/config";

/** The configuration every package's `vitest.config.ts` re-exports. */
export default defineConfig({
  // Workspace packages resolve to their sources: no build before a test.
  resolve: { conditions: ["@busbar/source"] },
  ssr: { resolve: { conditions: ["@busbar/source"] } },
  test: {
    include: ["test/**/*.test.ts"],
    allowOnly: !process.env["CI"],
    testTimeout: 10_000,
    hookTimeout: 20_000,
    restoreMocks: true,
  },
});
