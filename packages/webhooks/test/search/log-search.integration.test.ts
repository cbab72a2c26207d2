import type { JsonValue } from "@busbar/core/provider";
import type { SqlStore } from "@busbar/sql";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ERROR_CLASSES } from "../../src/contract/notifier.ts";
import { LOG_FIELDS } from "../../src/search/fields.ts";
import { LogIndex } from "../../src/search/log-index.ts";
import { recordColumns, recordOf } from "../../src/search/log-rows.ts";
import {
  countMatches,
  type LogSearch,
  searchAttempts,
  searchDeliveries,
} from "../../src/search/log-search.ts";
import { ATTEMPTS, DELIVERIES, type LogSource } from "../../src/search/log-source.ts";
import { readQuery } from "../../src/search/lucene-query.ts";
import { compilePredicate } from "../../src/search/predicate.ts";
import type { SearchRecord } from "../../src/search/record.ts";
import { sqlOf } from "@busbar/sql/feature";
import { databases, type TestDatabase } from "../support/databases.ts";
import { addAttempts, addSubscription, type LoggedAttempt } from "../support/log-data.ts";

const WORDS = [
  "gift",
  "Express",
  "front door",
  "24-MB01",
  "CK0001",
  "a.b@c.test",
  "größe",
  "%_",
  "é",
];

const values: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(...WORDS, ""),
  fc.constantFrom<JsonValue>(0, 5, 29, 29.5, -3, "29.0000", "5", true, false, null),
  fc.constantFrom<JsonValue>("2024-01-15", "2024-01-15 10:00:00", "2024-02-01T00:00:00Z"),
);

const payloads: fc.Arbitrary<JsonValue> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record(
      {
        a: values,
        b: fc.array(values, { maxLength: 3 }),
        c: fc.array(fc.record({ d: values, e: values }), { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ data: fc.record({ a: values }), "x.y": values }, { requiredKeys: [] }),
  },
  { weight: 1, arbitrary: values },
);

const attempts: fc.Arbitrary<LoggedAttempt> = fc
  .record(
    {
      eventId: fc.constantFrom("e1", "e2", "E3", "e4", "e5", "e6", "e7"),
      eventName: fc.constantFrom("order.created", "order.paid", "Customer.created"),
      scope: fc.constantFrom(null, "shop-1", "shop-2"),
      payload: payloads,
      snapshot: payloads,
      subscriptionId: fc.constantFrom("sub-1", "sub-2", "sub-3", "paused", null),
      payloadMode: fc.constantFrom(
        "once" as const,
        "once" as const,
        "emitted" as const,
        "attempt" as const,
      ),
      state: fc.constantFrom("waiting", "running", "delivered", "dead", "cancelled"),
      number: fc.constantFrom(1, 2, 3),
      trigger: fc.constantFrom("first", "retry", "manual"),
      success: fc.boolean(),
      status: fc.constantFrom(null, 200, 204, 404, 503),
      errorClass: fc.constantFrom(null, "http_5xx", "timeout"),
      error: fc.constantFrom(null, "The endpoint answered 503", "front door"),
      response: fc.constantFrom(null, "<b>gift</b> door", "CK0001 29"),
      startedAt: fc.constantFrom(
        Date.UTC(2024, 0, 15, 10),
        Date.UTC(2024, 0, 15, 11),
        Date.UTC(2024, 1, 1),
        5,
      ),
      durationMs: fc.constantFrom(1, 20, 300),
      nextAt: fc.constantFrom(null, Date.UTC(2024, 1, 2)),
    },
    { requiredKeys: ["eventId"] },
  )
  .map((attempt) => (attempt.success ? { ...attempt, errorClass: null } : attempt));

