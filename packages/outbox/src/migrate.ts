import type { SqlStore } from "@busbar/sql";
import { migrate as migrateTables, type Migrations } from "@busbar/sql/feature";
import { MIGRATIONS } from "./migrations.ts";

/** The tables of outbox and inbox. */
export const TABLES: Migrations = {
  feature: "outbox",
  module: "@busbar/outbox",
  versions: MIGRATIONS,
};

/**
 * Brings the tables of outbox and inbox up to date, each version in a transaction of its own, recorded
 * in `busbar_migrations`. Idempotent, and safe to call from several processes at once. Resolves with the
 * versions that it applied.
 */
export function migrate<Tx>(store: SqlStore<Tx>): Promise<readonly number[]> {
  return migrateTables(store, TABLES);
}
