import { assertOptions, checks } from "@busbar/core/provider";
import { plainMigrations } from "@busbar/sql/feature";
import { SCHEMA } from "./prepare-schema.ts";
import { schemaNameOf } from "./schema-name.ts";

/** Options of {@link migrationSql}. */
export interface MigrationSqlOptions {
  /**
   * The name of the bus, which the name of the schema follows from.
   *
   * @default "busbar"
   */
  readonly bus?: string | undefined;
  /** The schema, if the provider has the option `schema`. It follows from the name of the bus by default. */
  readonly schema?: string | undefined;
  /**
   * The version that the schema has. 0: there is none yet.
   *
   * @default 0
   */
  readonly from?: number | undefined;
}

/**
 * Returns the SQL that makes the schema of a bus, or brings it up to date, for a database whose changes people or tools
 * apply. Start the provider with `migrate: false` then. Apply the SQL within one transaction, such as with
 * `psql --single-transaction`.
 *
 * @example
 * ```ts
 * writeFileSync("busbar.sql", migrationSql({ bus: "shop" }));
 * ```
 */
export function migrationSql(options: MigrationSqlOptions = {}): string {
  assertOptions("migrationSql()", options, {
    bus: checks.text,
    schema: checks.text,
    from: checks.milliseconds,
  });
  const { bus = "busbar", schema = schemaNameOf(bus), from = 0 } = options;
  return plainMigrations(SCHEMA, schema, from);
}
