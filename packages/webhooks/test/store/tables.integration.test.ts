import { migrate } from "@busbar/sql/feature";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MIGRATIONS } from "../../src/store/tables.ts";
import { databases, type TestDatabase } from "../support/databases.ts";

/** The columns of each table, of both kinds of database: `table.column`. */
async function columnsOf({ dialect, query }: TestDatabase): Promise<readonly string[]> {
  const rows = await query(
    dialect === "postgres"
      ? `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name LIKE 'busbar_webhook_%'`
      : `SELECT tables.name || '.' || columns.name AS name
        FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND tables.name LIKE 'busbar_webhook_%'`,
  );
  return rows.map(({ name }) => String(name)).toSorted();
}

/** Each statement, and the index that answers it. */
const INDEXED = [
  [
    "the first due delivery after a subscription",
    `SELECT subscription_id FROM busbar_webhook_deliveries
      WHERE state = 'waiting' AND due_at IS NOT NULL AND subscription_id > 'a'
      ORDER BY subscription_id, due_at LIMIT 1`,
    "busbar_webhook_deliveries_due",
  ],
  [
    "what is due of a subscription",
    `SELECT id FROM busbar_webhook_deliveries
      WHERE state = 'waiting' AND due_at IS NOT NULL
        AND subscription_id = 'a' AND due_at <= 5 ORDER BY due_at, number LIMIT 10`,
    "busbar_webhook_deliveries_due",
  ],
  [
    "what runs of a subscription",
    `SELECT count(*) FROM busbar_webhook_deliveries
      WHERE state = 'running' AND subscription_id = 'a' AND leased_until > 5`,
    "busbar_webhook_deliveries_running",
  ],
  [
    "what is before a delivery of an ordering key",
    `SELECT 1 FROM busbar_webhook_deliveries WHERE subscription_id = 'a' AND ordering_key = 'k'
      AND ordering_key IS NOT NULL AND state IN ('waiting', 'running', 'dead')
      AND number < 5 LIMIT 1`,
    "busbar_webhook_deliveries_ordered",
  ],
  [
    "the first that waits for others of its ordering key",
    `SELECT number FROM busbar_webhook_deliveries WHERE subscription_id = 'a' AND ordering_key = 'k'
      AND state = 'waiting' AND due_at IS NULL ORDER BY number LIMIT 1`,
    "busbar_webhook_deliveries_held",
  ],
  [
    "the subscriptions that changed",
    "SELECT id FROM busbar_webhook_subscriptions WHERE revision > 5 ORDER BY revision",
    "busbar_webhook_subscriptions_revision",
  ],
  [
    "a page of subscriptions",
    `SELECT id FROM busbar_webhook_subscriptions
      WHERE deleted_at IS NULL AND number < 5 ORDER BY number DESC LIMIT 10`,
    "busbar_webhook_subscriptions_present",
  ],
  [
    "the attempts of a delivery",
    "SELECT id FROM busbar_webhook_attempts WHERE delivery_id = 'a' ORDER BY number",
    "busbar_webhook_attempts_delivery",
  ],
] as const;

/** How a database answers a statement, with an index wherever there is one. */
async function planOf({ dialect, query }: TestDatabase, statement: string): Promise<string> {
  if (dialect === "sqlite") {
    const plan = await query(`EXPLAIN QUERY PLAN ${statement}`);
    return plan.map((row) => String(row["detail"]).replace(/ USING .*?INDEX/, " using")).join("\n");
  }
  // Empty tables are read as a whole unless that is forbidden.
  await query("SET enable_seqscan = off; SET enable_bitmapscan = off");
  return (await query(`EXPLAIN ${statement}`)).map((row) => row["QUERY PLAN"]).join("\n");
}

const columns: (readonly string[])[] = [];

describe.each(databases)("the tables on %s", (_, open) => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database?.close());

  test("have the same columns as on other databases", async () => {
    columns.push(await columnsOf(database));
    expect(columns[0]?.length).toBeGreaterThan(100);
    expect(columns.at(-1)).toEqual(columns[0]);
  });

  test("are made once", async () => {
    expect(await migrate(database.createStore(), MIGRATIONS)).toEqual([]);
    const state = await database.query("SELECT * FROM busbar_webhook_state");
    expect(state.map((row) => Number(row["subscriptions_version"]))).toEqual([0]);
  });

  test.each(INDEXED)("find %s with an index", async (__, statement, index) => {
    const plan = await planOf(database, statement);
    expect(plan).toContain(` using ${index} `);
    expect(plan).not.toMatch(/TEMP B-TREE|Sort/);
  });
});
