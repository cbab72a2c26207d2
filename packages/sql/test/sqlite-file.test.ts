import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { sqliteStore } from "../src/stores/sqlite-store.ts";
import { sqliteDrivers } from "./support/databases.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "busbar-file-"));
  file = join(folder, "test.db");
});
afterEach(() => {
  vi.doUnmock("libsql");
  rmSync(folder, { recursive: true });
});

const absent = (): never => {
  throw new Error("Cannot find package 'libsql'");
};
const hasOwnSqlite = sqliteDrivers.some(([name, open]) => name === "node:sqlite" && open);

const drivers: readonly (readonly [string, () => void])[] = [
  ["libsql", () => {}],
  ["node:sqlite", () => void vi.doMock("libsql", absent)],
];

describe.each(drivers.slice(0, hasOwnSqlite ? 2 : 1))(
  "sqliteStore({ file }) with %s",
  (_, choose) => {
    beforeEach(choose);

    test("opens the file at the first statement, and closes it", async () => {
      const store = sqliteStore({ file });
      expect(store.server).toBe(file);
      expect(existsSync(file)).toBe(false);
      await store.execute("CREATE TABLE numbers (number integer)");
      await store.transaction((tx) => store.within(tx).execute("INSERT INTO numbers VALUES (42)"));
      const late = store.execute("INSERT INTO numbers VALUES (43)");
      await store.close();
      await late;
      await store.close();
      await expect(store.execute("SELECT 1 AS one")).rejects.toThrow("The store is closed");
      await expect(store.transaction(async () => {})).rejects.toThrow("The store is closed");
      const again = sqliteStore({ file });
      expect(await again.execute("SELECT number FROM numbers")).toEqual([
        { number: 42 },
        { number: 43 },
      ]);
      await again.close();
    });

    test("has the file in WAL mode, synchronous as it is asked to, with foreign keys", async () => {
      for (const [synchronous, number] of [
        [undefined, 1],
        ["normal", 1],
        ["full", 2],
      ] as const) {
        const store = sqliteStore({ file, synchronous });
        const pragma = (name: string) => store.execute(`SELECT * FROM pragma_${name}`);
        expect(await pragma("journal_mode")).toEqual([{ journal_mode: "wal" }]);
        expect(await pragma("synchronous")).toEqual([{ synchronous: number }]);
        expect(await pragma("foreign_keys")).toEqual([{ foreign_keys: 1 }]);
        await store.close();
      }
    });

    test("opens the file later when it could not be opened at first", async () => {
      const store = sqliteStore({ file: join(folder, "missing", "test.db") });
      await expect(store.execute("SELECT 1 AS one")).rejects.toThrow(/open/i);
      mkdirSync(join(folder, "missing"));
      expect(await store.execute("SELECT 1 AS one")).toEqual([{ one: 1 }]);
      await store.close();
    });
  },
);

test("several stores may open the same new file at once", async () => {
  const stores = Array.from({ length: 5 }, () => sqliteStore({ file }));
  await Promise.all(
    stores.map((store) => store.execute("CREATE TABLE IF NOT EXISTS numbers (number integer)")),
  );
  await Promise.all(stores.map((store) => store.execute("INSERT INTO numbers VALUES (1)")));
  expect(await stores[0]?.execute("SELECT count(*) AS count FROM numbers")).toEqual([{ count: 5 }]);
  await Promise.all(stores.map((store) => store.close()));
});

test("sqliteStore({ file }) says what to install when there is no driver", async () => {
  vi.doMock("libsql", absent);
  vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined as never);
  await expect(sqliteStore({ file }).execute("SELECT 1 AS one")).rejects.toMatchObject({
    code: "BUSBAR_INVALID_CONFIG",
    message: expect.stringContaining("install libsql, or run Node.js 22.13 or newer"),
  });
});

test.each([
  [{ file: 42 }, /option file must be/],
  [{ file: "a.db", synchronous: "off" }, /option synchronous must be/],
  [{ file: "a.db", database: {} }, /has no option "database"/],
  [{}, /needs the option database, such as new Database\("shop.db"\), or the option file/],
])("sqliteStore(%o) is refused", (options, message) => {
  expect(() => sqliteStore(options as never)).toThrow(message);
});
