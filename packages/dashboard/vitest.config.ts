import { mergeConfig } from "vitest/config";
// @boundaries-ignore the settings every package shares
import base from "../../.ci/vitest.base.ts";

/** Tests in a browser have a configuration of their own: nothing else waits for the browser. */
export default mergeConfig(base, { test: { exclude: ["test/browser/**"] } });
