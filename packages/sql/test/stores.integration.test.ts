import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deleteInParts } from "../src/delete-in-parts.ts";
import { OwnWork } from "../src/own-work.ts";
import type { SqlStore } from "../src/store.ts";
import { databases, type TestDatabase } from "./support/databases.ts";

describe.each(databases)("a store on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let store: SqlStore;
  let table: string;

  beforeEach(async () => {
    database = await createDatabase();
    store = database.createStore();
    table = `${database.prefix}orders`;
    await store.execute(`CREATE TABLE ${table} (id integer PRIMARY KEY, note text)`);
  });
  afterEach(() => database.close());

  const add = (id: number, note: string | null = null, on: Pick<SqlStore, "execute"> = store) =>
    on.execute(`INSERT INTO ${table} (id, note) VALUES ($1, $2)`, [id, note]);
  const ids = async (): Promise<readonly unknown[]> =>
    (await store.execute(`SELECT id FROM ${table} ORDER BY id`)).map((row) => row["id"]);

  test("takes parameters in any order, and each as often as it occurs", async () => {
    const text = "CAST($2 AS text) || CAST($1 AS text) || CAST($2 AS text)";
    for (const [first, second] of [
      ["a", "b"],
      ["c", "d"],
    ] as const) {
      const rows = await store.execute(`SELECT ${text} AS it`, [first, second]);
      expect(rows).toEqual([{ it: second + first + second }]);
    }
  });

  test("returns the rows of a statement that writes, if it asks for them", async () => {
    expect(await add(1, "a")).toEqual([]);
    const sql = `UPDATE ${table} SET note = $2 WHERE id = $1 RETURNING note`;
    expect(await store.execute(sql, [1, "b"])).toEqual([{ note: "b" }]);
    expect(await store.execute(sql, [2, "b"])).toEqual([]);
  });

  test("commits the work that resolves, and rolls back the work that rejects", async () => {
    expect(
      await store.transaction(async (tx) => {
        await add(1, null, store.within(tx));
        return "done";
      }),
    ).toBe("done");
    const thrown = new Error("no");
    const failing = store.transaction(async (tx) => {
      await add(2, null, store.within(tx));
      throw thrown;
    });
    await expect(failing).rejects.toBe(thrown);
    expect(await ids()).toEqual([1]);
  });

  test("goes on after a statement that failed", async () => {
    await add(1);
    await expect(add(1, "the secret")).rejects.toThrow(/^(?!.*the secret)/);
    await expect(store.transaction((tx) => add(1, null, store.within(tx)))).rejects.toThrow();
    await add(2);
    await store.transaction((tx) => add(3, null, store.within(tx)));
    expect(await ids()).toEqual([1, 2, 3]);
  });

  test("finds a column that was added after the statement had run", async () => {
    await add(1);
    const read = () => store.execute(`SELECT * FROM ${table}`);
    expect(await read()).toEqual([{ id: 1, note: null }]);
    await store.execute(`ALTER TABLE ${table} ADD COLUMN more integer DEFAULT 7`);
    expect(await read()).toEqual([{ id: 1, note: null, more: 7 }]);
  });

  test("deletes the rows that meet a condition, and says how many", async () => {
    for (const id of [1, 2, 3, 4]) await add(id);
    expect(await deleteInParts(store, table, "id > CAST($1 AS integer)", [1])).toBe(3);
    expect(await ids()).toEqual([1]);
  });

  test("carries out a feature's own statements and transactions", async () => {
    const own = new OwnWork(store);
    await own.transaction(async (executor) => {
      await add(1, null, executor);
      await add(2, null, executor);
    });
    const sql = `SELECT note FROM ${table} WHERE id = $1`;
    expect(await own.execute(sql, [2], { isFrequent: true })).toEqual([{ note: null }]);
  });

  test("leaves open what it was given when it is closed", async () => {
    await store.close();
    await store.close();
    await add(1);
    expect(await ids()).toEqual([1]);
  });
});
