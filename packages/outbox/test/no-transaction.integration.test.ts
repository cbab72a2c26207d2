import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import Database from "libsql";
import pg from "pg";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { outbox } from "../src/outbox.ts";
import { type OutboxStore, pgStore, postgresStore, sqliteStore } from "../src/outbox-store.ts";
import { databaseUrl, postgresDatabase, type TestDatabase } from "./support/stores.ts";

async function startBus(store: OutboxStore<never>, emitTimeoutMs = 10_000): Promise<EventBus> {
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [outbox({ store, relay: false })],
    emitTimeoutMs,
  });
  await bus.start();
  return bus;
}

describe("on PostgreSQL", () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let client: pg.PoolClient;
  let bus: EventBus;

  beforeEach(async () => {
    database = await postgresDatabase();
    const options = `-c search_path=${database.connection.schema}`;
    pool = new pg.Pool({ connectionString: databaseUrl(), options });
    client = await pool.connect();
    bus = await startBus(pgStore<pg.PoolClient>({ pool }) as OutboxStore<never>, 500);
  });

  afterEach(async () => {
    client.release();
    await bus.stop();
    await pool.end();
    await database.close();
  });

  const emit = (transaction: unknown, name = "e", data: unknown = {}): Promise<unknown> =>
    bus.withTransaction(transaction).emit(name, data);
  const written = async (): Promise<unknown[]> =>
    (await database.query("SELECT name FROM busbar_outbox ORDER BY id")).map(({ name }) => name);

  test("an emit on a client without BEGIN is refused, and writes nothing", async () => {
    await expect(emit(client)).rejects.toThrow(/No transaction is open.*begin one/);
    await expect(emit(client)).rejects.toBeInstanceOf(TypeError);
    expect(await written()).toEqual([]);
  });

  test("an emit that comes after the ROLLBACK it was not awaited before is refused", async () => {
    await client.query("BEGIN");
    const rollback = client.query("ROLLBACK");
    const late = emit(client);
    await rollback;
    await expect(late).rejects.toThrow(/await emit\(\) before its end/);
    expect(await written()).toEqual([]);
  });

  test.each([
    ["a pool", () => pool, /a pool/],
    ["nothing", () => undefined, /got undefined/],
    ["null", () => null, /got null/],
  ])("%s is no transaction", async (_, given, message) => {
    await expect((async () => emit(given()))()).rejects.toThrow(message);
    expect(await written()).toEqual([]);
  });

  test("a group is staged in a transaction, or not at all", async () => {
    const grouped = { name: "e", data: 1, metadata: { eventGroupId: "g" } };
    await expect(bus.withTransaction(client).emit(grouped)).rejects.toBeInstanceOf(TypeError);
    expect(await written()).toEqual([]);
  });

  test("emits and savepoints within a transaction share its fate", async () => {
    await client.query("BEGIN");
    await emit(client, "first");
    await client.query("SAVEPOINT s");
    await emit(client, "undone");
    await client.query("ROLLBACK TO s");
    await emit(client, "last");
    await client.query("COMMIT");
    expect(await written()).toEqual(["first", "last"]);
  });

  test.each(["on", "off"])(
    "text that would end a statement early arrives as it is, with standard_conforming_strings %s",
    async (conforming) => {
      await client.query("BEGIN");
      await client.query(`SET LOCAL standard_conforming_strings = ${conforming}`);
      const text = String.raw`$busbar$ $1 ? ?? \? :name ' '' \' "; -- $$` + "\0\u2028";
      await bus.withTransaction(client).emit({ name: "e", data: { [text]: text } });
      await client.query("COMMIT");
      const [row] = await database.query("SELECT envelope FROM busbar_outbox");
      expect(JSON.parse(row?.["envelope"] as string)).toMatchObject({ data: { [text]: text } });
    },
  );

  test("an emit on a connection that does not answer ends at emitTimeoutMs", async () => {
    await client.query("BEGIN");
    const busy = client.query("SELECT pg_sleep(1.5)");
    const id = crypto.randomUUID();
    await expect(
      bus.withTransaction(client).emit({ name: "e", data: {}, id }),
    ).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: { timeoutMs: 500, unknown: [id] },
    });
    await busy;
    await client.query("ROLLBACK");
  });

  test("with Postgres.js, the client and a reserved connection without BEGIN are refused", async () => {
    const sql = postgres(databaseUrl(), {
      connection: { search_path: database.connection.schema as string },
      onnotice: () => {},
    });
    const other = await startBus(postgresStore({ sql: sql as never }) as OutboxStore<never>);
    await expect((async () => other.withTransaction(sql).emit("e", {}))()).rejects.toThrow(
      /got a client/,
    );
    const reserved = await sql.reserve();
    await expect(
      (async () => other.withTransaction(reserved).emit("e", {}))(),
    ).rejects.toBeInstanceOf(TypeError);
    reserved.release();
    await sql.begin((tx) => other.withTransaction(tx).emit("within", {}));
    expect(await written()).toEqual(["within"]);
    await other.stop();
    await sql.end();
  });
});

describe("on SQLite", () => {
  test.each([
    ["a driver that says so", (database: Database.Database) => database],
    [
      "a driver that does not",
      (database: Database.Database) => ({
        prepare: (sql: string) => database.prepare(sql) as never,
        exec: (sql: string) => database.exec(sql),
      }),
    ],
  ])("an emit without BEGIN is refused, with %s", async (_, given) => {
    const database = new Database(":memory:");
    const bus = await startBus(sqliteStore({ database }) as OutboxStore<never>);
    const rows = (): number => (database.prepare("SELECT * FROM busbar_outbox").all() as []).length;
    await expect(
      (async () => bus.withTransaction(given(database)).emit("e", {}))(),
    ).rejects.toThrow(/got a database/);
    database.exec("BEGIN");
    await bus.withTransaction(given(database)).emit("e", {});
    database.exec("COMMIT");
    expect(rows()).toBe(1);
    await bus.stop();
    database.close();
  });
});
