import { fileURLToPath } from "node:url";
import { mergeConfig } from "vitest/config";
// @boundaries-ignore the settings every package shares
import base from "../../../../.ci/vitest.base.ts";

const setup = fileURLToPath(new URL("../../../../.ci/servers/chromium-setup.mjs", import.meta.url));
const dashboard = fileURLToPath(new URL("../..", import.meta.url));

const merged = mergeConfig(base, {
  test: {
    name: "@busbar/dashboard in a browser",
    // The path of the package finds these tests, too.
    dir: dashboard,
    globalSetup: [setup],
    testTimeout: 120_000,
  },
});

/** The tests that open the page in Chromium. One browser serves all of them. */
export default { ...merged, test: { ...merged.test, include: ["test/browser/*.test.ts"] } };
