import { setTimeout as sleep } from "node:timers/promises";
import type { EventProvider } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, describe, expect, test } from "vitest";
// @boundaries-ignore a server of its own, to stop and start
import { findProgram } from "../../../.ci/servers/programs.mjs";
// @boundaries-ignore a server of its own, to stop and start
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { startShop, type Shop } from "./support/shop.ts";
import { databaseUrl, postgresDatabase, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";
import { wrapped } from "./support/wrapped.ts";

const cleanUp: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** Emits until told to stop, and goes on when a transaction fails. Resolves with the committed ids. */
async function emitOnAndOn(
  database: TestDatabase,
  { bus }: Shop,
  isOver: () => boolean,
): Promise<{ committed: Set<string>; maybe: Set<string> }> {
  const committed = new Set<string>();
  const maybe = new Set<string>();
  while (!isOver()) {
    let id = "";
    try {
      await database.transaction(async (tx) => {
        [id = ""] = await bus.withTransaction(tx).emit("a", 1);
      });
      committed.add(id);
    } catch {
      // The commit may have happened although its answer was lost.
      if (id !== "") maybe.add(id);
      await sleep(20);
    }
  }
  return { committed, maybe };
}

/** Lets three writers emit through `outage`, and expects all that was committed. */
async function survive(
  database: TestDatabase,
  outage: (broker: { isAway: boolean }) => Promise<void>,
): Promise<void> {
  const broker = { isAway: false };
  const inner = localProvider();
  const provider: EventProvider = {
    ...wrapped(inner),
    publish: async (batch, options) => {
      if (broker.isAway) throw new Error("the broker is away");
      return inner.publish(batch, options);
    },
  };
  const seen = new Map<string, number>();
  const shop = await startShop(database, ({ id }) => void seen.set(id, (seen.get(id) ?? 0) + 1), {
    provider,
    relay: { leaseMs: 2_000 },
  });
  cleanUp.push(() => shop.bus.stop({ graceMs: 1_000 }));
  let isOver = false;
  const writers = Array.from({ length: 3 }, () => emitOnAndOn(database, shop, () => isOver));
  await until(() => seen.size > 20, "a start");
  const before = seen.size;
  await outage(broker);
  await until(() => seen.size > before + 50, "events after the outage", 20_000);
  isOver = true;
  const results = await Promise.all(writers);
  const committed = results.flatMap((result) => [...result.committed]);
  const maybe = new Set(results.flatMap((result) => [...result.maybe]));
  await until(() => committed.every((id) => seen.has(id)), "all that was committed", 20_000);
  const unknown = [...seen.keys()].filter((id) => !committed.includes(id) && !maybe.has(id));
  expect(unknown).toEqual([]);
  const repeated = [...seen.values()].filter((times) => times > 1).length;
  console.log(`${committed.length} events through the outage, lost 0, repeated ${repeated}`);
}

describe("when the database", () => {
  test.skipIf(!findProgram("postgres"))(
    "is restarted, crashes, and is away with the broker, the outbox goes on by itself",
    async () => {
      const server = await startServer("postgres");
      cleanUp.push(() => server.stop());
      const database = await postgresDatabase(server.url);
      cleanUp.push(() => database.close());
      await survive(database, async (broker) => {
        await server.restart();
        await sleep(500);
        await server.kill();
        broker.isAway = true;
        await sleep(3_000);
        await server.start();
        await sleep(1_000);
        broker.isAway = false;
      });
    },
    90_000,
  );

  test("ends every connection, the outbox goes on by itself", async () => {
    const database = await postgresDatabase(databaseUrl());
    cleanUp.push(() => database.close());
    await survive(database, async () => {
      for (let times = 0; times < 5; times += 1) {
        await database
          .query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()",
            [`%${database.prefix.slice(0, -1)}%`],
          )
          .catch(() => {});
        await sleep(200);
      }
    });
  }, 60_000);

  test("has ended the connection that listens, commits of other processes are heard of again", async () => {
    const database = await postgresDatabase();
    cleanUp.push(() => database.close());
    const seen: unknown[] = [];
    const relaying = await startShop(database, ({ data }) => void seen.push(data), {
      relay: { pollEveryMs: 600_000 },
    });
    const emitting = await startShop(database, () => {}, { relay: false });
    cleanUp.push(() => Promise.all([relaying.bus.stop(), emitting.bus.stop()]));
    const emit = (data: string): Promise<unknown> =>
      database.transaction((tx) => emitting.bus.withTransaction(tx).emit("a", data));
    const listeners = (): Promise<Record<string, unknown>[]> =>
      database.query("SELECT pid FROM pg_stat_activity WHERE query LIKE $1", [
        `LISTEN%${database.prefix}%`,
      ]);
    await until(async () => (await listeners()).length === 1, "a listener");
    await emit("before");
    await until(() => seen.length === 1, "the first event");
    const [before] = await listeners();
    await database.query("SELECT pg_terminate_backend($1)", [before?.["pid"]]);
    await until(async () => {
      const [now] = await listeners();
      return now && now["pid"] !== before?.["pid"];
    }, "another listener");
    await emit("after");
    await until(() => seen.length === 2, "the second event");
    expect(seen).toEqual(["before", "after"]);
  });
});
