import { createFaultProxy, testProvider } from "@busbar/conformance";
import { afterAll, test } from "vitest";
import { createProvider, PROXY_PORT } from "./support/create-provider.ts";
import { startRedisServer } from "./support/redis-server.ts";

const redis = await startRedisServer();
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
    faults: {
      connection: true,
      module: new URL("support/create-provider.ts", import.meta.url),
      restart: () => redis.restart(),
      cut: proxy.cut,
      halfOpen: proxy.halfOpen,
      heal: proxy.heal,
    },
  },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