const paths = fc.constantFrom("a", "b", "c.d", "c.e", "c", "data.a", "data.data.a", "x.y", "none");
const pieces = fc.constantFrom(
  "gift",
  "EXPRESS",
  '"front door"',
  '"door front"',
  "door",
  "24-mb01",
  "mb01",
  "CK*",
  "*01",
  "g?ft",
  "ck0001",
  "a.b@c.test",
  "GRÖSSE",
  "größe",
  String.raw`\%_`,
  String.raw`\%*`,
  "é",
  "29",
  "29.0",
  "5",
  "true",
  "2024",
  '""',
  '"a.b@c.test"',
  "fr*",
  "d*r",
);
const ranges = fc.constantFrom(
  "[5 TO 29]",
  "{5 TO 29}",
  ">5",
  ">=29.5",
  "<0",
  "[* TO 5]",
  "[2024-01-01 TO 2024-01-31]",
  ">2024-01-15",
  "[d TO g]",
  "{gift TO *]",
);
const leaves = fc.oneof(
  { weight: 3, arbitrary: pieces },
  {
    weight: 4,
    arbitrary: fc
      .tuple(paths, fc.oneof(pieces, ranges, fc.constant("*")))
      .map(([path, value]) => `data.${path}:${value}`),
  },
  { weight: 1, arbitrary: paths.map((path) => `_exists_:data.${path}`) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "event_name:order.*",
      "event_name:*.created",
      "event_name:ORDER.PAID",
      "event_name:none",
      "*.created",
      "order.*",
      "success:true",
      "success:false",
      "status:dead",
      "status:paused",
      "status:retrying",
      "status:d*",
      "status:5*",
      "status:[200 TO 299]",
      "status_code:404",
      "scope:shop-1",
      "scope:shop*",
      "scope:SHOP-1",
      "subscription_id:sub-1",
      "subscription_id:sub*",
      "event_id:e1",
      "event_id:e3",
      "uuid:e1-sub-1",
      "uuid:e1*",
      "log_id:[1 TO 5]",
      "log_id:2",
      "log_id:1.5",
      "destination:*erp*",
      "destination:*other*",
      "notifier:HTTP",
      "error_class:http_5xx",
      "error_class:none",
      "error:answered",
      "error:*",
      'error:"front door"',
      "response:gift",
      "response:CK*",
      "attempt:>1",
      "trigger:retry",
      "trigger:r*",
      "duration:[20 TO *]",
      "created:2024-01-15",
      "created:[2024-01-15 TO 2024-02]",
      'created:>"2024-01-15 10:00:00"',
      "created:<2024",
      "next_attempt:*",
      "_exists_:scope",
      "_exists_:uuid",
      "_exists_:destination",
      "data:gift",
      "*:*",
      String.raw`scope:\u0000`,
      String.raw`data.a:\u0000x`,
    ),
  },
);
const queries = fc.letrec<{ query: string }>((tie) => ({
  query: fc.oneof(
    { maxDepth: 2 },
    leaves,
    fc
      .tuple(
        tie("query"),
        fc.constantFrom(" AND ", " OR ", " ", " AND NOT ", " OR NOT ", " -", " +"),
        tie("query"),
      )
      .map((parts) => `(${parts.join("")})`),
    tie("query").map((query) => `(NOT ${query})`),
  ),
})).query;

async function records(store: SqlStore, source: LogSource): Promise<readonly SearchRecord[]> {
  const rows = await store.execute(
    `SELECT ${recordColumns(source, true)} FROM ${source.from(sqlOf(store))}
      ORDER BY ${source.time} DESC, ${source.number} DESC`,
  );
  return rows.map(recordOf);
}

