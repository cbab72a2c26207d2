import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BusbarError, type ProviderContext } from "@busbar/core";
import Database from "libsql";
import { schema } from "./schema.ts";

type Opened = { readonly database: Database.Database; readonly context: ProviderContext };
/** No booleans: the driver has none. */
type Value = string | number | null | undefined;
type StoreOptions = Readonly<{ directory: string; leaseMs: number; deduplicationWindowMs: number }>;
export type Store = ReturnType<typeof createStore>;

/** One SQLite file, shared with other processes. */
export function createStore(options: StoreOptions) {
  const statements = new Map<string, Database.Statement>();
  const watchers = new Set<() => void>();
  let opened: Opened | undefined;

  function running(): Opened {
    if (opened) return opened;
    const message = "The SQLite provider is not running";
    throw new BusbarError("BUSBAR_NOT_RUNNING", message, { method: "start" });
  }

  /** Tries again while other processes have the file. */
  async function patiently<T>(work: () => T, deadline = store.now() + 5_000): Promise<T> {
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || store.now() >= deadline) throw error;
      }
      await new Promise<void>((resolve) => store.context().clock.setTimeout(resolve, 5));
    }
  }

  const store = {
    options,
    isOpen: () => opened !== undefined,
    context: () => running().context,
    now: () => running().context.clock.now(),

    async open(context: ProviderContext): Promise<void> {
      if (opened) throw new TypeError("A provider starts once: make another one");
      // SQLite's own patience stops the whole process, so there is little of it.
      mkdirSync(options.directory, { recursive: true });
      const file = join(options.directory, `${context.namespace}.db`);
      const database = new Database(file, { timeout: 20 });
      opened = { database, context };
      await patiently(() => database.pragma("journal_mode = WAL"));
      await store.write(() => database.exec(schema));
    },

    close(): void {
      statements.clear();
      opened?.database.close();
      opened = undefined;
    },

    /** Runs a statement, and returns its rows. */
    sql: <T = unknown>(text: TemplateStringsArray, ...values: readonly Value[]): T[] => {
      const source = text.join("?");
      const statement = statements.get(source) ?? running().database.prepare(source);
      statements.set(source, statement);
      return statement.all(values) as T[];
    },

    /** Runs statements in one transaction. */
    write: async <T>(work: () => T, deadline?: number): Promise<T> =>
      patiently(() => running().database.transaction(work).immediate(), deadline),

    /** Calls back when there may be something new to hand over. Returns a function that ends it. */
    watch: (callback: () => void): (() => void) => {
      watchers.add(callback);
      return () => void watchers.delete(callback);
    },

    changed: (): void => watchers.forEach((callback) => callback()),
  };
  return store;
}

/** Whether other processes had the file for too long. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "SQLITE_BUSY";
}
