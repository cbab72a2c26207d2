import { execFileSync } from "node:child_process";
import { createEventBus, type EventBus } from "@busbar/core";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { migrationSql } from "../src/schema/migration-sql.ts";
import { postgresProvider } from "../src/postgres-provider.ts";
import type { PostgresProviderOptions } from "../src/options.ts";
import { schemaNameOf } from "../src/schema/schema-name.ts";

const connectionString = process.env["DATABASE_URL"] ?? "";
const admin = new pg.Client({ connectionString });

beforeAll(() => admin.connect());
afterAll(() => admin.end());

/** The name of a bus of the test's own, whose schema goes at the end. */
function busName(): string {
  const name = `schema_${crypto.randomUUID().slice(0, 8)}`;
  onTestFinished(() => dropSchema(schemaNameOf(name)));
  return name;
}

async function dropSchema(schema: string): Promise<void> {
  await admin.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
}

function makeBus(name: string, options: Partial<PostgresProviderOptions> = {}): EventBus {
  return createEventBus({
    name,
    provider: postgresProvider({ connectionString, ...options }),
  });
}

/** Everything that a schema has, as PostgreSQL describes it. */
async function describeSchema(schema: string): Promise<readonly unknown[]> {
  const queries = [
    `SELECT relname, relkind, relpersistence, reloptions FROM pg_class
      WHERE relnamespace = $1::regnamespace ORDER BY relname`,
    `SELECT attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull, attidentity, attstorage,
      pg_get_expr(adbin, adrelid) AS fallback
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE relnamespace = $1::regnamespace AND attnum > 0 ORDER BY 1, attnum`,
    `SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
      WHERE relnamespace = $1::regnamespace ORDER BY 1`,
    `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
      WHERE connamespace = $1::regnamespace ORDER BY 1`,
    `SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = $1::regnamespace ORDER BY 1`,
    `SELECT feature, version FROM "${schema}".busbar_migrations ORDER BY 1, 2`,
    `SELECT * FROM "${schema}".registry`,
  ];
  const described: unknown[] = [];
  for (const query of queries) {
    const { rows } = await admin.query(query, query.includes("$1") ? [schema] : []);
    described.push(JSON.parse(JSON.stringify(rows).replaceAll(schema, "its")));
  }
  return described;
}

test("processes that start at the same time make the schema once", async () => {
  const name = busName();
  const buses = Array.from({ length: 10 }, () => makeBus(name));
  await Promise.all(buses.map((bus) => bus.start()));
  await Promise.all(buses.map((bus) => bus.stop()));
  const { rows } = await admin.query(
    `SELECT feature, version FROM "${schemaNameOf(name)}".busbar_migrations`,
  );
  expect(rows).toEqual([{ feature: "provider", version: 1 }]);
});

test("the SQL of the migrations makes the same schema with psql, and a bus needs no other", async () => {
  const [name, plain] = [busName(), busName()];
  const bus = makeBus(name);
  await bus.start();
  await bus.stop();
  execFileSync(
    "psql",
    [connectionString, "--quiet", "--single-transaction", "-v", "ON_ERROR_STOP=1"],
    {
      input: migrationSql({ bus: plain }),
      stdio: "pipe",
    },
  );
  const made = await describeSchema(schemaNameOf(plain));
  expect(made.flat().length).toBeGreaterThan(60);
  expect(made).toEqual(await describeSchema(schemaNameOf(name)));
  const other = makeBus(plain, { migrate: false });
  await other.start();
  await other.stop();
});

test("nothing is left to apply to a schema that is up to date", () => {
  expect(migrationSql({ bus: "shop", from: 1 })).toBe("");
  expect(migrationSql({ schema: "events" })).toMatch(/^CREATE SCHEMA IF NOT EXISTS "events";/);
  expect(() => migrationSql({ bus: 1 as never })).toThrow(/migrationSql\(\).*bus/);
});

test("a bus that may not migrate says what its schema lacks", async () => {
  const bus = makeBus(busName(), { migrate: false });
  await expect(bus.start()).rejects.toMatchObject({
    code: "BUSBAR_INVALID_CONFIG",
    message: expect.stringContaining(
      "the tables have version 0, and 1 is needed: let a process start with migrate: true, or run the SQL of migrationSql()",
    ),
  });
  await bus.stop();
});

test.each(["default_transaction_read_only=on", "default_transaction_isolation=serializable"])(
  "a database with %s has a bus that works, or says why not",
  async (setting) => {
    const pool = new pg.Pool({ connectionString, options: `-c ${setting}` });
    onTestFinished(() => pool.end());
    const bus = createEventBus({ name: busName(), provider: postgresProvider({ pool }) });
    onTestFinished(() => bus.stop());
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    if (setting.endsWith("on")) {
      await expect(bus.start()).rejects.toMatchObject({
        code: "BUSBAR_UNAVAILABLE",
        message: expect.stringMatching(/cannot reach its tables at .*read-only transaction/),
      });
      return;
    }
    await bus.start();
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([1]);
  },
);

test("a database that is away is named without its password", async () => {
  const away = "postgres://shop:my-secret@127.0.0.1:1/shop";
  const bus = makeBus(busName(), { connectionString: away });
  const error = await bus.start().catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "BUSBAR_UNAVAILABLE",
    message: expect.stringContaining("127.0.0.1:1"),
  });
  expect(String((error as Error).stack)).not.toContain("my-secret");
  await bus.stop();
});

test("the name of a bus gives a schema of its own, whatever it is", () => {
  const names = ["shop", "Shop", "shop-1", "shop_1", "shop.1", "s".repeat(80), "s".repeat(81), "é"];
  const schemas = names.map(schemaNameOf);
  expect(new Set(schemas).size).toBe(names.length);
  expect(schemas[0]).toBe("busbar_shop");
  for (const schema of schemas) expect(schema).toMatch(/^[a-z0-9_]{1,63}$/);
  // The name of a bus that looks like the schema of another one.
  const hashed = schemas.filter((it) => /_[0-9a-f]{12}$/.test(it));
  for (const schema of hashed)
    expect(schemaNameOf(schema.slice("busbar_".length))).not.toBe(schema);
  expect(hashed).toHaveLength(6);
});
