import { createFaultProxy, testProvider } from "@busbar/conformance";
import pg from "pg";
import { afterAll, test } from "vitest";
// @boundaries-ignore what starts the processes of all tests
import { bundledChild } from "../../../.ci/child-programs.mjs";
// @boundaries-ignore servers of a test's own
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { schemaNameOf } from "../src/schema/schema-name.ts";
import { createProvider, SUITE_URL } from "./support/create-provider.ts";

const server = await startServer("postgres");
const proxy = await createFaultProxy({ port: server.port });
// Child processes inherit it.
process.env[SUITE_URL] = `postgres://suite:secret@127.0.0.1:${proxy.port}/postgres`;
const admin = new pg.Pool({ connectionString: server.url });
admin.on("error", () => {});
await admin.query("CREATE ROLE suite LOGIN; GRANT CREATE ON DATABASE postgres TO suite");

afterAll(async () => {
  await admin.end();
  await proxy.close();
  await server.stop();
});

await testProvider(
  test,
  {
    create: createProvider,
    adjusts: ["deduplicationWindowMs"],
    beginTransaction: async () => {
      const client = await admin.connect();
      const end = async (how: "COMMIT" | "ROLLBACK"): Promise<void> => {
        await client.query(how);
        client.release();
      };
      await client.query("BEGIN");
      return {
        transaction: client,
        commit: () => end("COMMIT"),
        rollback: () => end("ROLLBACK"),
      };
    },
    cleanup: async ({ namespace }) => {
      await admin.query(`DROP SCHEMA IF EXISTS "${schemaNameOf(namespace)}" CASCADE`);
    },
    faults: {
      connection: true,
      ...(await bundledChild(new URL("support/create-provider.ts", import.meta.url))),
      restart: () => server.restart(),
      cut: proxy.cut,
      halfOpen: proxy.halfOpen,
      heal: proxy.heal,
    },
  },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
