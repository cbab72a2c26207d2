import { readdir, readFile } from "node:fs/promises";
import { BusbarError } from "@busbar/core";
import { OwnWork } from "./own-work.ts";
import { quoteName } from "./sql.ts";
import type { OutboxStore } from "./store.ts";

/** Any number: processes that migrate at the same time take turns by it. */
const LOCK = 5_124_873_001;

/** Milliseconds for which a version may take, and for which one process waits for another. */
const AT_MOST_MS = 300_000;
const TURNS = { lock_timeout: "60000" };

const folder = new URL("../migrations/", import.meta.url);

/**
 * Brings the tables of outbox and inbox up to date, each version in a transaction of its own, recorded
 * in `busbar_migrations`. Safe to call again, and from several processes at once. Resolves with the
 * versions that it applied.
 */
export async function migrate<Tx>(store: OutboxStore<Tx>): Promise<readonly number[]> {
  const own = new OwnWork(store);
  const applied: number[] = [];
  for (const { version, statements } of await migrationsOf(store)) {
    const isNew = await own.transaction(
      async (executor) => {
        if (store.dialect === "postgres") {
          await executor.execute(`SELECT CAST(pg_advisory_xact_lock(${LOCK}) AS text) AS locked`);
          if (store.schema !== undefined) {
            await executor.execute(`SET LOCAL search_path TO ${quoteName(store.schema)}`);
          }
        }
        await executor.execute(`CREATE TABLE IF NOT EXISTS busbar_migrations (
        version integer PRIMARY KEY, applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)`);
        const known = await executor.execute(
          "SELECT version FROM busbar_migrations WHERE version = $1",
          [version],
        );
        if (known.length > 0) return false;
        for (const statement of statements) await executor.execute(statement);
        await executor.execute("INSERT INTO busbar_migrations (version) VALUES ($1)", [version]);
        return true;
      },
      TURNS,
      AT_MOST_MS,
    );
    if (isNew) applied.push(version);
  }
  return applied;
}

/**
 * Passes when the tables are up to date.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when they are not.
 */
export async function assertMigrated<Tx>(store: OutboxStore<Tx>): Promise<void> {
  const newest = (await migrationsOf(store)).at(-1)?.version ?? 0;
  const table =
    store.schema === undefined
      ? "busbar_migrations"
      : `${quoteName(store.schema)}.busbar_migrations`;
  let found = 0;
  let cause: unknown;
  try {
    const [row] = await new OwnWork(store).execute(`SELECT max(version) AS version FROM ${table}`);
    found = Number(row?.["version"] ?? 0);
  } catch (error) {
    if (!/no such table|does not exist/.test((error as Error)?.message)) throw error;
    cause = error;
  }
  if (found >= newest) return;
  const reason = `the tables have version ${found}, and ${newest} is needed: call migrate(store)`;
  throw new BusbarError(
    "BUSBAR_INVALID_CONFIG",
    `Outbox: ${reason}`,
    { module: "@busbar/outbox", issues: [{ path: "store", reason }] },
    { cause },
  );
}

interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
}

async function migrationsOf<Tx>({ dialect }: OutboxStore<Tx>): Promise<readonly Migration[]> {
  const files = (await readdir(new URL(`${dialect}/`, folder))).filter((file) =>
    /^\d+.*\.sql$/.test(file),
  );
  return Promise.all(
    files.toSorted().map(async (file) => {
      const text = await readFile(new URL(`${dialect}/${file}`, folder), "utf8");
      const statements = text.replaceAll(/--.*$/gm, "").split(/;\s*$/m);
      return {
        version: Number.parseInt(file, 10),
        statements: statements.map((each) => each.trim()).filter((each) => each !== ""),
      };
    }),
  );
}
