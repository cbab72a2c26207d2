import { type OutboxStore, pgStore, sqliteStore } from "@busbar/outbox";
import Database from "libsql";
import pg from "pg";

/** A store, whatever its transactions are, and the way to close it. */
export interface ShopDatabase {
  readonly store: OutboxStore;
  readonly close: () => Promise<void>;
}

/** Opens PostgreSQL if `DATABASE_URL` is set, and a SQLite file otherwise. */
export async function openDatabase(file: string, schema: string): Promise<ShopDatabase> {
  const connectionString = process.env["DATABASE_URL"];
  if (connectionString) {
    const pool = new pg.Pool({ connectionString, options: `-c search_path=${schema}` });
    const store = pgStore<pg.PoolClient>({ pool, schema }) as OutboxStore;
    return { store, close: () => pool.end() };
  }
  const database = new Database(file, { timeout: 20 });
  database.pragma("journal_mode = WAL");
  return {
    store: sqliteStore({ database }) as OutboxStore,
    close: async () => void database.close(),
  };
}
