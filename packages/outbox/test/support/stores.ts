import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import pg from "pg";
import { type OutboxStore, pgStore, sqliteStore } from "../../src/outbox-store.ts";

/** A database of a test's own, and a second connection as the application has it. */
export interface TestDatabase {
  readonly name: string;
  /** Before the names of tables, where the store does not find them by itself. */
  readonly prefix: string;
  /** The store of one process: several share the database. */
  createStore(): OutboxStore<never>;
  /** Runs `work` in a transaction of the application's, with what it gives to `withTransaction`. */
  transaction<T>(work: (tx: never) => Promise<T>): Promise<T>;
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** What a child process needs to open it. */
  readonly connection: { readonly url?: string; readonly schema?: string; readonly file?: string };
  close(): Promise<void>;
}

/** Where the tests' PostgreSQL is. */
export function databaseUrl(): string {
  const url = process.env["DATABASE_URL"];
  if (!url) throw new Error("DATABASE_URL is not set: does vitest.config.ts start a server?");
  return url;
}

/** What a transaction is by default. */
export type Isolation = "read committed" | "repeatable read" | "serializable";

/**
 * A schema of its own in PostgreSQL.
 *
 * @param isolation What transactions are by default, the application's as well as the store's.
 */
export async function postgresDatabase(
  url: string = databaseUrl(),
  isolation: Isolation = "read committed",
): Promise<TestDatabase> {
  const schema = `outbox_${crypto.randomUUID().slice(0, 8)}`;
  const byDefault = `-c default_transaction_isolation=${isolation.replace(" ", "\\ ")}`;
  const options = `-c search_path=${schema} ${byDefault}`;
  const application = new pg.Pool({ connectionString: url, options, max: 40 });
  application.on("error", ignore);
  // An application that outlives its database listens from the start: later may be too late.
  application.on("connect", (client) => void client.on("error", ignore));
  const pools = [application];
  await application.query(`CREATE SCHEMA ${schema}`);
  return {
    name: "PostgreSQL",
    prefix: `${schema}.`,
    connection: { url, schema },
    createStore() {
      const pool = new pg.Pool({ connectionString: url, options: byDefault, max: 10 });
      pool.on("error", ignore);
      pools.push(pool);
      return pgStore<pg.PoolClient>({ pool, schema }) as OutboxStore<never>;
    },
    async transaction(work) {
      const client = await application.connect();
      let broken = false;
      try {
        await client.query("BEGIN");
        const result = await work(client as never);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => (broken = true));
        throw error;
      } finally {
        client.release(broken);
      }
    },
    query: async (sql, values = []) => (await application.query(sql, [...values])).rows,
    async close() {
      await application.query(`DROP SCHEMA ${schema} CASCADE`).catch(() => {});
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
}

/** A SQLite file of its own. */
export async function sqliteDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-outbox-"));
  const file = join(folder, "shop.db");
  const open = (): Database.Database => {
    const database = new Database(file, { timeout: 20 });
    database.pragma("journal_mode = WAL");
    databases.push(database);
    return database;
  };
  const databases: Database.Database[] = [];
  const application = open();
  const own = sqliteStore({ database: application });
  return {
    name: "SQLite",
    prefix: "",
    connection: { file },
    createStore: () => sqliteStore({ database: open() }) as OutboxStore<never>,
    transaction: (work) => own.transaction((tx) => work(tx as never)),
    query: async (sql, values = []) =>
      (await own.execute(sql, values as never)) as Record<string, unknown>[],
    async close() {
      for (const database of databases) database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ignore(): void {}

/** For `describe.each`. */
export const databases: readonly (readonly [string, () => Promise<TestDatabase>])[] = [
  ["PostgreSQL", () => postgresDatabase()],
  ["SQLite", sqliteDatabase],
];
