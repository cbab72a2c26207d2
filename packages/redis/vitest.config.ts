import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mergeConfig } from "vitest/config";
// @boundaries-ignore the settings every package shares
import base from "../../.ci/vitest.base.ts";

const setup = fileURLToPath(new URL("../../.ci/servers/redis-setup.mjs", import.meta.url));

/** A folder with another BullMQ, and a list of its scripts as the tested ones: `.ci/bullmq.mjs` makes it. */
const other = process.env["BUSBAR_BULLMQ"];
const alias =
  other === undefined
    ? []
    : [
        { find: /^bullmq$/, replacement: join(other, "node_modules/bullmq/dist/cjs/index.js") },
        { find: /^bullmq(?=\/)/, replacement: join(other, "node_modules/bullmq") },
        { find: /^.*\/tested-bullmq\.ts$/, replacement: join(other, "tested-bullmq.ts") },
      ];

export default mergeConfig(base, { resolve: { alias }, test: { globalSetup: [setup] } });
