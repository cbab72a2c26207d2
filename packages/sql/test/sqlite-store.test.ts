import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SqlStore } from "../src/store.ts";
import { sqliteStore } from "../src/stores/sqlite-store.ts";
import { type Connection, sqliteDrivers } from "./support/databases.ts";

const available = sqliteDrivers.flatMap(([name, open]) => (open ? [[name, open] as const] : []));

describe.each(available)("sqliteStore() on %s", (_, openFile) => {
  let folder: string;
  let connections: Connection[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "busbar-sqlite-"));
    connections = [];
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    rmSync(folder, { recursive: true });
  });

  const open = (): Connection => {
    const connection = openFile(join(folder, "test.db"));
    connections.push(connection);
    return connection;
  };
  const openStore = async (connection = open()): Promise<SqlStore<Connection>> => {
    const store = sqliteStore({ database: connection });
    await store.execute("CREATE TABLE numbers (number integer)");
    return store;
  };

  test("has transactions take turns in the order of their calls", async () => {
    const store = await openStore();
    const begun: number[] = [];
    let running = 0;
    const numbers = Array.from({ length: 100 }, (_each, number) => number);
    const all = numbers.map((number) =>
      store.transaction(async (tx) => {
        running += 1;
        expect(running).toBe(1);
        begun.push(number);
        await turn();
        await store.within(tx).execute("INSERT INTO numbers VALUES ($1)", [number]);
        running -= 1;
        if (number % 3 === 0) throw new Error("rolled back");
      }),
    );
    const outcomes = await Promise.allSettled(all);
    expect(begun).toEqual(numbers);
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(34);
    expect(await store.execute("SELECT count(*) AS count FROM numbers")).toEqual([{ count: 66 }]);
  });

  test("lets timers and sockets have their turn while work follows from work", async () => {
    const store = await openStore();
    let hasFired = false;
    setTimeout(() => (hasFired = true), 1);
    const longest = performance.now() + 3_000;
    while (!hasFired && performance.now() < longest) {
      await store.transaction((tx) =>
        store.within(tx).execute("INSERT INTO numbers VALUES ($1)", [1]),
      );
      await store.execute("SELECT 1 AS one");
    }
    expect(hasFired).toBe(true);
  });

  test("reads while another connection writes", async () => {
    const store = await openStore();
    const writer = open();
    writer.exec("BEGIN IMMEDIATE");
    writer.exec("INSERT INTO numbers VALUES (1)");
    expect(await store.execute("SELECT * FROM numbers")).toEqual([]);
    const waiting = store.execute("INSERT INTO numbers VALUES ($1)", [2]);
    await turn();
    writer.exec("COMMIT");
    await waiting;
    expect(await store.execute("SELECT number FROM numbers ORDER BY number")).toEqual([
      { number: 1 },
      { number: 2 },
    ]);
  });

  test("gives up a write when another connection has the file for too long", async () => {
    await openStore();
    const writer = open();
    writer.exec("BEGIN IMMEDIATE");
    const impatient = sqliteStore({ database: open(), busyTimeoutMs: 1 });
    await expect(impatient.execute("INSERT INTO numbers VALUES (1)")).rejects.toThrow(/locked/);
    writer.exec("ROLLBACK");
    await impatient.execute("INSERT INTO numbers VALUES (1)");
  });

  test("rejects when its database was closed", async () => {
    const connection = openFile(join(folder, "test.db"));
    const store = await openStore(connection);
    await store.execute("SELECT * FROM numbers");
    connection.close();
    await expect(store.execute("SELECT * FROM numbers")).rejects.toThrow(/not open/);
    await expect(store.execute("DELETE FROM numbers")).rejects.toThrow(/not open/);
    expect(() => store.within(connection)).toThrow(/not open|got a database/);
  });

  test("prepares a text once, and forgets texts that are no longer used", async () => {
    const connection = open();
    const prepared: string[] = [];
    const store = sqliteStore({
      database: {
        prepare(sql: string) {
          prepared.push(sql);
          return connection.prepare(sql);
        },
        exec: (sql: string) => connection.exec(sql),
      },
    });
    const ask = (number: number) => store.execute(`SELECT ${number} + $1 AS sum`, [1]);
    for (const number of [1, 1, 2, 1]) expect(await ask(number)).toEqual([{ sum: number + 1 }]);
    expect(prepared).toEqual(["SELECT 1 + ? AS sum", "SELECT 2 + ? AS sum"]);
    for (let number = 3; number < 203; number += 1) {
      await ask(number);
      await ask(1);
    }
    prepared.length = 0;
    await ask(1);
    await ask(202);
    expect(prepared).toEqual([]);
    await ask(2);
    expect(prepared).toEqual(["SELECT 2 + ? AS sum"]);
  });
});
