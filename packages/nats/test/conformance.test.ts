import { createFaultProxy, testProvider } from "@busbar/conformance";
import { afterAll, test } from "vitest";
// @boundaries-ignore what starts the processes of all tests
import { bundledChild } from "../../../.ci/child-programs.mjs";
// @boundaries-ignore servers of a test's own
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { createProvider, SUITE_URL } from "./support/create-provider.ts";

const server = await startServer("nats");
const proxy = await createFaultProxy({ port: server.port });
// Child processes inherit it.
process.env[SUITE_URL] = `nats://127.0.0.1:${proxy.port}`;

afterAll(async () => {
  await proxy.close();
  await server.stop();
});

await testProvider(
  test,
  {
    create: createProvider,
    adjusts: ["deduplicationWindowMs"],
    faults: {
      connection: true,
      ...(await bundledChild(new URL("support/create-provider.ts", import.meta.url))),
      restart: () => server.restart(),
      cut: proxy.cut,
      halfOpen: proxy.halfOpen,
      heal: proxy.heal,
    },
  },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
