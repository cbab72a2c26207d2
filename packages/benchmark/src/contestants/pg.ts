import type { PgClient, PgPool } from "@busbar/outbox";
import { requirePeer } from "../peers.ts";

/** A pool of connections, made and ended by the one who measures. */
export type Pool = PgPool & {
  connect(): Promise<PgClient>;
  end(): Promise<void>;
};

interface PgModule {
  readonly Pool: new (options: { readonly connectionString: string }) => Pool;
}

/** A pool of the peers' `pg`, with its defaults. */
export function openPool(connectionString: string): Pool {
  return new (requirePeer<PgModule>("pg").Pool)({ connectionString });
}

/** Runs `work` in a transaction. Resolves when it is committed. */
export async function inTransaction(
  pool: Pool,
  work: (client: PgClient) => Promise<unknown>,
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await work(client);
    await client.query("COMMIT");
  } finally {
    client.release();
  }
}

/** The rows of a statement. */
export async function rowsOf<Row>(
  client: Pick<PgPool, "query">,
  text: string,
  values: unknown[] = [],
): Promise<readonly Row[]> {
  const result = await client.query(text, values);
  return (Array.isArray(result) ? [] : result.rows) as readonly Row[];
}
