import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Dialect, pgStore, type SqlStore, sqliteStore } from "@busbar/sql";
import { migrate } from "@busbar/sql/feature";
import Database from "libsql";
import pg from "pg";
import { MIGRATIONS } from "../../src/store/tables.ts";

/** A database of a test's own, with the tables of webhooks. */
export interface TestDatabase {
  readonly dialect: Dialect;
  /** Before the names of tables in {@link TestDatabase.query}. */
  readonly prefix: string;
  /** Makes the store of one process: several share the database. */
  createStore(): SqlStore;
  /** Runs a statement on a connection of the test's own. Parameters are `$1`, `$2` and so on. */
  query(
    sql: string,
    values?: readonly (string | number | null)[],
  ): Promise<readonly Record<string, unknown>[]>;
  /** What a child process needs to open the database. */
  readonly connection: { readonly url?: string; readonly schema?: string; readonly file?: string };
  /** Deletes the database, and closes every store. */
  close(): Promise<void>;
}

/** How a database is made. */
interface DatabaseOptions {
  /** Whether it has no tables. */
  readonly isEmpty?: boolean;
}

/** Where the tests' PostgreSQL is. */
function databaseUrl(): string {
  const url = process.env["DATABASE_URL"];
  if (!url) throw new Error("DATABASE_URL is not set: does vitest.config.ts start a server?");
  return url;
}

/** Makes a schema of its own in PostgreSQL. */
export async function postgresDatabase({
  isEmpty = false,
  url = databaseUrl(),
}: DatabaseOptions & {
  /** A server of the test's own. @default that of all tests */
  readonly url?: string;
} = {}): Promise<TestDatabase> {
  const schema = `webhooks_${crypto.randomUUID().slice(0, 8)}`;
  const pools: pg.Pool[] = [];
  const open = (options?: string): pg.Pool => {
    const pool = new pg.Pool({ connectionString: url, max: 10, ...(options && { options }) });
    pool.on("error", ignore);
    pools.push(pool);
    return pool;
  };
  const own = open(`-c search_path=${schema}`);
  await own.query(`CREATE SCHEMA ${schema}`);
  const database: TestDatabase = {
    dialect: "postgres",
    prefix: `${schema}.`,
    connection: { url, schema },
    createStore: () => pgStore<pg.PoolClient>({ pool: open(), schema }) as SqlStore,
    query: async (sql, values = []) => (await own.query(sql, [...values])).rows,
    async close() {
      await own.query(`DROP SCHEMA ${schema} CASCADE`).catch(ignore);
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
  if (!isEmpty) await migrate(database.createStore(), MIGRATIONS);
  return database;
}

/** Makes a SQLite file of its own. */
async function sqliteDatabase({ isEmpty = false }: DatabaseOptions = {}): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-webhooks-"));
  const file = join(folder, "webhooks.db");
  const opened: Database.Database[] = [];
  const createStore = (): SqlStore => {
    const database = new Database(file, { timeout: 20 });
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = NORMAL");
    opened.push(database);
    return sqliteStore({ database }) as SqlStore;
  };
  const own = createStore();
  if (!isEmpty) await migrate(own, MIGRATIONS);
  return {
    dialect: "sqlite",
    prefix: "",
    connection: { file },
    createStore,
    query: (sql, values = []) => own.execute(sql, values),
    async close() {
      for (const database of opened) database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ignore(): void {}

/** For `describe.each`. */
export const databases: readonly (readonly [
  string,
  (options?: DatabaseOptions) => Promise<TestDatabase>,
])[] = [
  ["PostgreSQL", postgresDatabase],
  ["SQLite", sqliteDatabase],
];
