import type { SqlStore, SqlValue } from "@busbar/sql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LogIndex } from "../../src/search/log-index.ts";
import { searchAttempts, searchDeliveries } from "../../src/search/log-search.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { addAttempts, addSubscription } from "../support/log-data.ts";

const [, openSqlite] = databases.find(([name]) => name === "SQLite") ?? [];

let database: TestDatabase;
let store: SqlStore;

beforeAll(async () => {
  database = await (openSqlite as () => Promise<TestDatabase>)();
  store = database.createStore();
  await addSubscription(database, { id: "sub-1" });
  await addAttempts(database, [
    { eventId: "e1", payload: { customer_email: "roni_cost@example.com", increment_id: "CK1" } },
    { eventId: "e2", errorClass: "timeout", error: "It took too long", response: "busy" },
  ]);
  await new LogIndex(store).indexNew();
});
afterAll(() => database?.close());

test.each([
  "event_name: customer.*",
  "*.created",
  "customer.* AND success: false",
  "data.data.customer_email: roni_cost@example.com",
  "data.data.increment_id: CK* AND success: true",
  "data.increment_id:CK1",
  "busy",
  "created:[2024-01-01 TO 2024-01-31]",
  "uuid:e1-sub-1 OR event_id:e2",
  "error_class:timeout",
  "subscription_id:sub-1 AND NOT data.a:b",
])("no statement of the search for %s reads a table as a whole", async (query) => {
  const plans = await plansOf(query);
  expect(plans.length).toBeGreaterThan(1);
  for (const { sql, details } of plans) {
    // A scan in the order of an index ends with the page.
    expect([sql, details.filter((it) => /^SCAN [adet]$/.test(it))]).toEqual([sql, []]);
  }
});

test("a search for a class of errors reads only what has failed with it", async () => {
  const details = (await plansOf("error_class:timeout")).flatMap((plan) => plan.details);
  for (const index of ["busbar_webhook_attempts_error", "busbar_webhook_deliveries_error"]) {
    expect(details.filter((it) => it.includes(index)).length).toBeGreaterThan(0);
  }
});

/** The statements of a search for attempts and of one for deliveries, with what SQLite does for each. */
async function plansOf(
  query: string,
): Promise<readonly { readonly sql: string; readonly details: readonly string[] }[]> {
  const statements: (readonly [string, readonly SqlValue[]])[] = [];
  const watched = new Proxy(store, {
    get(target, name) {
      if (name !== "execute") return Reflect.get(target, name);
      return (sql: string, parameters: readonly SqlValue[] = []) => {
        statements.push([sql, parameters]);
        return target.execute(sql, parameters);
      };
    },
  });
  await searchAttempts(watched, { query });
  await searchDeliveries(watched, { query });
  const plans = [];
  for (const [sql, parameters] of statements) {
    const rows = await store.execute(`EXPLAIN QUERY PLAN ${sql}`, parameters);
    plans.push({ sql, details: rows.map(({ detail }) => String(detail)) });
  }
  return plans;
}
