import { BusbarError, isBusbarError } from "@busbar/core";
import { OwnWork } from "./own-work.ts";
import { isMissing } from "./sql-errors.ts";
import { quoteName, quoteText, sqlOf } from "./sql.ts";
import type { Dialect, SqlExecutor, SqlStore } from "./store.ts";

/** One version of the tables of a feature. */
export interface Migration {
  /** The versions of a feature count from 1. */
  readonly version: number;
  /** Statements that each end with a semicolon at the end of a line. The body of a function is between two `$$`. */
  readonly sql: string;
}

/** The tables of a feature, such as the outbox. Each feature counts versions of its own. */
export interface Migrations {
  /** The name under which `busbar_migrations` records the versions: `outbox`. */
  readonly feature: string;
  /** The package whose option `store` has the tables, for errors: `@busbar/outbox`. */
  readonly module: string;
  /** The versions for each kind of database, oldest first. A released version never changes. */
  readonly versions: Readonly<Record<Dialect, readonly Migration[]>>;
  /**
   * Whether {@link migrate} makes the schema of the store, if there is none.
   *
   * @default false
   */
  readonly createsSchema?: boolean | undefined;
  /**
   * What brings the tables up to date, for errors.
   *
   * @default "call migrate(store)"
   */
  readonly remedy?: string | undefined;
}

/** The feature of rows from the time when there was only one, and the table had no column for it. */
const FIRST_FEATURE = "outbox";

/** Any number: processes that migrate at the same time take turns by it. */
const LOCK = 5_124_873_001;

/** Milliseconds for which a version may take, and for which one process waits for another. */
const AT_MOST_MS = 300_000;
const TURNS = { lock_timeout: "60000" };

const COLUMNS = `(
  feature text NOT NULL DEFAULT '${FIRST_FEATURE}',
  version integer NOT NULL,
  applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (feature, version))`;

/** Gives the table of versions its column for the feature. A process of an older release can still use the table. */
const ADD_FEATURE: Readonly<Record<Dialect, readonly string[]>> = {
  postgres: [
    `ALTER TABLE busbar_migrations ADD COLUMN feature text NOT NULL DEFAULT '${FIRST_FEATURE}',
      DROP CONSTRAINT busbar_migrations_pkey, ADD PRIMARY KEY (feature, version)`,
  ],
  // SQLite cannot change a primary key.
  sqlite: [
    "ALTER TABLE busbar_migrations RENAME TO busbar_migrations_before",
    `CREATE TABLE busbar_migrations ${COLUMNS}`,
    `INSERT INTO busbar_migrations (version, applied_at)
      SELECT version, applied_at FROM busbar_migrations_before`,
    "DROP TABLE busbar_migrations_before",
  ],
};

/**
 * Brings the tables of a feature up to date, each version in a transaction of its own, recorded in
 * `busbar_migrations`. Idempotent, and safe to call from several processes at once. Resolves with the
 * versions that it applied.
 */
export async function migrate<Tx>(
  store: SqlStore<Tx>,
  { feature, versions, createsSchema = false }: Migrations,
): Promise<readonly number[]> {
  const own = new OwnWork(store);
  const applied: number[] = [];
  for (const { version, sql } of versions[store.dialect]) {
    const isNew = await own.transaction(
      async (executor) => {
        if (store.dialect === "postgres") {
          await executor.execute(`SELECT CAST(pg_advisory_xact_lock(${LOCK}) AS text) AS locked`);
          if (store.schema !== undefined) {
            if (createsSchema) await createSchema(executor, store.schema);
            await executor.execute(`SET LOCAL search_path TO ${quoteName(store.schema)}`);
          }
        }
        await versionTable(executor, store.dialect);
        const known = await executor.execute(
          "SELECT version FROM busbar_migrations WHERE feature = $1 AND version = $2",
          [feature, version],
        );
        if (known.length > 0) return false;
        for (const statement of statementsOf(sql)) await executor.execute(statement);
        await executor.execute("INSERT INTO busbar_migrations (feature, version) VALUES ($1, $2)", [
          feature,
          version,
        ]);
        return true;
      },
      TURNS,
      AT_MOST_MS,
    );
    if (isNew) applied.push(version);
  }
  return applied;
}

