import { fileURLToPath } from "node:url";
import { mergeConfig } from "vitest/config";
// @boundaries-ignore the settings every package shares
import base from "../../.ci/vitest.base.ts";

const setup = fileURLToPath(new URL("../../.ci/servers/nats-setup.mjs", import.meta.url));

export default mergeConfig(base, { test: { globalSetup: [setup], testTimeout: 30_000 } });
