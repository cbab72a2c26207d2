import { isBusbarError } from "@busbar/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DeliveryAttempt } from "../../src/contract/delivery.ts";
import { StoredLog } from "../../src/log/stored-log.ts";
import { isLuceneError } from "../../src/search/lucene-error.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  addDeliveries,
  addSubscription,
  countOf,
  FAILED,
  OK,
  startDispatcher,
} from "../support/deliveries.ts";
import { addAttempts } from "../support/log-data.ts";

const { signal } = new AbortController();
const logger = { debug() {}, info() {}, warn() {}, error() {} };

describe.each(databases)("the log on %s", (_, open) => {
  let database: TestDatabase;
  let log: StoredLog;

  beforeEach(async () => {
    database = await open();
    log = new StoredLog({
      store: webhookStore(database.createStore()),
      logger,
      hasIndex: false,
      signal,
    });
  });

  afterEach(() => database.close());

  test("traces a delivery, without what its subscription redacts", async () => {
    await addSubscription(database, "shop", {
      redact: ["customer.email", "lines.0.card"],
      retry: { type: "schedule", delaysMs: [0], jitter: 0 },
    });
    const [id] = await addDeliveries(database, {
      to: ["shop"],
      data: () => ({
        customer: { email: "roni@example.com", name: "Roni" },
        lines: [
          { card: "4111", sku: "a" },
          { card: "4222", sku: "b" },
        ],
      }),
    });
    expect((await log.trace(id!))?.delivery).toMatchObject({
      state: "waiting",
      statusText: "Waiting for its first attempt",
    });
    const answers = [FAILED, OK];
    const { dispatcher } = startDispatcher(database, () => answers.shift()!);
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    await dispatcher.stop(0);
    const shown = {
      customer: { email: "[redacted]", name: "Roni" },
      lines: [
        { card: "[redacted]", sku: "a" },
        { card: "[redacted]", sku: "b" },
      ],
    };
    expect(await log.trace(id!)).toMatchObject({
      delivery: { id, state: "delivered", statusText: "Delivered after 1 retry", attempts: 2 },
      payload: shown,
      args: shown,
      metadata: {},
      attempts: [
        { number: 1, trigger: "first", success: false, status: 503, errorClass: "http_5xx" },
        { number: 2, trigger: "retry", success: true, status: 200 },
      ],
    });
    expect(await log.trace("no\0ne")).toBeUndefined();
  });

  test("traces the payload that the latest attempt was made with", async () => {
    await addSubscription(database, "shop", { payload: "attempt" });
    const [id] = await addDeliveries(database, { to: ["shop"], payloadMode: "attempt" });
    const { dispatcher } = startDispatcher(
      database,
      () => OK,
      {},
      {
        resolvePayload: async () => ({ json: '{"total":7}', value: { total: 7 } }),
      },
    );
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    await dispatcher.stop(0);
    expect(await log.trace(id!)).toMatchObject({ payload: { total: 7 }, args: { number: 0 } });
  });

  test("cancels what waits and what is dead, and lets the next of its key go on", async () => {
    await addSubscription(database, "shop", { orderingKey: "$event", onOrderedFailure: "park" });
    const [first, second] = await addDeliveries(database, {
      to: ["shop"],
      count: 2,
      key: () => "order-1",
    });
    const told: string[] = [];
    const { dispatcher } = startDispatcher(database, ({ delivery }) => {
      told.push(delivery.id);
      return delivery.id === first ? { ...FAILED, retryable: false } : OK;
    });
    await expect.poll(() => countOf(database, "dead")).toBe(1);
    expect(told).toEqual([first]);
    expect(await log.cancel(first!)).toMatchObject({
      state: "cancelled",
      statusText: "Cancelled after 1 attempt",
    });
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    await dispatcher.stop(0);
    expect(told).toEqual([first, second]);
    // Idempotent.
    expect(await log.cancel(first!)).toMatchObject({ state: "cancelled" });
    const refused = await log.cancel(second!).catch((error: unknown) => error);
    expect(isBusbarError(refused, "BUSBAR_CONFLICT") && refused.details).toMatchObject({
      kind: "delivery",
      state: "delivered",
    });
    const missing = await log.cancel("none").catch((error: unknown) => error);
    expect(isBusbarError(missing, "BUSBAR_NOT_FOUND")).toBe(true);
  });

  test("does not cancel while an attempt is running", async () => {
    await addSubscription(database, "shop");
    const [id] = await addDeliveries(database, { to: ["shop"] });
    let end: () => void = () => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const { dispatcher } = startDispatcher(database, async () => {
      await ended;
      return OK;
    });
    await expect.poll(() => countOf(database, "running")).toBe(1);
    const refused = await log.cancel(id!).catch((error: unknown) => error);
    expect(isBusbarError(refused, "BUSBAR_CONFLICT") && refused.details).toMatchObject({
      state: "running",
    });
    end();
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    await dispatcher.stop(0);
  });

  test("shows what waits for a disabled subscription as paused", async () => {
    await addSubscription(database, "shop", { enabled: false });
    await addDeliveries(database, { to: ["shop"] });
    const { items } = await log.deliveries({ query: "status: paused" });
    expect(items).toMatchObject([
      { state: "paused", statusText: "Paused before its first attempt" },
    ]);
  });

  test("has no cap, and pages that stay whole while rows are added", async () => {
    await addMany(database, 230);
    const found: DeliveryAttempt[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof log.attempts>> = await log.attempts(
        { query: "event_name: order.*" },
        { limit: 50, cursor: cursor ?? undefined },
      );
      found.push(...page.items);
      ({ cursor } = page);
      await addAttempts(database, [{ eventId: `later-${found.length}`, startedAt: 9_000_000 }]);
    } while (cursor !== null);
    expect(found).toHaveLength(230);
    expect(new Set(found.map(({ id }) => id)).size).toBe(230);
    expect(await log.count({ query: "event_name: order.*" })).toBe(235);
  });

  test("exports everything that was there when it began, as lines of JSON and as CSV", async () => {
    await addMany(database, 230);
    await addAttempts(database, [
      {
        eventId: "evil",
        startedAt: 8_000,
        success: false,
        status: 500,
        error: '=HYPERLINK("https://evil.example")',
        response: 'one, "two"\r\nthree \u2028 four',
      },
    ]);
    const reader = log.export({}, "ndjson").getReader();
    let lines = (await reader.read()).value ?? "";
    // It is older than what was read, and written later.
    await addAttempts(database, [{ eventId: "late", startedAt: 1 }]);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      lines += part.value;
    }
    const attempts = lines.split(/[\n\u2028]/).filter((line) => line !== "");
    expect(attempts).toHaveLength(231);
    expect(JSON.parse(attempts[0]!)).toMatchObject({
      eventId: "evil",
      success: false,
      startedAt: "1970-01-01T00:00:08.000Z",
      response: 'one, "two"\r\nthree \u2028 four',
    });
    const csv = await textOf(log.export({ query: "success: false" }, "csv"));
    const [head, first] = csv.split(/\r\n(?=id|\d|$)/);
    expect(head).toMatch(/^id,deliveryId,eventId,/);
    expect(first).toContain(`"'=HYPERLINK(""https://evil.example"")"`);
    expect(first).toContain('"one, ""two""\r\nthree \u2028 four"');
    expect(csv.split("\r\n").filter((line) => /^\d/.test(line))).toHaveLength(1);
  });

  test("reads no more for an export than its reader asks for", async () => {
    await addMany(database, 450);
    const store = webhookStore(database.createStore());
    let statements = 0;
    const { execute } = store.store;
    const counting: typeof store.store = {
      ...store.store,
      execute: (...call) => {
        statements += 1;
        return execute(...call);
      },
    };
    const watched = new StoredLog({
      store: webhookStore(counting),
      logger,
      hasIndex: false,
      signal,
    });
    const reader = watched.export({}, "ndjson").getReader();
    expect(statements).toBe(0);
    const { value = "" } = await reader.read();
    expect(value.split("\n")).toHaveLength(201);
    const read = statements;
    await reader.cancel();
    expect(statements).toBe(read);
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  test("makes the search index anew, until it is told to end", async () => {
    const store = webhookStore(database.createStore());
    const indexed = new StoredLog({ store, logger, hasIndex: true, signal });
    await addAttempts(database, [{ eventId: "e1", payload: { sku: "MB01" } }]);
    expect(await indexed.rebuildIndex()).toBe(2);
    await database.query("DELETE FROM busbar_webhook_terms");
    expect(await indexed.count({ query: "data.sku:MB01" })).toBe(0);
    const reason = new Error("too long");
    await expect(indexed.rebuildIndex({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await indexed.count({ query: "data.sku:MB01" })).toBe(0);
    expect(await indexed.rebuildIndex({ signal })).toBe(2);
    expect(await indexed.count({ query: "data.sku:MB01" })).toBe(1);
    const stopped = new StoredLog({ store, logger, hasIndex: true, signal: AbortSignal.abort() });
    await expect(stopped.rebuildIndex()).rejects.toThrow("aborted");
  });

  test("refuses what cannot be searched for, and says where it is wrong", async () => {
    const failed = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => undefined,
        (error: unknown) => error,
      );
    const query = await failed(log.attempts({ query: "a:(" }));
    expect(isLuceneError(query) && query.offset).toBe(3);
    expect(isLuceneError(await failed(log.export({ query: "(" }, "csv").getReader().read()))).toBe(
      true,
    );
    for (const wrong of [
      log.deliveries({ since: new Date(Number.NaN) }),
      log.deliveries({ query: "a".repeat(4_097) }),
      log.deliveries({}, { limit: 501 }),
      log.deliveries({}, { cursor: "x" }),
      log.count({ other: 1 } as never),
    ]) {
      expect(isBusbarError(await failed(wrong), "BUSBAR_INVALID_REQUEST")).toBe(true);
    }
  });
});

async function textOf(stream: ReadableStream<string>): Promise<string> {
  let text = "";
  for await (const part of stream) text += part;
  return text;
}

async function addMany(database: TestDatabase, count: number): Promise<void> {
  await addAttempts(database, [{ eventId: "event-0", startedAt: 2_000 }]);
  const copy = `SELECT 'many-' || number, 'event-0', 'order.created', 'sub-1', number, 'first', 1,
      2000 + number, 1 FROM numbers`;
  await database.query(
    `INSERT INTO busbar_webhook_attempts
      (delivery_id, event_id, event_name, subscription_id, number, trigger_kind, success, started_at, duration_ms)
      WITH RECURSIVE numbers (number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM numbers WHERE number < ${count})
      ${copy}`,
  );
}
