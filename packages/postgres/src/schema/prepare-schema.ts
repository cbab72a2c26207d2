import type { SqlStore } from "@busbar/sql";
import { type Migrations, prepareTables } from "@busbar/sql/feature";
import { MIGRATIONS } from "./migrations.ts";

/** The tables of the provider, in a schema that the provider makes. */
export const SCHEMA: Migrations = {
  feature: "provider",
  module: "@busbar/postgres",
  versions: { postgres: MIGRATIONS, sqlite: [] },
  createsSchema: true,
  remedy: "let a process start with migrate: true, or run the SQL of migrationSql()",
};

/**
 * Brings the schema of a bus up to date, or looks whether it is.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when the schema is not up to date and `migrates` is false, and
 *   `BUSBAR_UNAVAILABLE` when the database cannot be reached.
 */
export function prepareSchema(store: SqlStore, migrates: boolean): Promise<void> {
  return prepareTables("PostgreSQL provider", store, SCHEMA, migrates);
}
