import { createEventBus, type EventBus, type Subscriber } from "@busbar/core";
import { postgresProvider } from "@busbar/postgres";
import type { SqlStore } from "@busbar/sql";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { outbox } from "../src/outbox.ts";
import { pgStore } from "../src/outbox-store.ts";
import { databaseUrl, postgresDatabase, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

let database: TestDatabase;
let schema: string;
let pool: pg.Pool;
let client: pg.PoolClient;
const buses: EventBus[] = [];
const seen: unknown[] = [];

beforeEach(async () => {
  database = await postgresDatabase();
  schema = `${database.connection.schema}_bus`;
  pool = new pg.Pool({ connectionString: databaseUrl() });
  client = await pool.connect();
  seen.length = 0;
});

afterEach(async () => {
  client.release();
  await Promise.all(buses.splice(0).map((bus) => bus.stop()));
  await pool.end();
  await database.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await database.close();
});

/** Starts a bus whose queues are in the database. */
async function startBus(
  options: Partial<Parameters<typeof createEventBus>[0]> = {},
  consumes = true,
): Promise<EventBus> {
  const store = pgStore<pg.PoolClient>({ pool }) as SqlStore;
  const provider = postgresProvider({ store, schema });
  const bus: EventBus = createEventBus({ provider, ...options });
  if (consumes) {
    const note: Subscriber<unknown> = ({ data }) => void seen.push(data);
    bus.subscribe("e", note, { subscriberId: "mail" });
  }
  buses.push(bus);
  await bus.start();
  return bus;
}

test("emits and savepoints within a transaction share its fate", async () => {
  const bus = await startBus();
  await client.query("BEGIN");
  await bus.withTransaction(client).emit("e", "first");
  await client.query("SAVEPOINT s");
  await bus.withTransaction(client).emit("e", "undone");
  await client.query("ROLLBACK TO s");
  await bus.withTransaction(client).emit("e", "last");
  await client.query("COMMIT");
  await until(() => seen.length === 2, "both events");
  await bus.settled();
  expect(seen).toEqual(["first", "last"]);
});

test("an emit on a client without BEGIN is a TypeError, and publishes nothing", async () => {
  const bus = await startBus();
  for (const message of [
    { name: "e", data: 1 },
    { name: "e", data: 2, metadata: { eventGroupId: "g" } },
  ]) {
    const emitted = bus.withTransaction(client).emit(message);
    await expect(emitted).rejects.toThrow(/No transaction is open.*begin one/);
    await expect(emitted).rejects.toBeInstanceOf(TypeError);
  }
  await bus.settled();
  expect(seen).toEqual([]);
  expect(await bus.inspect()).toMatchObject({ groups: [] });
});

test.each(["repeatable read", "serializable"])(
  "a %s transaction that began before a declaration publishes by it",
  async (isolation) => {
    const emitter = await startBus({}, false);
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
    await client.query("SELECT 1");
    const bus = await startBus();
    await emitter.emit("other", 1);
    await emitter.withTransaction(client).emit("e", "published");
    await client.query("COMMIT");
    await until(() => seen.length === 1, "the event");
    await bus.settled();
    expect(seen).toEqual(["published"]);
  },
);

test("a bus with an outbox stages in the outbox, which publishes to the provider", async () => {
  const store = pgStore<pg.PoolClient>({ pool, schema: database.connection.schema });
  const bus = await startBus({ plugins: [outbox({ store })] });
  await client.query("BEGIN");
  await bus.withTransaction(client).emit("e", 1);
  const { rows } = await client.query(`SELECT name FROM ${database.prefix}busbar_outbox`);
  expect(rows).toEqual([{ name: "e" }]);
  await client.query("COMMIT");
  await until(() => seen.length === 1, "the event");
  await bus.settled();
  expect(seen).toEqual([1]);
});
