import {
  type Checks,
  checks,
  createOptionsSchema,
  type EventModule,
  optionError,
  type OptionIssue,
  optionIssues,
} from "@busbar/core/provider";
import type { PgPool, SqlStore } from "@busbar/sql";
import { checkStore, methodsOf } from "@busbar/sql/feature";

/** Options of {@link postgresProvider}. Give one of `connectionString`, `pool` and `store`. */
export interface PostgresProviderOptions {
  /**
   * Where the database is: `postgres://user:password@host:5432/shop`. The provider then opens a pool of `pg`, and closes
   * the pool when it stops. For TLS, add `?sslmode=verify-full`.
   */
  readonly connectionString?: string | undefined;
  /** A pool of `pg` of yours, which stays open. One of its connections listens for notifications. */
  readonly pool?: PgPool | undefined;
  /**
   * The database by way of any driver, query builder or ORM: `pgStore({ pool })`, `postgresStore({ sql })`, or an adapter
   * of `@busbar/outbox`. What the store calls a transaction is what `withTransaction` takes.
   */
  readonly store?: SqlStore | undefined;
  /**
   * The schema of the bus. No two buses may have the same one.
   *
   * @default "busbar_<name of the bus>"
   */
  readonly schema?: string | undefined;
  /**
   * Whether `start` makes the schema and brings its tables up to date. With `false` it only looks whether they are.
   *
   * @default true
   */
  readonly migrate?: boolean | undefined;
  /**
   * Milliseconds after which another process may take the deliveries of a process that died. Renewed while a handler
   * runs, however long that is.
   *
   * @default 15_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds between two looks for deliveries that no notification has announced, at most. Delayed deliveries and
   * those of a process that died are found in this way.
   *
   * @default 1_000
   */
  readonly pollEveryMs?: number | undefined;
  /**
   * Milliseconds for which a subscription remembers a `deduplicationId`.
   *
   * @default 3_600_000 (1 hour)
   */
  readonly deduplicationWindowMs?: number | undefined;
  /**
   * Milliseconds without an answer after which a statement fails, and its connection is given up.
   *
   * @default 10_000
   */
  readonly answerWithinMs?: number | undefined;
}

/** The options, with their defaults. */
export interface ResolvedOptions extends Pick<
  PostgresProviderOptions,
  "connectionString" | "pool" | "schema" | "store"
> {
  readonly migrate: boolean;
  readonly leaseMs: number;
  readonly pollEveryMs: number;
  readonly deduplicationWindowMs: number;
  readonly answerWithinMs: number;
}

const CHECKS: Checks<PostgresProviderOptions> = {
  connectionString: checkConnectionString,
  pool: methodsOf("a pool of pg", ["connect", "query"]),
  store: checkStore,
  schema: checkSchema,
  migrate: checks.boolean,
  leaseMs: checks.wholeFrom(100),
  pollEveryMs: checks.wholeFrom(10),
  deduplicationWindowMs: checks.wholeFrom(1),
  answerWithinMs: checks.wholeFrom(100),
};

/** The options of a configuration. */
export const optionsSchema: NonNullable<EventModule<PostgresProviderOptions>["options"]> =
  createOptionsSchema(findIssues);

/**
 * Checks options, and fills in defaults.
 *
 * @throws TypeError when an option has an invalid value.
 */
export function resolveOptions(options: PostgresProviderOptions): ResolvedOptions {
  const [issue] = findIssues(options);
  if (issue) throw optionError("postgresProvider()", issue);
  const { connectionString, pool, store, schema, migrate = true } = options;
  const { leaseMs = 15_000, pollEveryMs = 1_000, answerWithinMs = 10_000 } = options;
  const { deduplicationWindowMs = 3_600_000 } = options;
  const place = { connectionString, pool, store, schema };
  return { ...place, migrate, leaseMs, pollEveryMs, deduplicationWindowMs, answerWithinMs };
}

/** Everything that is wrong with options, in their order. */
function findIssues(options: unknown): readonly OptionIssue[] {
  const issues = optionIssues(options, CHECKS);
  if (issues.length > 0) return issues;
  const { connectionString, pool, store } = options as PostgresProviderOptions;
  const given = [connectionString, pool, store].filter((it) => it !== undefined);
  if (given.length !== 1) {
    const reason = "must say where PostgreSQL is, by one of connectionString, pool and store";
    return [{ path: [], reason }];
  }
  if (store !== undefined && store.dialect !== "postgres") {
    return [{ path: ["store"], reason: "must be a store on PostgreSQL" }];
  }
  return [];
}

function checkConnectionString(value: unknown): string | undefined {
  const isUrl = typeof value === "string" && /^postgres(ql)?:\/\/./i.test(value);
  return isUrl ? undefined : "must be a URL that starts with postgres:// or postgresql://";
}

function checkSchema(value: unknown): string | undefined {
  const isName = typeof value === "string" && value !== "" && !value.includes("\0");
  if (isName && Buffer.byteLength(value) <= 63) return undefined;
  return "must be the name of a schema: at most 63 bytes";
}
