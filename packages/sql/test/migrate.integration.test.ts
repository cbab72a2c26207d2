import pg from "pg";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { assertMigrated, migrate, type Migrations, prepareTables } from "../src/migrate.ts";
import type { SqlStore } from "../src/store.ts";
import { pgStore } from "../src/stores/pg-store.ts";
import { databases, databaseUrl, type TestDatabase } from "./support/databases.ts";

/** A feature whose versions each make a table. */
function feature(name: string, newest: number): Migrations {
  const versions = Array.from({ length: newest }, (_, index) => ({
    version: index + 1,
    sql: `\n-- The table of version ${index + 1}.\nCREATE TABLE ${name}_${index + 1} (a integer);\n`,
  }));
  const module = `@busbar/${name}`;
  return { feature: name, module, versions: { postgres: versions, sqlite: versions } };
}

describe.each(databases)("migrate() on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let store: SqlStore;

  beforeEach(async () => {
    database = await createDatabase();
    store = database.createStore();
  });
  afterEach(() => database.close());

  const recorded = async (): Promise<readonly unknown[]> => {
    const table = `${database.prefix}busbar_migrations`;
    const rows = await store.execute(`SELECT * FROM ${table} ORDER BY feature, version`);
    return rows.map((row) => `${String(row["feature"])} ${String(row["version"])}`);
  };

  /** Makes the table of the first release, which had one feature. */
  const makeFirstTable = async (): Promise<void> => {
    const table = `${database.prefix}busbar_migrations`;
    await store.execute(`CREATE TABLE ${table} (
        version integer PRIMARY KEY, applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)`);
    await store.execute(`INSERT INTO ${table} (version) VALUES ($1)`, [1]);
  };

  test("applies each version once, whoever else starts at the same time", async () => {
    const stores = Array.from({ length: 4 }, () => database.createStore());
    const applied = await Promise.all(stores.map((each) => migrate(each, feature("shop", 2))));
    expect(applied.flat().toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(await migrate(store, feature("shop", 3))).toEqual([3]);
    expect(await migrate(store, feature("shop", 3))).toEqual([]);
    await assertMigrated(store, feature("shop", 3));
  });

  test("counts the versions of each feature apart", async () => {
    expect(await migrate(store, feature("webhooks", 2))).toEqual([1, 2]);
    expect(await migrate(store, feature("outbox", 1))).toEqual([1]);
    expect(await recorded()).toEqual(["outbox 1", "webhooks 1", "webhooks 2"]);
    await expect(assertMigrated(store, feature("outbox", 2))).rejects.toMatchObject({
      code: "BUSBAR_INVALID_CONFIG",
      message: expect.stringContaining("Outbox: the tables have version 1, and 2 is needed"),
      details: { module: "@busbar/outbox" },
    });
  });

  test("takes a version without the name of a feature as one of the outbox", async () => {
    await makeFirstTable();
    await assertMigrated(store, feature("outbox", 1));
    await expect(assertMigrated(store, feature("webhooks", 1))).rejects.toThrow(/version 0/);
    const stores = Array.from({ length: 4 }, () => database.createStore());
    const applied = await Promise.all(stores.map((each) => migrate(each, feature("outbox", 2))));
    expect(applied.flat()).toEqual([2]);
    expect(await migrate(store, feature("webhooks", 1))).toEqual([1]);
    expect(await recorded()).toEqual(["outbox 1", "outbox 2", "webhooks 1"]);
    // As a process of the first release does that runs beside.
    const table = `${database.prefix}busbar_migrations`;
    await store.execute(`INSERT INTO ${table} (version) VALUES ($1)`, [3]);
    await assertMigrated(store, feature("outbox", 3));
  });

  test("says that the tables are missing when none were ever made", async () => {
    for (const name of ["outbox", "webhooks"]) {
      await expect(assertMigrated(store, feature(name, 1))).rejects.toThrow(/have version 0/);
    }
  });

  test("leaves nothing of a version that fails", async () => {
    const broken = feature("shop", 1);
    const versions = [{ version: 1, sql: "CREATE TABLE half (a integer);\nCREATE NONSENSE;\n" }];
    await expect(
      migrate(store, { ...broken, versions: { postgres: versions, sqlite: versions } }),
    ).rejects.toThrow();
    await expect(store.execute(`SELECT * FROM ${database.prefix}half`)).rejects.toThrow();
    expect(await migrate(store, broken)).toEqual([1]);
  });
});

test("a version of PostgreSQL may make functions, whose bodies have statements of their own", async () => {
  const createDatabase = databases.find(([name]) => name === "pg")?.[1];
  const database = await createDatabase!();
  onTestFinished(() => database.close());
  const store = database.createStore();
  const sql = `
CREATE FUNCTION twice(it integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  result integer := it;
BEGIN
  result := result * 2;
  RETURN result;
END $$;

CREATE TABLE after_it (a integer);
`;
  const versions = [{ version: 1, sql }];
  await migrate(store, { ...feature("shop", 0), versions: { postgres: versions, sqlite: [] } });
  const [row] = await store.execute(`SELECT ${database.prefix}twice(21) AS it`);
  expect(row).toEqual({ it: 42 });
  expect(await store.execute(`SELECT a FROM ${database.prefix}after_it`)).toEqual([]);
});

test("processes that start at the same time make the schema once, and need no right to after that", async () => {
  const schema = `sql_${crypto.randomUUID().slice(0, 8)}`;
  const role = `${schema}_role`;
  const url = databaseUrl();
  const admin = new pg.Pool({ connectionString: url });
  const limited = new URL(url);
  limited.username = role;
  const pool = new pg.Pool({ connectionString: limited.href });
  onTestFinished(async () => {
    await pool.end();
    await admin.query(`DROP SCHEMA ${schema} CASCADE`);
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });
  const own = { ...feature("shop", 2), createsSchema: true };
  const store = pgStore<pg.PoolClient>({ pool: admin, schema });
  const prepare = Array.from({ length: 10 }, () => prepareTables("shop", store, own, true));
  await Promise.all(prepare);
  await assertMigrated(store, own);
  await admin.query(`CREATE ROLE ${role} LOGIN`);
  await admin.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
  await admin.query(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
  await prepareTables("shop", pgStore<pg.PoolClient>({ pool, schema }), own, true);
});
