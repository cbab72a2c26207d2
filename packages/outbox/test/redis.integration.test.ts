import { spawn } from "node:child_process";
import { once as onceEmitted } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createEventBus, type EventBus } from "@busbar/core";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
} from "vitest";
// @boundaries-ignore a server of its own, to stop and start
import { type RedisServer, startRedisServer } from "../../redis/test/support/redis-server.ts";
import { once } from "../src/inbox.ts";
import { migrate } from "../src/migrate.ts";
import { outbox, type OutboxOptions } from "../src/outbox.ts";
import type { OutboxStore } from "../src/outbox-store.ts";
import { redisBroker } from "./support/redis-broker.ts";
import type { RelayChildOptions } from "./support/relay-child.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

const child = fileURLToPath(new URL("support/relay-child.ts", import.meta.url));
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedisServer();
});

afterAll(() => redis.stop());

async function restartRedis(): Promise<void> {
  const isUp = await redis.restart().then(...yesOrNo);
  // Somebody else on this machine may have got the port in between, for a moment.
  if (!isUp) await until(() => redis.start().then(...yesOrNo), "Redis", 15_000);
}

const yesOrNo = [() => true, () => false] as const;

describe.each(databases)("the outbox over Redis, on %s", (databaseName, createDatabase) => {
  let database: TestDatabase;
  let store: OutboxStore<never>;
  let name: string;
  /** How often each event has arrived at a subscription without an inbox. */
  let arrivals: Map<string, number>;
  const buses: EventBus[] = [];

  beforeEach(async () => {
    database = await createDatabase();
    store = database.createStore();
    await migrate(store);
    await database.query("CREATE TABLE effects (event_id text)");
    name = `shop-${crypto.randomUUID().slice(0, 8)}`;
    arrivals = new Map();
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.stop({ graceMs: 1_000 })));
    await database.close();
  });

  /** Starts an instance that handles each event twice: once in the inbox, and once without. */
  async function start(relay: OutboxOptions<never>["relay"]): Promise<EventBus> {
    const plugin = outbox({ store: database.createStore(), relay });
    const bus = createEventBus({ name, provider: redisBroker(redis.url), plugins: [plugin] });
    const count = ({ id }: { id: string }): void =>
      void arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
    const sql = `INSERT INTO ${database.prefix}effects VALUES ($1)`;
    const ledger = once(
      async ({ id }, { tx }) => void (await store.within(tx).execute(sql, [id])),
      {
        store,
      },
    );
    bus.subscribe("**", count, { subscriberId: "plain" });
    bus.subscribe("**", ledger, { subscriberId: "ledger", attempts: 20, backoff: 50 });
    await bus.start();
    buses.push(bus);
    return bus;
  }

  const emit = (bus: EventBus, count: number): Promise<readonly string[]> =>
    database.transaction((tx) =>
      bus
        .withTransaction(tx)
        .emit(Array.from({ length: count }, (_each, data) => ({ name: "order.placed", data }))),
    );

  /** Waits until all that was committed has arrived, and expects one effect of each. */
  async function expectAll(committed: readonly string[], unsure: readonly string[] = []) {
    const effects = async (): Promise<string[]> =>
      (await database.query("SELECT event_id FROM effects")).map((row) => String(row["event_id"]));
    await until(() => committed.every((id) => arrivals.has(id)), "every event", 20_000);
    await until(
      async () => {
        const found = new Set(await effects());
        return committed.every((id) => found.has(id));
      },
      "every effect",
      20_000,
    );
    await until(
      async () => (await database.query("SELECT 1 AS one FROM busbar_outbox LIMIT 1")).length === 0,
      "an empty outbox",
      20_000,
    );
    const all = await effects();
    expect(all).toHaveLength(new Set(all).size);
    const known = new Set([...committed, ...unsure]);
    expect([...arrivals.keys()].filter((id) => !known.has(id))).toEqual([]);
  }

  test("a relay that is killed between publish and delete repeats events under their ids only", async () => {
    const bus = await start(false);
    const options: RelayChildOptions = {
      connection: database.connection,
      redisUrl: redis.url,
      name,
      batchSize: 10,
      dieAfter: 3,
    };
    const committed = [...(await emit(bus, 25)), ...(await emit(bus, 25))];
    const args = ["--import", "tsx", "--conditions=@busbar/source", child, JSON.stringify(options)];
    const relay = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    const [, signal] = (await onceEmitted(relay, "close")) as [number | null, string | null];
    expect(signal).toBe("SIGKILL");
    const left = await database.query("SELECT event_id FROM busbar_outbox");
    expect(left).toHaveLength(30);
    await start({ leaseMs: 300 });
    await expectAll(committed);
    const repeated = [...arrivals].filter(([, times]) => times > 1);
    // The third batch: its rows were still there, and its events in Redis.
    await until(
      () => [...arrivals.values()].filter((times) => times === 2).length === 10,
      "repeats",
    );
    expect(repeated.every(([id]) => left.some((row) => row["event_id"] === id))).toBe(true);
  });

  test("a broker that restarts twice while it relays costs nothing but repeats", async () => {
    const bus = await start({ batchSize: 20, leaseMs: 2_000 });
    const committed: string[] = [];
    let isOver = false;
    onTestFinished(() => void (isOver = true));
    const write = async (): Promise<void> => {
      while (!isOver) {
        committed.push(...(await emit(bus, 3)));
        await sleep(5);
      }
    };
    const writers = [write(), write()];
    for (let times = 0; times < 2; times += 1) {
      const before = arrivals.size;
      await until(() => arrivals.size > before + 30, "events before the restart");
      await restartRedis();
    }
    const before = arrivals.size;
    await until(() => arrivals.size > before + 30, "events after the restart", 20_000);
    isOver = true;
    await Promise.all(writers);
    await expectAll(committed);
    const repeated = [...arrivals.values()].filter((times) => times > 1).length;
    console.log(`${databaseName}: ${committed.length} events, lost 0, repeated ${repeated}`);
  });

  test("four relays keep the order of 64 keys, up to the handlers", async () => {
    const perKey = databaseName === "SQLite" ? 8 : 20;
    const order = new Map<string, number[]>();
    const by = new Set<number>();
    for (let index = 0; index < 4; index += 1) {
      const inner = redisBroker(redis.url);
      const plugin = outbox({
        store: database.createStore(),
        relay: { batchSize: 20, pollEveryMs: 10 },
      });
      const bus = createEventBus({
        name,
        provider: {
          ...inner,
          async publish(batch, options) {
            by.add(index);
            // So that relays would overtake each other if they could.
            await sleep(Math.random() * 10);
            return inner.publish(batch, options);
          },
        },
        plugins: [plugin],
      });
      bus.subscribe<{ key: string; number: number }>(
        "moved",
        async ({ data: { key, number } }) => {
          await sleep(Math.random() * 3);
          order.set(key, [...(order.get(key) ?? []), number]);
        },
        { subscriberId: "all", ordering: "key" },
      );
      await bus.start();
      buses.push(bus);
    }
    await Promise.all(
      Array.from({ length: 8 }, async (_writer, writer) => {
        for (let number = 0; number < perKey; number += 1) {
          const messages = Array.from({ length: 8 }, (_key, index) => {
            const key = `k-${writer * 8 + index}`;
            return { name: "moved", data: { key, number }, options: { orderingKey: key } };
          });
          const bus = buses[writer % 4] as EventBus;
          await database.transaction((tx) => bus.withTransaction(tx).emit(messages));
        }
      }),
    );
    const count = (): number => [...order.values()].reduce((sum, { length }) => sum + length, 0);
    await until(() => count() >= 64 * perKey, `${64 * perKey} events`, 25_000);
    expect(order.size).toBe(64);
    const expected = Array.from({ length: perKey }, (_each, number) => number);
    for (const numbers of order.values()) expect(numbers).toEqual(expected);
    expect(by.size).toBeGreaterThan(1);
  });
});