/** Makes a schema, if there is none. Only then the role needs the right to. */
async function createSchema(executor: SqlExecutor, schema: string): Promise<void> {
  const [row] = await executor.execute(
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${quoteText(schema)}) AS is_there`,
  );
  if (row?.["is_there"] === true) return;
  await executor.execute(`CREATE SCHEMA ${quoteName(schema)}`);
}

/**
 * Returns the versions of a feature after the version `from` as SQL for `psql` and other tools, in a schema.
 * PostgreSQL only.
 */
export function plainMigrations(
  { feature, versions, createsSchema = false }: Migrations,
  schema: string,
  from: number,
): string {
  const name = quoteName(schema);
  const steps = versions.postgres
    .filter(({ version }) => version > from)
    .map(
      ({ version, sql }) =>
        `${sql.trim()}\n\nINSERT INTO busbar_migrations (feature, version) VALUES (${quoteText(feature)}, ${version});\n`,
    );
  if (steps.length === 0) return "";
  const before = [
    ...(createsSchema ? [`CREATE SCHEMA IF NOT EXISTS ${name};`] : []),
    `SET search_path TO ${name};`,
    `CREATE TABLE IF NOT EXISTS busbar_migrations ${COLUMNS};`,
  ];
  return [`${before.join("\n\n")}\n`, ...steps].join("\n");
}

/**
 * Prepares the tables of a plugin that starts.
 *
 * @param plugin The name of the plugin, for errors: `inbox`.
 * @param migrates Whether it brings the tables up to date, and does not only look whether they are.
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when it only looks and they are not, and `BUSBAR_UNAVAILABLE`
 *   when the database cannot be reached.
 */
export async function prepareTables<Tx>(
  plugin: string,
  store: SqlStore<Tx>,
  migrations: Migrations,
  migrates: boolean,
): Promise<void> {
  try {
    if (!migrates) return await assertMigrated(store, migrations);
    // Tables that are up to date need no lock, and no right to make tables.
    const { found, newest } = await compareVersions(store, migrations);
    if (found < newest) await migrate(store, migrations);
  } catch (cause) {
    if (isBusbarError(cause)) throw cause;
    const where = store.server === undefined ? "" : ` at ${store.server}`;
    const message = `The ${plugin} cannot reach its tables${where}: ${(cause as Error)?.message}`;
    throw new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: plugin }, { cause });
  }
}

/** Makes the table of versions, or brings one of an older release up to date. */
async function versionTable(executor: SqlExecutor, dialect: Dialect): Promise<void> {
  await executor.execute(`CREATE TABLE IF NOT EXISTS busbar_migrations ${COLUMNS}`);
  if (await hasFeatures(executor, dialect, "busbar_migrations")) return;
  for (const statement of ADD_FEATURE[dialect]) await executor.execute(statement);
}

/** Whether the table of versions, if there is one, has a column for the feature. */
async function hasFeatures(
  executor: SqlExecutor,
  dialect: Dialect,
  table: string,
): Promise<boolean> {
  const columns =
    dialect === "sqlite"
      ? "SELECT 1 AS one FROM pragma_table_info('busbar_migrations') WHERE name = 'feature'"
      : `SELECT 1 AS one FROM pg_attribute
        WHERE attrelid = CAST(${quoteText(table)} AS regclass) AND attname = 'feature' AND NOT attisdropped`;
  return (await executor.execute(columns)).length > 0;
}

/**
 * Passes when the tables of a feature are up to date.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when they are not.
 */
export async function assertMigrated<Tx>(
  store: SqlStore<Tx>,
  migrations: Migrations,
): Promise<void> {
  const { feature, module, remedy = "call migrate(store)" } = migrations;
  const { found, newest, cause } = await compareVersions(store, migrations);
  if (found >= newest) return;
  const reason = `the tables have version ${found}, and ${newest} is needed: ${remedy}`;
  throw new BusbarError(
    "BUSBAR_INVALID_CONFIG",
    `${capitalized(feature)}: ${reason}`,
    { module, issues: [{ path: "store", reason }] },
    { cause },
  );
}

/** Looks which version the tables of a feature have. `cause`: there are none. */
async function compareVersions<Tx>(
  store: SqlStore<Tx>,
  { feature, versions }: Migrations,
): Promise<{ readonly found: number; readonly newest: number; readonly cause?: unknown }> {
  const newest = versions[store.dialect].at(-1)?.version ?? 0;
  const table = sqlOf(store).table("busbar_migrations");
  try {
    const found = await foundVersion(new OwnWork(store), store.dialect, table, feature);
    return { found, newest };
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    return { found: 0, newest, cause };
  }
}

async function foundVersion(
  executor: SqlExecutor,
  dialect: Dialect,
  table: string,
  feature: string,
): Promise<number> {
  const newest = `SELECT max(version) AS version FROM ${table}`;
  const rows = (await hasFeatures(executor, dialect, table))
    ? await executor.execute(`${newest} WHERE feature = $1`, [feature])
    : feature === FIRST_FEATURE
      ? await executor.execute(newest)
      : [];
  return Number(rows[0]?.["version"] ?? 0);
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Splits SQL into statements. The body of a function, between two `$$`, is a part of its statement. */
function statementsOf(sql: string): readonly string[] {
  const statements = [""];
  for (const [index, part] of sql.split("$$").entries()) {
    const [first = "", ...others] =
      index % 2 === 0 ? part.replaceAll(/--.*$/gm, "").split(/;\s*$/m) : [`$$${part}$$`];
    statements.push(`${statements.pop()}${first}`, ...others);
  }
  return statements.map((each) => each.trim()).filter((each) => each !== "");
}
