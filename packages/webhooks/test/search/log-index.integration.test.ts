import type { SqlStore } from "@busbar/sql";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { sqlOf } from "@busbar/sql/feature";
import { attemptDocument, payloadDocument } from "../../src/search/documents.ts";
import { deleteDocuments, LogIndex } from "../../src/search/log-index.ts";
import { countMatches, searchAttempts } from "../../src/search/log-search.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { addAttempts, addSubscription } from "../support/log-data.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe.each(databases)("the search index on %s", (_, open) => {
  let database: TestDatabase;
  let store: SqlStore;

  beforeEach(async () => {
    database = await open();
    store = database.createStore();
    await addSubscription(database, { id: "sub-1" });
  });
  afterEach(() => database?.close());

  test("takes rows in the background until it is stopped", async () => {
    const index = new LogIndex(store);
    index.start(silent);
    await addAttempts(database, [{ eventId: "e1", payload: { sku: "MB01" } }]);
    await vi.waitUntil(async () => (await unindexed(database)) === 0, 10_000);
    await index.stop();
    await addAttempts(database, [{ eventId: "e2", payload: { sku: "MB01" } }]);
    expect(await unindexed(database)).toBe(2);
    // What it lacks is found all the same.
    expect(await countMatches(store, "attempts", { query: "data.sku:mb01" })).toBe(2);
    index.start(silent);
    expect(await unindexed(database)).toBe(2);
  });

  test("is made by several processes at once, each row once", async () => {
    const attempts = Array.from({ length: 120 }, (__, at) => ({
      eventId: `e${at}`,
      payload: { at, tags: ["a", "b"] },
      response: `answer ${at}`,
    }));
    await addAttempts(database, attempts);
    const counts = await Promise.all(
      [store, database.createStore()].map((each) => new LogIndex(each).indexNew()),
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(240);
    expect(await countMatches(store, "attempts", { query: "data.tags:a" })).toBe(120);
    expect(await countMatches(store, "attempts", { query: "response:answer" })).toBe(120);
    const { items } = await searchAttempts(store, { query: "data.at:[50 TO 59]" });
    expect(items.map(({ eventId }) => eventId)).toEqual(
      attempts
        .slice(50, 60)
        .map(({ eventId }) => eventId)
        .toReversed(),
    );
  });

  test("is made anew with no more than a few megabytes at a time", async () => {
    const text = "word ".repeat(200_000);
    await addAttempts(
      database,
      Array.from({ length: 8 }, (__, at) => ({ eventId: `e${at}`, payload: { text, at } })),
    );
    let most = 0;
    const measured = new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (name !== "within") return member;
        return (transaction: unknown) => {
          const own = target.within(transaction);
          return {
            async execute(...call: Parameters<typeof own.execute>) {
              const rows = await own.execute(...call);
              most = Math.max(most, JSON.stringify(rows).length);
              return rows;
            },
          };
        };
      },
    });
    expect(await new LogIndex(measured).rebuild()).toBe(16);
    expect(most).toBeGreaterThan(1_000_000);
    expect(most).toBeLessThan(5_000_000);
    expect(await countMatches(store, "attempts", { query: "data.text:word AND data.at:3" })).toBe(
      1,
    );
  });

  test("forgets what is deleted", async () => {
    await addAttempts(database, [{ eventId: "e1", payload: { sku: "MB01" }, response: "fine" }]);
    await new LogIndex(store).indexNew();
    const terms = "SELECT path FROM busbar_webhook_terms ORDER BY path";
    expect(await database.query(terms)).toEqual([{ path: "data.sku" }, { path: "response" }]);
    await deleteDocuments(store, sqlOf(store), [payloadDocument(1), attemptDocument(1)]);
    expect(await database.query(terms)).toEqual([]);
  });

  test("does not let a value be found that a subscription hides", async () => {
    await addSubscription(database, { id: "hiding", redact: ["customer.email", "items.0.sku"] });
    const payload = { customer: { email: "a@b.test", name: "Ann" }, items: [{ sku: "MB01" }] };
    await addAttempts(database, [
      { eventId: "e1", payload },
      { eventId: "e1", payload, subscriptionId: "hiding" },
    ]);
    for (const part of ["before", "after"]) {
      const found = async (query: string): Promise<readonly (string | null)[]> => {
        const { items } = await searchAttempts(store, { query });
        expect(await countMatches(store, "attempts", { query })).toBe(items.length);
        return items.map(({ subscriptionId }) => subscriptionId);
      };
      expect([part, await found("data.customer.name:ann")]).toEqual([part, ["hiding", "sub-1"]]);
      for (const query of [
        "data.customer.email:a@b.test",
        "a@b.test",
        "data.items.sku:mb*",
        "_exists_:data.customer.email",
      ]) {
        expect([query, await found(query)]).toEqual([query, ["sub-1"]]);
        expect([query, await found(`NOT ${query}`)]).toEqual([query, ["hiding"]]);
      }
      await new LogIndex(store).indexNew();
    }
  });
});

async function unindexed({ query }: TestDatabase): Promise<number> {
  const rows = await query(
    `SELECT 1 AS one FROM busbar_webhook_events WHERE indexed = 0
      UNION ALL SELECT 1 FROM busbar_webhook_attempts WHERE indexed = 0`,
  );
  return rows.length;
}
