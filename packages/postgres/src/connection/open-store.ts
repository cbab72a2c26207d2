import type { Logger } from "@busbar/core";
import { pgStore, type SqlStore } from "@busbar/sql";
import type { PoolClient } from "pg";
import type { ResolvedOptions } from "../options.ts";

/** Milliseconds that a new connection may take, at most. */
const CONNECT_WITHIN_MS = 10_000;

/** Opens the store of a provider, in a schema. Its `close` closes only what the provider opened itself. */
export async function openStore(
  { connectionString, pool, store }: ResolvedOptions,
  schema: string,
  logger: Logger,
): Promise<SqlStore> {
  if (store) return inSchema(store, schema, async () => {});
  if (pool) return pgStore({ pool, schema }) as SqlStore;
  const { default: pg } = await import("pg");
  const own = new pg.Pool({ connectionString, connectionTimeoutMillis: CONNECT_WITHIN_MS });
  // Connections that the pool keeps may end at any time. The next statement gets another one.
  own.on("error", (err) => logger.debug({ err }, "An idle connection to PostgreSQL has ended"));
  return inSchema(pgStore<PoolClient>({ pool: own }) as SqlStore, schema, () => own.end());
}

/** A store whose tables are in another schema. */
function inSchema(store: SqlStore, schema: string, close: () => Promise<void>): SqlStore {
  return {
    dialect: store.dialect,
    schema,
    within: (transaction) => store.within(transaction),
    execute: (...given) => store.execute(...given),
    transaction: (...given) => store.transaction(...given),
    close,
    listen: store.listen,
    server: store.server,
  };
}
