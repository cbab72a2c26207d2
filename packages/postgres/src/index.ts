export { migrationSql, type MigrationSqlOptions } from "./schema/migration-sql.ts";
export { postgresProvider } from "./postgres-provider.ts";
export type { PostgresProviderOptions } from "./options.ts";
// A configuration that names this package gets its default export.
// oxlint-disable-next-line import/no-default-export
export { postgresModule as default } from "./postgres-module.ts";
