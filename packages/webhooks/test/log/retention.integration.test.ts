import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Retention, type RetentionOptions } from "../../src/log/retention.ts";
import { LogIndex } from "../../src/search/log-index.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  addDeliveries,
  addSubscription,
  attemptsOf,
  countOf,
  FAILED,
  OK,
  type Row,
  startDispatcher,
} from "../support/deliveries.ts";

const DAY = 86_400_000;

describe.each(databases)("retention on %s", (_, open) => {
  let database: TestDatabase;
  let running: Retention[];

  beforeEach(async () => {
    database = await open();
    running = [];
    await addSubscription(database, "shop");
  });

  afterEach(async () => {
    await Promise.all(running.map((retention) => retention.stop()));
    await database.close();
  });

  const warned: unknown[] = [];
  const warn = (fields: object): void => void warned.push(fields);
  const logger = { debug() {}, info() {}, warn, error: warn };

  function start(options: RetentionOptions): Retention {
    const store = webhookStore(database.createStore());
    const retention = new Retention({ store, logger, ...options });
    running.push(retention);
    retention.start();
    return retention;
  }

  /** Runs one round, and resolves when it has ended. */
  async function clean(options: RetentionOptions): Promise<void> {
    await database.query("UPDATE busbar_webhook_leases SET held_until = 0");
    const retention = start(options);
    // Not due again before an hour is over.
    const due = async (): Promise<number> => Number((await rows("leases"))[0]?.["held_until"]);
    await expect.poll(due).toBeGreaterThan(Date.now() + DAY / 48);
    await retention.stop();
  }

  function rows(table: string): Promise<readonly Row[]> {
    return database.query(`SELECT * FROM busbar_webhook_${table}`);
  }

  /** Makes everything in the log some days older. */
  async function age(days: number, condition = "1 = 1"): Promise<void> {
    const by = days * DAY;
    const events = `(SELECT event_id FROM busbar_webhook_deliveries WHERE ${condition})`;
    await database.query(
      `UPDATE busbar_webhook_events SET created_at = created_at - ${by} WHERE id IN ${events}`,
    );
    await database.query(
      `UPDATE busbar_webhook_attempts SET started_at = started_at - ${by} WHERE event_id IN ${events}`,
    );
    await database.query(
      `UPDATE busbar_webhook_deliveries SET created_at = created_at - ${by},
        last_attempt_at = last_attempt_at - ${by} WHERE ${condition}`,
    );
  }

  async function deliver(count: number, to: readonly string[] = ["shop"]): Promise<void> {
    await addDeliveries(database, { to, count, data: (number) => ({ secret: `v${number}` }) });
    const { dispatcher } = startDispatcher(database, () => OK);
    await expect.poll(() => countOf(database, "waiting")).toBe(0);
    await expect.poll(() => countOf(database, "running")).toBe(0);
    await dispatcher.stop(0);
  }

  test("deletes what was attempted last before the days, with its terms, and nothing else", async () => {
    await deliver(3);
    await age(31);
    await deliver(2);
    await new LogIndex(database.createStore()).indexNew();
    await clean({ days: 30 });
    expect(await rows("events")).toHaveLength(2);
    expect(await rows("deliveries")).toHaveLength(2);
    expect(await rows("attempts")).toHaveLength(2);
    const terms = await rows("terms");
    expect(terms.map(({ term }) => String(term)).toSorted()).toEqual(["v0", "v1"]);
    expect(await rows("subscriptions")).toHaveLength(1);
    expect(warned).toEqual([]);
  });

  test("never deletes what waits, nor what holds up others of its key", async () => {
    await addSubscription(database, "parked", { orderingKey: "$event", onOrderedFailure: "park" });
    await addDeliveries(database, { to: ["parked"], count: 2, key: () => "order-1" });
    const { dispatcher } = startDispatcher(database, () => ({ ...FAILED, retryable: false }));
    await expect.poll(() => countOf(database, "dead")).toBe(1);
    await dispatcher.stop(0);
    await age(400);
    await clean({ days: 30, payloadDays: 1 });
    expect(await countOf(database, "dead")).toBe(1);
    expect(await countOf(database, "waiting")).toBe(1);
    const events = await rows("events");
    expect(events.filter(({ payload }) => payload === null)).toHaveLength(1);
  });

  test("deletes payloads before the rest of the log, from everywhere", async () => {
    await addSubscription(database, "fresh", { payload: "attempt" });
    await deliver(2);
    await addDeliveries(database, { to: ["fresh"], payloadMode: "attempt" });
    const { dispatcher } = startDispatcher(
      database,
      () => OK,
      {},
      {
        resolvePayload: async () => ({ json: '{"secret":"v9"}', value: { secret: "v9" } }),
      },
    );
    await expect.poll(() => countOf(database, "delivered")).toBe(3);
    await dispatcher.stop(0);
    await database.query("UPDATE busbar_webhook_attempts SET response = 'thanks'");
    await new LogIndex(database.createStore()).indexNew();
    await age(8);
    await clean({ days: 30, payloadDays: 7 });
    expect(await rows("deliveries")).toHaveLength(3);
    for (const { payload, args, expunged } of await rows("events")) {
      expect([payload, args, Number(expunged)]).toEqual([null, null, 1]);
    }
    expect((await attemptsOf(database)).map(({ payload }) => payload)).toEqual([null, null, null]);
    const terms = await rows("terms");
    expect(new Set(terms.map(({ path }) => path))).toEqual(new Set(["response"]));
  });

  test("deletes failures to make a payload, replays, requests and numbers of keys", async () => {
    const old = Date.now() - 31 * DAY;
    await database.query(
      `INSERT INTO busbar_webhook_attempts (event_id, event_name, number, trigger_kind, success, started_at, duration_ms)
        VALUES ('a', 'order', 1, 'resolve', 0, ${old}, 1), ('b', 'order', 1, 'resolve', 0, ${Date.now()}, 1)`,
    );
    await database.query(
      `INSERT INTO busbar_webhook_replays (id, state, options, total, leased_until, created_at, finished_at)
        VALUES ('old', 'done', '{}', 0, 0, ${old}, ${old}), ('running', 'running', '{}', 0, 0, ${old}, NULL)`,
    );
    await database.query(
      `INSERT INTO busbar_webhook_sequences (subscription_id, ordering_key, last, used_at)
        VALUES ('shop', 'quiet', 7, ${old}), ('shop', 'used', 7, ${Date.now()})`,
    );
    await database.query(
      `INSERT INTO busbar_webhook_requests (caller, request_key, fingerprint, claimed_until, created_at)
        VALUES ('a', 'old', '', 0, ${old}), ('a', 'new', '', 0, ${Date.now()})`,
    );
    await clean({ days: 30 });
    expect((await rows("attempts")).map((row) => row["event_id"])).toEqual(["b"]);
    expect((await rows("replays")).map(({ id }) => id)).toEqual(["running"]);
    expect((await rows("sequences")).map((row) => row["ordering_key"])).toEqual(["used"]);
    expect((await rows("requests")).map((row) => row["request_key"])).toEqual(["new"]);
  });

  test("goes in one process at a time, a few rows in each transaction", async () => {
    await addDeliveries(database, { to: ["shop"], count: 1_200 });
    await database.query("UPDATE busbar_webhook_deliveries SET state = 'delivered'");
    await age(31);
    await database.query("UPDATE busbar_webhook_leases SET held_until = 0");
    let deleting = 0;
    const watched = (): Retention => {
      const store = database.createStore();
      const retention = new Retention({
        store: webhookStore({
          ...store,
          async transaction(work, options) {
            deleting += 1;
            return store.transaction(work, options);
          },
        }),
        logger,
        days: 30,
      });
      running.push(retention);
      retention.start();
      return retention;
    };
    watched();
    watched();
    await expect.poll(async () => (await rows("events")).length).toBe(0);
    await expect.poll(async () => (await rows("leases"))[0]).toMatchObject({ holder: null });
    // 500, 500 and 200 events, and a look for attempts without an event.
    expect(deleting).toBe(4);
  });

  test("ends after its present transaction when the bus stops, and leaves the rest to others", async () => {
    await addDeliveries(database, { to: ["shop"], count: 1_200 });
    await database.query("UPDATE busbar_webhook_deliveries SET state = 'delivered'");
    await age(31);
    const first = start({ days: 30 });
    await expect.poll(async () => (await rows("events")).length).toBeLessThan(1_200);
    await first.stop();
    const left = (await rows("events")).length;
    expect(left % 100).toBe(0);
    await clean({ days: 30 });
    expect(await rows("events")).toEqual([]);
  });
});
