import { pgStore, type SqlStore } from "@busbar/sql";
import pg from "pg";
import { afterAll } from "vitest";
// @boundaries-ignore servers of a test's own
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { testPart } from "./support/part-of-the-suite.ts";

const { port } = new URL(process.env["DATABASE_URL"] ?? "");
const role = `pgbouncer_${crypto.randomUUID().slice(0, 8)}`;
const pooler = await startServer("pgbouncer", { settings: { server: port, user: role } });
const callers = new pg.Pool({ connectionString: pooler.url });
afterAll(async () => {
  await callers.end();
  await pooler.stop();
});

await testPart(
  role,
  () => {
    const pool = new pg.Pool({ connectionString: pooler.url, max: 5 });
    pool.on("error", () => {});
    return { store: pgStore<pg.PoolClient>({ pool }) as SqlStore, close: () => pool.end() };
  },
  async () => {
    const transaction = await callers.connect();
    await transaction.query("BEGIN");
    const end = async (statement: string): Promise<void> => {
      await transaction.query(statement);
      transaction.release();
    };
    return { transaction, commit: () => end("COMMIT"), rollback: () => end("ROLLBACK") };
  },
);
