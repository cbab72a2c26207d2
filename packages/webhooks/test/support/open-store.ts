import { pgStore, type SqlStore, sqliteStore } from "@busbar/sql";
import Database from "libsql";
import pg from "pg";
import type { TestDatabase } from "./databases.ts";

/** Opens the database of a test in another process. */
export async function openStore(connection: TestDatabase["connection"]): Promise<SqlStore> {
  const { url, schema, file } = connection;
  if (file !== undefined) {
    return sqliteStore({ database: new Database(file, { timeout: 20 }) }) as SqlStore;
  }
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  pool.on("error", () => {});
  return pgStore<pg.PoolClient>({ pool, schema }) as SqlStore;
}
