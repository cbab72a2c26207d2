import type { Logger } from "@busbar/core";
import pg from "pg";
import postgres from "postgres";
import { expect, onTestFinished, test, vi } from "vitest";
// @boundaries-ignore servers of a test's own
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { Listener } from "../src/listener.ts";
import type { SqlStore } from "../src/store.ts";
import { pgStore } from "../src/stores/pg-store.ts";
import { postgresStore } from "../src/stores/postgres-store.ts";

const drivers: readonly [string, (url: string) => SqlStore][] = [
  [
    "pg",
    (connectionString) => {
      const pool = new pg.Pool({ connectionString });
      onTestFinished(() => pool.end());
      return pgStore<pg.PoolClient>({ pool }) as SqlStore;
    },
  ],
  [
    "postgres",
    (url) => {
      const sql = postgres(url);
      onTestFinished(() => sql.end());
      return postgresStore({ sql }) as SqlStore;
    },
  ],
];

test.each(drivers)(
  "a listener on %s says that no notification arrives through PgBouncer",
  async (_, open) => {
    const { port } = new URL(process.env["DATABASE_URL"] ?? "");
    const pooler = await startServer("pgbouncer", { settings: { server: port } });
    onTestFinished(() => pooler.stop());
    const { listen, execute } = open(pooler.url);
    const warnings: string[] = [];
    const warn = (_context: object, message: string): void => void warnings.push(message);
    const logger: Logger = { debug() {}, info() {}, warn, error: warn };
    const listener = new Listener({
      feature: "outbox",
      listen: listen!,
      channel: "busbar_pooled",
      logger,
      hearWithinMs: 50,
      onNotify: () => {},
      notify: () => execute("SELECT CAST(pg_notify('busbar_pooled', '') AS text) AS notified"),
    });
    onTestFinished(() => listener.stop());
    listener.start();
    await vi.waitUntil(() => warnings.length > 0, { timeout: 5_000 });
    expect(warnings).toEqual([expect.stringMatching(/as behind PgBouncer in transaction mode/)]);
    expect(listener.isConnected).toBe(false);
  },
);
