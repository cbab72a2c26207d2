// Database and broker away, for seconds; for a minute each with BUSBAR_CONFORMANCE=stress.
import { setTimeout as sleep } from "node:timers/promises";
import { localProvider } from "@busbar/local";
import postgresJs from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
// @boundaries-ignore servers of its own, to stop and start
import { startServer, type TestServer } from "../../../.ci/servers/start-server.mjs";
import { type OutboxStore, postgresStore } from "../src/outbox-store.ts";
import { redisBroker } from "./support/redis-broker.ts";
import { startShop } from "./support/shop.ts";
import { postgresDatabase, sqliteDatabase, type TestDatabase } from "./support/stores.ts";
import { survive } from "./support/survive.ts";
import { until } from "./support/until.ts";

const AWAY_MS = process.env["BUSBAR_CONFORMANCE"] === "stress" ? 60_000 : 1_500;
const LIMIT_MS = 3 * AWAY_MS + 180_000;

let postgres: TestServer;
let redis: TestServer;
const cleanUp: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  postgres = await startServer("postgres");
  // What it has accepted must survive the kill: here nothing but the outbox is judged.
  redis = await startServer("redis", { settings: { appendfsync: "always" } });
}, 60_000);

afterAll(async () => {
  await redis.stop();
  await postgres.stop();
});

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function open(createDatabase: () => Promise<TestDatabase>): Promise<TestDatabase> {
  const database = await createDatabase();
  cleanUp.push(() => database.close());
  return database;
}

/** The port may be somebody else's for a moment. */
async function startRedis(): Promise<void> {
  const isUp = [() => true, () => false] as const;
  await until(() => redis.start().then(...isUp), "Redis", 15_000);
}

const databaseIsAway = async (): Promise<void> => {
  await postgres.kill();
  await sleep(AWAY_MS);
  await postgres.start();
};
const brokerIsAway = async (): Promise<void> => {
  await redis.kill();
  await sleep(AWAY_MS);
  await startRedis();
};
const inPostgres = (): Promise<TestDatabase> => postgresDatabase(postgres.url);

describe("the outbox goes on by itself, and loses nothing, when", () => {
  test.each([
    ["the database is restarted", inPostgres, () => postgres.restart()],
    ["the database crashes and is away", inPostgres, databaseIsAway],
    ["the broker crashes and is away", inPostgres, brokerIsAway],
    ["the broker crashes and is away", sqliteDatabase, brokerIsAway],
    [
      "both are away, and the database returns first",
      inPostgres,
      async () => {
        await Promise.all([postgres.kill(), redis.kill()]);
        await sleep(AWAY_MS);
        await postgres.start();
        await sleep(500);
        await startRedis();
      },
    ],
    [
      "both are away, and the broker returns first",
      inPostgres,
      async () => {
        await Promise.all([postgres.kill(), redis.kill()]);
        await sleep(AWAY_MS);
        await startRedis();
        await sleep(500);
        await postgres.start();
      },
    ],
  ] as const)(
    "%s",
    async (what, createDatabase, outage) => {
      const database = await open(createDatabase);
      await survive({ what, database, provider: redisBroker(redis.url), outage });
    },
    LIMIT_MS,
  );

  test("the database ends every connection, again and again", async () => {
    const database = await open(postgresDatabase);
    const outage = async (): Promise<void> => {
      for (let times = 0; times < 5; times += 1) {
        await database
          .query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()",
            [`%${database.prefix.slice(0, -1)}%`],
          )
          .catch(() => {});
        await sleep(200);
      }
    };
    await survive({ what: "connections ended", database, provider: localProvider(), outage });
  }, 60_000);
});

describe("when the database", () => {
  test("has ended the connection that listens, commits of other processes are heard of again", async () => {
    const database = await open(postgresDatabase);
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

  test("has ended the connection of Postgres.js that listens, what was committed meanwhile is found", async () => {
    const database = await open(postgresDatabase);
    const { url = "", schema } = database.connection;
    const sql = postgresJs(url, { onnotice: () => {} });
    cleanUp.push(() => sql.end());
    const seen: unknown[] = [];
    const relaying = await startShop(database, ({ data }) => void seen.push(data), {
      store: postgresStore({ sql: sql as never, schema }) as OutboxStore<never>,
      relay: { pollEveryMs: 600_000 },
    });
    const emitting = await startShop(database, () => {}, { relay: false });
    cleanUp.push(() => Promise.all([relaying.bus.stop(), emitting.bus.stop()]));
    const listeners = (): Promise<Record<string, unknown>[]> =>
      database.query("SELECT pid FROM pg_stat_activity WHERE query ILIKE $1", [
        `listen%${database.prefix}%`,
      ]);
    await until(async () => (await listeners()).length === 1, "a listener");
    await database.transaction((tx) => emitting.bus.withTransaction(tx).emit("a", "before"));
    await until(() => seen.length === 1, "the first event");
    // It is a matter of milliseconds whether it listens again before the commit.
    for (let round = 2; round < 8; round += 1) {
      const [before] = await until(
        async () => (await listeners()).length === 1 && listeners(),
        "a listener",
      );
      await database.transaction(async (tx) => {
        await emitting.bus.withTransaction(tx).emit("a", round);
        // It has ended by then, and its end is known to nobody but the database.
        await database.query("SELECT pg_terminate_backend($1, 5000)", [before?.["pid"]]);
      });
      await until(() => seen.length === round, "what was committed meanwhile");
    }
  });
});
