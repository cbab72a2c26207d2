import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import pg from "pg";
import { expect, test } from "vitest";
import { migrate } from "../src/migrate.ts";
import { outbox } from "../src/outbox.ts";
import { RelayStatements } from "../src/relay-statements.ts";
import { pgStore } from "../src/outbox-store.ts";
import { postgresDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

const EVENTS = 5_000;
const BATCH = 100;
/** Reads of rows for each event: claimed, renewed perhaps, and taken out. */
const READS = 10;

test.each(["empty", "full"])(
  "a backlog is relayed by its own rows, whatever else is in the table, with statistics of a table that was %s",
  async (when) => {
    const database = await postgresDatabase();
    const analyze = () => database.query("ANALYZE busbar_outbox");
    const { url, schema } = database.connection;
    const pool = new pg.Pool({ connectionString: url });
    const store = pgStore<pg.PoolClient>({ pool, schema });
    const plugin = outbox({ store, relay: { batchSize: BATCH } });
    const bus = createEventBus({ provider: localProvider(), plugins: [plugin] });
    let handled = 0;
    bus.subscribe("e", () => void (handled += 1), { subscriberId: "all" });
    await bus.start();
    await plugin.pause();
    await database.query("ALTER TABLE busbar_outbox SET (autovacuum_enabled = off)");

    if (when === "empty") await analyze();
    const events = Array.from({ length: EVENTS }, (_, data) => ({ name: "e", data }));
    await database.transaction((tx) => bus.withTransaction(tx).emit(events));
    if (when === "full") await analyze();
    plugin.resume();
    await until(() => handled === EVENTS, "all of them", 30_000);
    await bus.stop();

    // A connection tells of its reads when it ends.
    await pool.end();
    const read = await until(async () => {
      const [row] = await database.query(
        `SELECT seq_tup_read + idx_tup_fetch AS read, n_tup_del AS deleted FROM pg_stat_user_tables
        WHERE schemaname = '${schema}' AND relname = 'busbar_outbox'`,
      );
      return Number(row?.["deleted"]) === EVENTS && Number(row?.["read"]);
    }, "the statistics of all connections");
    expect(read).toBeLessThan(EVENTS * READS);
    await database.close();
  },
);

test("a claim that was planned while the table was empty finds its rows without reading the whole table", async () => {
  const database = await postgresDatabase();
  const { url, schema } = database.connection;
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const store = pgStore<pg.PoolClient>({ pool, schema });
  await migrate(store);
  await database.query("ALTER TABLE busbar_outbox SET (autovacuum_enabled = off)");
  const statements = new RelayStatements(store, 30_000);
  // A plan is kept from the sixth time on.
  for (let time = 0; time < 7; time += 1) await statements.claim(1_000);

  const { rows: prepared } = await pool.query(
    "SELECT name, generic_plans FROM pg_prepared_statements WHERE statement LIKE '%due AS%'",
  );
  expect(prepared).toHaveLength(1);
  expect(Number(prepared[0].generic_plans)).toBeGreaterThan(0);
  const { rows: lines } = await pool.query(
    `EXPLAIN EXECUTE ${prepared[0].name} ('me', 30000, 100)`,
  );
  const plan = lines.map((line) => line["QUERY PLAN"]).join("\n");
  expect(plan).toContain("Tid Scan on busbar_outbox");
  expect(plan).not.toContain("Seq Scan");
  await pool.end();
  await database.close();
});
