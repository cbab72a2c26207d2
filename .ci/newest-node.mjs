// Runs tests on the newest Node with long-term support: all tests run on one Node, and there is more than one way
// in which Node loads TypeScript, carries async context, and ends sockets.
import { join } from "node:path";
import { provideProgramFolder } from "./child-programs.mjs";
import { finish, root, run } from "./lib.mjs";
import { NEWEST_NODE, nodeProgram } from "./node-releases.mjs";
import { provideServer } from "./servers/provide-server.mjs";

// All tests of these, and of the others those for which the Node matters most: the conformance suite, what becomes of
// events when connections and processes end, and how notifiers connect. Not what kills processes by the hundred.
const tests = [
  "packages/core/test/",
  "packages/testing/test/",
  "examples/custom-module/test/",
  "packages/redis/test/conformance.test.ts",
  "packages/redis/test/consume-crash.test.ts",
  "packages/redis/test/consume-faults.test.ts",
  "packages/redis/test/faults.test.ts",
  "packages/redis/test/lasting-errors.test.ts",
  "packages/outbox/test/",
  "packages/sql/test/",
  ...["http/", "notifiers/", "signing/", "verify/", "webhooks.integration.test.ts"].map(
    (name) => `packages/webhooks/test/${name}`,
  ),
];
const stress = ["crash", "concurrency"].map((name) => `**/${name}.integration.test.ts`);

const redis = await provideServer("redis", { detached: true });
const programs = provideProgramFolder();
const { code, output } = await run(
  await nodeProgram(NEWEST_NODE),
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--root=.",
    "--config=.ci/vitest.config.ts",
    "--reporter=dot",
    // Other gates run at the same time.
    "--maxWorkers=2",
    ...stress.map((files) => `--exclude=${files}`),
    ...tests,
  ],
  { env: { ...redis.env, ...programs.env } },
);
await redis.stop();
programs.remove();
finish(
  code === 0 ? [] : [`Node ${NEWEST_NODE}:\n${output.trimEnd()}`],
  `the tests of core, testing, outbox, sql, notifiers, the conformance suite and faults pass on Node ${NEWEST_NODE}`,
);
