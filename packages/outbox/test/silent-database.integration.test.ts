import { createFaultProxy } from "@busbar/conformance";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import pg from "pg";
import { expect, test } from "vitest";
import { outbox } from "../src/outbox.ts";
import { pgStore } from "../src/outbox-store.ts";
import { databaseUrl, postgresDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

test("a bus stops within its grace although its database no longer answers", async () => {
  const database = await postgresDatabase();
  const url = new URL(databaseUrl());
  await using proxy = await createFaultProxy({ host: url.hostname, port: Number(url.port) });
  Object.assign(url, { hostname: proxy.host, port: String(proxy.port) });
  const pool = new pg.Pool({ connectionString: url.href });
  pool.on("error", () => {});
  const { schema } = database.connection;
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [
      outbox({ store: pgStore<pg.PoolClient>({ pool, schema }), relay: { pollEveryMs: 20 } }),
    ],
  });
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let isRunning = false;
  bus.subscribe(
    "e",
    async () => {
      isRunning = true;
      await finished;
    },
    { subscriberId: "slow" },
  );
  await bus.start();
  await database.transaction((tx) => bus.withTransaction(tx).emit("e", 1));
  await until(() => isRunning, "the handler");
  await proxy.halfOpen();
  finish();
  const from = performance.now();
  await bus.stop({ graceMs: 1_000 });
  expect(performance.now() - from).toBeLessThan(3_000);
  await database.close();
}, 90_000);
