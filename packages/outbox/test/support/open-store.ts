import Database from "libsql";
import pg from "pg";
import { type OutboxStore, pgStore, sqliteStore } from "../../src/outbox-store.ts";
import type { TestDatabase } from "./stores.ts";

/** Opens the database of a test in another process. */
export async function openStore(
  connection: TestDatabase["connection"],
): Promise<OutboxStore<never>> {
  const { url, schema, file } = connection;
  if (file !== undefined) {
    return sqliteStore({ database: new Database(file, { timeout: 20 }) }) as OutboxStore<never>;
  }
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  pool.on("error", () => {});
  return pgStore<pg.PoolClient>({ pool, schema }) as OutboxStore<never>;
}
