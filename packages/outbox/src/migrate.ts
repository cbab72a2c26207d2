import { BusbarError } from "@busbar/core";
import { MIGRATIONS } from "./migrations.ts";
import { OwnWork } from "./own-work.ts";
import { quoteName } from "./sql.ts";
import type { OutboxStore } from "./store.ts";

/** Any number: processes that migrate at the same time take turns by it. */
const LOCK = 5_124_873_001;

/** Milliseconds for which a version may take, and for which one process waits for another. */
const AT_MOST_MS = 300_000;
const TURNS = { lock_timeout: "60000" };

/**
 * Brings the tables of outbox and inbox up to date, each version in a transaction of its own, recorded
 * in `busbar_migrations`. Safe to call again, and from several processes at once. Resolves with the
 * versions that it applied.
 */
export async function migrate<Tx>(store: OutboxStore<Tx>): Promise<readonly number[]> {
  const own = new OwnWork(store);
  const applied: number[] = [];
  for (const { version, sql } of MIGRATIONS[store.dialect]) {
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
        for (const statement of statementsOf(sql)) await executor.execute(statement);
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
  const newest = MIGRATIONS[store.dialect].at(-1)?.version ?? 0;
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

function statementsOf(sql: string): readonly string[] {
  const statements = sql.replaceAll(/--.*$/gm, "").split(/;\s*$/m);
  return statements.map((each) => each.trim()).filter((each) => each !== "");
}

/** The error of a plugin that cannot start, as its tables cannot be reached. */
export function unreachable<Tx>(
  plugin: "outbox" | "inbox",
  { server }: Pick<OutboxStore<Tx>, "server">,
  cause: unknown,
): BusbarError<"BUSBAR_UNAVAILABLE"> {
  const where = server === undefined ? "" : ` at ${server}`;
  const message = `The ${plugin} cannot reach its tables${where}: ${(cause as Error)?.message}`;
  return new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: plugin }, { cause });
}
