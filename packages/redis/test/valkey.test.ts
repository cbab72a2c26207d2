// Valkey in the place of Redis, where it is installed: those cases of the conformance suite in which the
// server decides the most, and a crash. `BUSBAR_TEST_SERVER=valkey` runs all other tests on it.
import { randomUUID } from "node:crypto";
import { createFaultProxy, type TestFunction, testProvider } from "@busbar/conformance";
import { createEventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, describe, expect, test } from "vitest";
// @boundaries-ignore what starts the processes of all tests
import { bundledChild } from "../../../.ci/child-programs.mjs";
// @boundaries-ignore the servers of all tests
import { findProgram } from "../../../.ci/servers/programs.mjs";
import { redisProvider } from "../src/index.ts";
import { createProvider, CREDENTIALS, PROXY_PORT } from "./support/create-provider.ts";
import { documentedRights } from "./support/documented-rights.ts";
import { eventually } from "./support/eventually.ts";
import { startRedisServer } from "./support/redis-server.ts";

/** Groups of cases that are about the bus and its processes, or take long. */
const ELSEWHERE = /^(basics|bus[\w-]*|concurrency|deploy-skew|faults|lifecycle):/;

if (findProgram("valkey") === undefined) {
  test.skip("Valkey is not installed", () => {});
} else {
  await onValkey();
}

async function onValkey(): Promise<void> {
  const [user] = CREDENTIALS.split(":") as [string];
  const config = { user: [user, ...documentedRights({ bus: "conformance*" })] };
  const valkey = await startRedisServer({ kind: "valkey", config });
  const proxy = await createFaultProxy({ port: valkey.port });
  process.env[PROXY_PORT] = String(proxy.port);
  afterAll(async () => {
    await proxy.close();
    await valkey.stop();
  });
  const quick: TestFunction = (name, options, run) =>
    ELSEWHERE.test(name) ? undefined : test(name, options, run);
  await testProvider(quick, {
    create: createProvider,
    adjusts: ["deduplicationWindowMs"],
    faults: {
      connection: true,
      ...(await bundledChild(new URL("support/create-provider.ts", import.meta.url))),
      restart: () => valkey.restart(),
      cut: proxy.cut,
      halfOpen: proxy.halfOpen,
      heal: proxy.heal,
    },
  });

  describe("a bus on Valkey", () => {
    test("goes on by itself after a crash of the server, and has lost nothing", async () => {
      const admin = new Redis(valkey.url);
      admin.on("error", () => {});
      const version = /valkey_version:(\S+)/.exec(await admin.info())?.[1];
      console.log(`on Valkey ${version}`);
      expect(version).toBeDefined();
      const bus = createEventBus({
        name: randomUUID(),
        provider: redisProvider({
          redisUrl: valkey.url,
          lockDurationMs: 1_000,
          stalledCheckMs: 300,
        }),
      });
      const seen = new Set<unknown>();
      bus.subscribe("order.placed", ({ data }) => void seen.add(data), { subscriberId: "mail" });
      await bus.start();
      await bus.pause("mail");
      for (let number = 0; number < 200; number += 1) await bus.emit("order.placed", number);
      // Its answers came before they were on the disk, but with the operating system they are.
      await valkey.kill();
      const last = bus.emit("order.placed", 200);
      await valkey.start();
      await last;
      await bus.resume("mail");
      await eventually(() => expect(seen.size).toBe(201));
      await bus.stop();
      admin.disconnect();
    });
  });
}
