import { createFaultProxy, testProvider } from "@busbar/conformance";
import { afterAll, test } from "vitest";
// @boundaries-ignore what starts the processes of all tests
import { bundledChild } from "../../../.ci/child-programs.mjs";
import { createProvider, CREDENTIALS, PROXY_PORT } from "./support/create-provider.ts";
import { documentedRights } from "./support/documented-rights.ts";
import { startRedisServer } from "./support/redis-server.ts";

// With no more rights than the documentation asks for, so that these are enough for everything.
const [user] = CREDENTIALS.split(":") as [string];
const rights = documentedRights({ bus: "conformance*" });
const redis = await startRedisServer({
  config: { user: [user, ...rights], "proto-max-bulk-len": "4mb" },
});
const proxy = await createFaultProxy({ port: redis.port });
// Child processes inherit it.
process.env[PROXY_PORT] = String(proxy.port);

afterAll(async () => {
  await proxy.close();
  await redis.stop();
});

await testProvider(
  test,
  {
    create: createProvider,
    adjusts: ["deduplicationWindowMs"],
    refusesAboveBytes: 4 * 1_048_576,
    faults: {
      connection: true,
      ...(await bundledChild(new URL("support/create-provider.ts", import.meta.url))),
      restart: () => redis.restart(),
      cut: proxy.cut,
      halfOpen: proxy.halfOpen,
      heal: proxy.heal,
    },
  },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
