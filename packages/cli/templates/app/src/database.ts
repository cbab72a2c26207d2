import { sqliteStore } from "@busbar/outbox";
import Database from "libsql";

export const database = new Database(process.env["DATABASE_FILE"] ?? "acme.db", { timeout: 20 });
database.pragma("journal_mode = WAL");
database.exec("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, total_cents INTEGER)");

/** Keeps events in the database of the application, in the transaction that emits them. */
export const store = sqliteStore({ database });
