import { BusbarError } from "@busbar/core";
import { patiently } from "./sqlite-busy.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Milliseconds for which the driver itself waits for the file. Short: meanwhile the process does nothing else. */
const BLOCKS_AT_MOST_MS = 20;

/** A database that the store has opened. */
export type OpenedDatabase = SqliteDatabase & { close(): unknown };

type Driver = new (file: string, options: { readonly timeout: number }) => OpenedDatabase;

/** How a file is opened. */
export interface OpenOptions {
  readonly file: string;
  readonly synchronous: "normal" | "full";
  readonly busyTimeoutMs: number;
}

/**
 * Opens a file with `libsql` if it can be found, otherwise with `node:sqlite`.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when there is neither.
 */
export async function openFile(options: OpenOptions): Promise<OpenedDatabase> {
  const { file, synchronous, busyTimeoutMs } = options;
  const Database = await findDriver();
  const database = new Database(file, { timeout: BLOCKS_AT_MOST_MS });
  try {
    await patiently(() => database.exec("PRAGMA journal_mode = WAL"), busyTimeoutMs);
    database.exec(`PRAGMA synchronous = ${synchronous}`);
    // As PostgreSQL does. Drivers have different defaults.
    database.exec("PRAGMA foreign_keys = ON");
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

async function findDriver(): Promise<Driver> {
  // In a variable: bundlers would look for the package, and it need not be there.
  const name = "libsql";
  let cause: unknown;
  try {
    return ((await import(/* @vite-ignore */ name)) as { readonly default: Driver }).default;
  } catch (error) {
    cause = error;
  }
  // Its types are not in those of Node.js 20.
  const modules: { getBuiltinModule(id: string): object | undefined } = process;
  const builtIn = modules.getBuiltinModule("node:sqlite");
  if (builtIn) return (builtIn as { readonly DatabaseSync: Driver }).DatabaseSync;
  const reason = "needs a driver: install libsql, or run Node.js 22.13 or newer, which has its own";
  throw new BusbarError(
    "BUSBAR_INVALID_CONFIG",
    `sqliteStore({ file }) ${reason}`,
    { module: "@busbar/sql", issues: [{ path: "file", reason }] },
    { cause },
  );
}