describe.each(databases)("a search of the log on %s", (_, open) => {
  let database: TestDatabase;
  let store: SqlStore;
  let attempted: readonly SearchRecord[];
  let delivered: readonly SearchRecord[];

  beforeAll(async () => {
    database = await open();
    store = database.createStore();
    await addSubscription(database, { id: "sub-1" });
    await addSubscription(database, { id: "sub-2", destination: "https://OTHER.test/" });
    await addSubscription(database, { id: "sub-3", notifier: "tcp", redact: ["a", "c.0.d"] });
    await addSubscription(database, { id: "paused", enabled: false });
    const random = fc.sample(attempts, { numRuns: 60, seed: 13 });
    await addAttempts(database, random.slice(0, 50));
    await new LogIndex(store).indexNew();
    // These the index does not have.
    await addAttempts(database, random.slice(50));
    attempted = await records(store, ATTEMPTS);
    delivered = await records(store, DELIVERIES);
  });
  afterAll(() => database?.close());

  async function compare(search: LogSearch): Promise<void> {
    const fits = compilePredicate(readQuery(search.query ?? "", LOG_FIELDS));
    const wanted = attempted.filter(fits).map(({ logId }) => String(logId));
    const found = await searchAttempts(store, search, { limit: 500 });
    expect(found.items.map(({ id }) => id)).toEqual(wanted);
    expect(await countMatches(store, "attempts", search)).toBe(wanted.length);
    const deliveries = delivered.filter(fits);
    const foundDeliveries = await searchDeliveries(store, search, { limit: 500 });
    expect(foundDeliveries.items.map(({ id }) => id)).toEqual(
      deliveries.map(({ deliveryId }) => deliveryId),
    );
    expect(await countMatches(store, "deliveries", search)).toBe(deliveries.length);
  }

  test("finds what the predicate of the query accepts, also with a part of the index", async () => {
    await fc.assert(
      fc.asyncProperty(queries, (query) => compare({ query })),
      { numRuns: 40 },
    );
  });

  test("finds what the predicate of the query accepts in small parts", async () => {
    await fc.assert(
      fc.asyncProperty(queries, (query) => compare({ query, rowsAtOnce: 7 })),
      { numRuns: 20 },
    );
  });

  test("ends a page early when its time is over, and goes on from there", async () => {
    const search = { query: "NOT data.a:gift", rowsAtOnce: 5, pageMs: 0 };
    const ids: string[] = [];
    let pages = 0;
    for (let cursor: string | undefined; pages === 0 || cursor; pages += 1) {
      const page = await searchAttempts(store, search, { limit: 50, ...(cursor && { cursor }) });
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.cursor ?? undefined;
    }
    const fits = compilePredicate(readQuery(search.query, LOG_FIELDS));
    expect(ids).toEqual(attempted.filter(fits).map(({ logId }) => String(logId)));
    expect(pages).toBeGreaterThan(2);
  });

  test("finds each class of errors", async () => {
    const failed = ERROR_CLASSES.map((errorClass) => ({
      eventId: `failed-${errorClass}`,
      errorClass,
    }));
    await addAttempts(database, failed);
    attempted = await records(store, ATTEMPTS);
    delivered = await records(store, DELIVERIES);
    for (const { eventId, errorClass } of failed) {
      const { items } = await searchAttempts(store, { query: `error_class:${errorClass}` });
      expect(items).toContainEqual(expect.objectContaining({ eventId, errorClass }));
    }
  });

  test("finds what the predicate of the query accepts without an index", async () => {
    await fc.assert(
      fc.asyncProperty(queries, (query) => compare({ query, index: false })),
      { numRuns: 10 },
    );
  });

  test("finds what the predicate of the query accepts with the whole index, made anew", async () => {
    const index = new LogIndex(store);
    expect(await index.indexNew()).toBeGreaterThan(0);
    expect(await index.indexNew()).toBe(0);
    const terms = await database.query("SELECT count(*) AS count FROM busbar_webhook_terms");
    await database.query("DELETE FROM busbar_webhook_terms WHERE path <> 'data.a'");
    await index.rebuild();
    expect(await database.query("SELECT count(*) AS count FROM busbar_webhook_terms")).toEqual(
      terms,
    );
    await fc.assert(
      fc.asyncProperty(queries, (query) => compare({ query })),
      { numRuns: 40 },
    );
  });

  test("gives all pages, each row once and the newest first", async () => {
    const all = attempted.map(({ logId }) => String(logId));
    for (const query of ["*", "event_name:*", "NOT data.a:none", 'NOT "door front"']) {
      const ids: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await searchAttempts(
          store,
          { query },
          { limit: 7, ...(cursor && { cursor }) },
        );
        ids.push(...page.items.map(({ id }) => id));
        expect(page.items.length).toBeLessThanOrEqual(7);
        cursor = page.cursor ?? undefined;
      } while (cursor);
      expect(ids).toEqual(all);
    }
  });

  test("keeps to a time", async () => {
    const at = Date.UTC(2024, 0, 15, 11);
    const search = { since: at, until: at + 1 };
    const { items } = await searchAttempts(store, search, { limit: 500 });
    expect(items.length).toBeGreaterThan(0);
    expect(items.every(({ startedAt }) => startedAt.getTime() === at)).toBe(true);
    expect(await countMatches(store, "attempts", search)).toBe(items.length);
  });

  test.each(["", "x", "MTIz", "1.1", "LTEuMQ"])("refuses the cursor %j", async (cursor) => {
    await expect(searchAttempts(store, {}, { cursor })).rejects.toMatchObject({
      code: "BUSBAR_INVALID_REQUEST",
      details: { issues: [{ path: "cursor" }] },
    });
  });
});
