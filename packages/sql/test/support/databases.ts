import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import pg from "pg";
import postgres from "postgres";
import type { SqlStore } from "../../src/store.ts";
import { pgStore } from "../../src/stores/pg-store.ts";
import { postgresStore } from "../../src/stores/postgres-store.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite-database.ts";
import { sqliteStore } from "../../src/stores/sqlite-store.ts";

/** A database of a test's own. */
export interface TestDatabase {
  /** Before the names of tables, where statements do not find them by themselves. */
  readonly prefix: string;
  /** Makes the store of one process: several share the database. */
  createStore(): SqlStore;
  close(): Promise<void>;
}

/** Where the tests' PostgreSQL is. */
export function databaseUrl(): string {
  const url = process.env["DATABASE_URL"];
  if (!url) throw new Error("DATABASE_URL is not set: does vitest.config.ts start a server?");
  return url;
}

/** Makes a schema of its own in PostgreSQL. `createStore` opens a store there, and `end` all that it opened. */
async function postgresDatabase(
  createStore: (schema: string) => SqlStore,
  end: () => Promise<unknown>,
): Promise<TestDatabase> {
  const schema = `sql_${crypto.randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: databaseUrl() });
  await admin.connect();
  await admin.query(`CREATE SCHEMA ${schema}`);
  return {
    prefix: `${schema}.`,
    createStore: () => createStore(schema),
    async close() {
      await end();
      await admin.query(`DROP SCHEMA ${schema} CASCADE`);
      await admin.end();
    },
  };
}

function pgDatabase(): Promise<TestDatabase> {
  const pools: pg.Pool[] = [];
  return postgresDatabase(
    (schema) => {
      const pool = new pg.Pool({ connectionString: databaseUrl() });
      pools.push(pool);
      return pgStore<pg.PoolClient>({ pool, schema }) as SqlStore;
    },
    () => Promise.all(pools.map((pool) => pool.end())),
  );
}

function postgresJsDatabase(): Promise<TestDatabase> {
  const clients: postgres.Sql[] = [];
  return postgresDatabase(
    (schema) => {
      const sql = postgres(databaseUrl(), { onnotice: () => {} });
      clients.push(sql);
      return postgresStore({ sql, schema }) as SqlStore;
    },
    () => Promise.all(clients.map((sql) => sql.end())),
  );
}

/** A connection that a test opens and closes. */
export type Connection = SqliteDatabase & { close(): unknown };

type Driver = new (file: string, options: { readonly timeout: number }) => Connection;

const load = createRequire(import.meta.url);

/**
 * Opens files with each driver of SQLite. Undefined where this Node.js does not have it: node:sqlite is absent
 * from Node.js 20, and better-sqlite3 is native code for one version of Node.js.
 */
export const sqliteDrivers: readonly (readonly [
  string,
  ((file: string) => Connection) | undefined,
])[] = [
  ["libsql", opener(() => Libsql)],
  ["better-sqlite3", opener(() => load("better-sqlite3") as Driver)],
  ["node:sqlite", opener(() => (load("node:sqlite") as { DatabaseSync: Driver }).DatabaseSync)],
];

function opener(find: () => Driver): ((file: string) => Connection) | undefined {
  try {
    const Database = find();
    new Database(":memory:", { timeout: 20 }).close();
    return (file) => {
      const database = new Database(file, { timeout: 20 });
      database.exec("PRAGMA journal_mode = WAL");
      return database;
    };
  } catch {
    return undefined;
  }
}

/** Makes a SQLite file of its own. */
async function sqliteDatabase(open: (file: string) => Connection): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-sql-"));
  const opened: Connection[] = [];
  return {
    prefix: "",
    createStore() {
      const database = open(join(folder, "test.db"));
      opened.push(database);
      return sqliteStore({ database }) as SqlStore;
    },
    async close() {
      for (const database of opened) database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Each driver that is there, for `describe.each`. */
export const databases: readonly (readonly [string, () => Promise<TestDatabase>])[] = [
  ["pg", pgDatabase],
  ["postgres", postgresJsDatabase],
  ...sqliteDrivers.flatMap(([name, open]) =>
    open ? [[name, () => sqliteDatabase(open)] as const] : [],
  ),
];
