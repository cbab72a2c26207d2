import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createSubscriptionList } from "@busbar/core/provider";
import type { ProviderContext, SubscriptionList } from "@busbar/core/provider";
import Database from "libsql";

const schema = `
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS subscriptions (list TEXT NOT NULL); -- One row, the whole list.
CREATE TABLE IF NOT EXISTS deliveries ( -- One row per event and subscription.
  id INTEGER PRIMARY KEY, subscription TEXT NOT NULL, envelope TEXT NOT NULL,
  priority INTEGER AS (ifnull(envelope ->> '$.priority', 100)) STORED, due_at INTEGER NOT NULL,
  lease TEXT, -- Of whoever has it in hand, or died with it in hand.
  leased_until INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, state TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_next ON deliveries (subscription, priority, due_at, id);
CREATE TABLE IF NOT EXISTS dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- Never given again: pages go by it.
  subscription TEXT NOT NULL, envelope TEXT NOT NULL,
  reason TEXT NOT NULL, state TEXT NOT NULL, died_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_pages ON dead_letters (subscription, id);
`;

export type Store = ReturnType<typeof openStore>;

/** Opens the SQLite file that all processes of an application share. */
export function openStore(directory: string, context: ProviderContext) {
  mkdirSync(directory, { recursive: true });
  const database = new Database(join(directory, `${context.namespace}.db`), { timeout: 5_000 });
  database.exec(schema);
  // SQLite's own patience stops the whole process: from here on `write` has it.
  database.pragma("busy_timeout = 2");

  /** The clock of the machine, as SQLite reads it: the same for all processes. */
  const now = () =>
    sql<{ ms: number }>`SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS ms`[0]!.ms;
  const save = (list: SubscriptionList) =>
    sql`REPLACE INTO subscriptions (rowid, list) VALUES (1, ${JSON.stringify(list)})`;

  /** Runs a statement, and returns its rows. */
  function sql<Row>(text: TemplateStringsArray, ...values: readonly unknown[]): Row[] {
    return database.prepare(text.join("?")).all(values) as Row[];
  }

  /** Runs statements in one transaction, once no other process has the file. */
  async function write<T>(work: () => T, deadline = context.clock.monotonic() + 5_000): Promise<T> {
    try {
      return database.transaction(work).immediate();
    } catch (error) {
      const isBusy = error instanceof Error && "code" in error && error.code === "SQLITE_BUSY";
      if (!isBusy || context.clock.monotonic() >= deadline) throw error;
    }
    await new Promise<void>((resolve) => context.clock.setTimeout(resolve, 1));
    return write(work, deadline);
  }

  function subscriptions(): SubscriptionList {
    const [row] = sql<{ list: string }>`SELECT list FROM subscriptions`;
    return createSubscriptionList({ ...context, clock: { now } }, row && JSON.parse(row.list));
  }

  return { context, now, sql, write, subscriptions, save, close: () => database.close() };
}
