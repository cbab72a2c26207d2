import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NotifierRequest, NotifierResult } from "../../src/contract/notifier.ts";
import type { DispatcherParts, DispatchOptions } from "../../src/deliver/dispatcher.ts";
import { takeOver } from "../../src/deliver/take-over.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  addDeliveries,
  addSubscription,
  attemptsOf,
  countOf,
  type Deliver,
  deliveriesOf,
  FAILED,
  OK,
  startDispatcher,
  targetOf,
  testNotifier,
  type TestDispatcher,
} from "../support/deliveries.ts";
import { withResolvers } from "../support/with-resolvers.ts";
import { until } from "../support/until.ts";

describe.each(databases)("the dispatcher on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let running: TestDispatcher[];

  beforeEach(async () => {
    database = await createDatabase();
    running = [];
  });

  afterEach(async () => {
    await Promise.all(running.map(({ dispatcher }) => dispatcher.stop(500)));
    await database.close();
  });

  function start(
    deliver: Deliver,
    options?: DispatchOptions,
    parts?: Partial<DispatcherParts>,
  ): TestDispatcher {
    const started = startDispatcher(database, deliver, options, parts);
    running.push(started);
    return started;
  }

  const settled = (count: number, state = "delivered"): Promise<unknown> =>
    until(async () => (await countOf(database, state)) === count, `${count} ${state}`);
  const makeDue = (): Promise<unknown> =>
    database.query("UPDATE busbar_webhook_deliveries SET due_at = 1 WHERE state = 'waiting'");

  test("delivers what is due, and logs each attempt", async () => {
    await addSubscription(database, "a");
    const [id] = await addDeliveries(database, { to: ["a"], data: () => ({ total: 3 }) });
    const requests: NotifierRequest[] = [];
    start((request) => {
      requests.push(request);
      return { ...OK, response: "fine", requestHeaders: { "webhook-id": request.delivery.id } };
    });
    await settled(1);
    expect(requests).toMatchObject([
      {
        delivery: { id, attempt: 1, trigger: "first", orderingKey: null, sequence: null },
        event: { name: "order.placed", data: { total: 3 }, metadata: {}, scope: null },
        subscription: { id: "a", destination: "https://a.example/" },
      },
    ]);
    const [row] = await attemptsOf(database);
    expect({ ...row, number: Number(row?.["number"]) }).toMatchObject({
      delivery_id: id,
      number: 1,
      trigger_kind: "first",
      success: 1,
      status: 200,
      error_class: null,
      next_at: null,
      request_headers: JSON.stringify({ "webhook-id": id }),
      response: "fine",
    });
    expect(Math.abs(Number(row?.["started_at"]) - Date.now())).toBeLessThan(5_000);
  });

  test("retries by the policy of the subscription, under the same id, and ends dead", async () => {
    const retry = { type: "schedule", delaysMs: [60_000, 120_000], jitter: 0 } as const;
    await addSubscription(database, "a", { retry });
    await addDeliveries(database, { to: ["a"] });
    const ids: unknown[] = [];
    const { told, dispatcher } = start(({ delivery }) => {
      ids.push([delivery.id, delivery.attempt, delivery.trigger]);
      return FAILED;
    });
    for (const attempts of [1, 2]) {
      await until(async () => {
        const [row] = await deliveriesOf(database);
        return row?.["state"] === "waiting" && Number(row["attempts"]) === attempts;
      }, `attempt ${attempts}`);
      const [row] = await attemptsOf(database).then((rows) => rows.slice(-1));
      const delay = Number(row?.["next_at"]) - Number(row?.["started_at"]);
      expect(Math.abs(delay - 60_000 * attempts)).toBeLessThan(2_000);
      await makeDue();
      dispatcher.wake();
    }
    await settled(1, "dead");
    const [id] = (await deliveriesOf(database)).map((row) => row["id"]);
    expect(ids).toEqual([
      [id, 1, "first"],
      [id, 2, "retry"],
      [id, 3, "retry"],
    ]);
    expect(told).toMatchObject([
      ["webhooks.delivery.exhausted", { deliveryId: id, attempts: 3, errorClass: "http_5xx" }],
    ]);
    expect((await attemptsOf(database)).map((row) => row["error"])).toEqual(
      Array.from({ length: 3 }, () => "The endpoint answered 503"),
    );
  });

  test("does not retry what cannot succeed, nor what its event says is not retried", async () => {
    await addSubscription(database, "a", { retry: { type: "standard" } });
    await addDeliveries(database, { to: ["a"] });
    await addDeliveries(database, { to: ["a"], noRetry: true });
    let calls = 0;
    start(() => ({ ...FAILED, retryable: calls++ > 0 }));
    await settled(2, "dead");
    expect(calls).toBe(2);
  });

  test("keeps a failing subscription from delaying another", async () => {
    await addSubscription(database, "a", { concurrency: 1_000 });
    await addSubscription(database, "b");
    await addDeliveries(database, { to: ["a"], count: 400 });
    await addDeliveries(database, { to: ["b"] });
    const hanging = withResolvers<NotifierResult>();
    start(({ subscription }) => (subscription.id === "a" ? hanging.promise : OK), {
      concurrency: 4,
    });
    await settled(1);
    expect((await deliveriesOf(database)).at(-1)).toMatchObject({ state: "delivered" });
    hanging.resolve(OK);
  });

  test("shares its slots among all endpoints that have something to deliver", async () => {
    const ids = Array.from({ length: 60 }, (__, index) => `s${String(index).padStart(3, "0")}`);
    for (const id of ids) await addSubscription(database, id);
    await addDeliveries(database, { to: ids, count: 2 });
    const seen = new Set<string>();
    let isEven = true;
    start(
      ({ subscription }) => {
        // No endpoint gets its second delivery before each has been offered its first.
        if (seen.has(subscription.id) && seen.size < ids.length - 10) isEven = false;
        seen.add(subscription.id);
        return OK;
      },
      { concurrency: 10 },
    );
    await settled(120);
    expect([seen.size, isEven]).toEqual([60, true]);
  });

  test("keeps to the concurrency of a subscription over several processes", async () => {
    await addSubscription(database, "a", { concurrency: 3 });
    await addDeliveries(database, { to: ["a"], count: 40 });
    let [now, most] = [0, 0];
    const deliver = async (): Promise<NotifierResult> => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 3));
      now -= 1;
      return OK;
    };
    for (let each = 0; each < 3; each += 1) start(deliver, { pollEveryMs: 5 });
    await settled(40);
    expect(most).toBeLessThanOrEqual(3);
    expect(await attemptsOf(database)).toHaveLength(40);
  });

  test("keeps to the rate of a subscription in any period, over several processes", async () => {
    const rate = { max: 4, perMs: 200 };
    await addSubscription(database, "a", { rate, concurrency: 100 });
    await addDeliveries(database, { to: ["a"], count: 12 });
    for (let each = 0; each < 2; each += 1) start(() => OK, { pollEveryMs: 5 });
    await settled(12);
    const starts = (await deliveriesOf(database)).map((row) => Number(row["first_attempt_at"]));
    starts.sort((a, b) => a - b);
    // By the clock of the database, the fifth is claimed a period after the first.
    for (let index = 0; index + 4 < starts.length; index += 1) {
      expect(starts[index + 4]! - starts[index]!).toBeGreaterThanOrEqual(200);
    }
  });

  test("delivers each delivery once, however many processes there are", async () => {
    const ids = ["a", "b", "c"];
    for (const id of ids) await addSubscription(database, id);
    await addDeliveries(database, { to: ids, count: 100 });
    const seen: string[] = [];
    for (let each = 0; each < 4; each += 1) {
      start(({ delivery }) => {
        seen.push(delivery.id);
        return OK;
      });
    }
    await settled(300);
    expect([seen.length, new Set(seen).size]).toEqual([300, 300]);
  });

  test("makes the payload anew for each attempt where the subscription wants it so", async () => {
    const retry = { type: "schedule", delaysMs: [1] } as const;
    await addSubscription(database, "a", { retry, payload: "attempt" });
    await addDeliveries(database, { to: ["a"], payloadMode: "attempt", data: () => ({ id: 7 }) });
    let made = 0;
    const sent: unknown[] = [];
    start(
      ({ event }) => {
        sent.push(event.data);
        return sent.length === 1 ? FAILED : OK;
      },
      {},
      {
        resolvePayload: async ({ args }) => {
          const value = { ...(args as object), made: (made += 1) };
          return { value, json: JSON.stringify(value) };
        },
      },
    );
    await settled(1);
    expect(sent).toEqual([
      { id: 7, made: 1 },
      { id: 7, made: 2 },
    ]);
    expect((await attemptsOf(database)).map((row) => JSON.parse(String(row["payload"])))).toEqual(
      sent,
    );
  });

  test("delivers a payload of a megabyte", async () => {
    await addSubscription(database, "a");
    const text = "ä".repeat(1_000_000);
    await addDeliveries(database, { to: ["a"], data: () => ({ text }) });
    let length = 0;
    start(({ event }) => {
      length = (event.data as { text: string }).text.length;
      return OK;
    });
    await settled(1);
    expect(length).toBe(1_000_000);
  });

  test("counts no attempt that did not begin because the database was away", async () => {
    await addSubscription(database, "a");
    await addDeliveries(database, { to: ["a"], data: () => "x".repeat(100_000), noRetry: true });
    const away = (): Error => Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    const store = webhookStore(database.createStore());
    const { own } = store;
    const execute = own.execute.bind(own);
    let payloadsRead = 0;
    own.execute = (sql, ...others) => {
      if (sql.startsWith("SELECT args, payload") && payloadsRead++ === 0) throw away();
      return execute(sql, ...others);
    };
    const notifier = testNotifier(() => OK);
    let targetsRead = 0;
    start(
      () => OK,
      {},
      {
        store,
        targetOf: async (id) => {
          if (targetsRead++ === 0) throw away();
          return targetOf(id, notifier);
        },
      },
    );
    await settled(1);
    expect(await attemptsOf(database)).toMatchObject([
      { number: 1, error_class: "interrupted" },
      { number: 2, error_class: "interrupted" },
      { number: 3, error_class: null, success: 1 },
    ]);
    expect((await deliveriesOf(database))[0]).toMatchObject({ chain_attempts: 1 });
  });

  test("dates no attempt ahead of the database, however slow that is", async () => {
    await addSubscription(database, "a");
    await addDeliveries(database, { to: ["a"] });
    const store = webhookStore(database.createStore());
    const { own } = store;
    const execute = own.execute.bind(own);
    own.execute = async (sql, ...others) => {
      if (sql.startsWith("WITH RECURSIVE")) await new Promise((later) => setTimeout(later, 100));
      return execute(sql, ...others);
    };
    let aheadMs = Number.NaN;
    start(
      ({ now }) => {
        aheadMs = now.getTime() - Date.now();
        return OK;
      },
      {},
      { store },
    );
    await settled(1);
    expect(aheadMs).toBeLessThanOrEqual(1);
  });

  test("logs what a notifier throws, and tries again", async () => {
    await addSubscription(database, "a", { retry: { type: "schedule", delaysMs: [1] } });
    await addDeliveries(database, { to: ["a"] });
    let calls = 0;
    start(() => {
      if (calls++ === 0) throw new Error("a bug");
      return OK;
    });
    await settled(1);
    const [first] = await attemptsOf(database);
    expect(first).toMatchObject({ error_class: "unknown", error: "a bug", success: 0 });
  });

  test("ends an attempt whose notifier does not end", async () => {
    await addSubscription(database, "a", { retry: { type: "standard" } });
    await addDeliveries(database, { to: ["a"] });
    let wasAborted = false;
    start(
      ({ signal }) => {
        signal.addEventListener("abort", () => (wasAborted = true));
        return new Promise(() => {});
      },
      { attemptTimeoutMs: 30 },
    );
    const [row] = await until(async () => {
      const rows = await attemptsOf(database);
      return rows.length > 0 && rows;
    }, "the attempt");
    expect(row).toMatchObject({ error_class: "timeout", success: 0 });
    expect(Number(row?.["next_at"]) - Number(row?.["started_at"])).toBeGreaterThan(59_000);
    expect(wasAborted).toBe(true);
  });

  test("says so when a process has no such notifier, and leaves the delivery to others", async () => {
    await addSubscription(database, "a", { retry: { type: "schedule", delaysMs: [60_000] } });
    await addDeliveries(database, { to: ["a"] });
    start(() => OK, {}, { targetOf: async (id) => targetOf(id, undefined) });
    await until(async () => (await attemptsOf(database)).length > 0, "an attempt");
    expect((await attemptsOf(database))[0]).toMatchObject({
      error_class: "invalid_settings",
      error: 'This process has no notifier "test"',
    });
    expect((await deliveriesOf(database))[0]).toMatchObject({ state: "waiting" });
    const [endpoint] = await database.query("SELECT failures FROM busbar_webhook_endpoints");
    expect(Number(endpoint?.["failures"])).toBe(0);
  });

  test("keeps secrets and what no database stores out of the log", async () => {
    await addSubscription(database, "a");
    await addDeliveries(database, { to: ["a"] });
    const about = { id: "1", publicKey: null, createdAt: new Date(1), expiresAt: null };
    const secret = { ...about, type: "v1", value: "whsec_abc" } as const;
    const notifier = testNotifier(() => ({
      ...OK,
      response: `whsec_abc \0 ${"ü".repeat(20_000)}`,
      requestHeaders: { Authorization: "Bearer x", "X-Api-Key": "y", "x-a": "whsec_abc\ud800" },
    }));
    start(() => OK, {}, { targetOf: async (id) => targetOf(id, notifier, [secret]) });
    await settled(1);
    const [row] = await attemptsOf(database);
    expect(JSON.parse(String(row?.["request_headers"]))).toEqual({
      Authorization: "[redacted]",
      "X-Api-Key": "[redacted]",
      "x-a": "[redacted]\ufffd",
    });
    const response = String(row?.["response"]);
    expect(response.startsWith("[redacted] \ufffd ü")).toBe(true);
    expect(Buffer.byteLength(response)).toBeLessThanOrEqual(16_384);
  });

  describe("a subscription", () => {
    test("that is disabled keeps its deliveries, and gets them when it is enabled again", async () => {
      await addSubscription(database, "a", { retry: { type: "schedule", delaysMs: [1, 1] } });
      await addDeliveries(database, { to: ["a"] });
      const enable = (enabled: number): Promise<unknown> =>
        database.query("UPDATE busbar_webhook_subscriptions SET enabled = $1", [enabled]);
      let calls = 0;
      const { dispatcher } = start(async () => {
        calls += 1;
        if (calls > 1) return OK;
        await enable(0);
        return FAILED;
      });
      await until(async () => (await attemptsOf(database)).length === 1, "an attempt");
      // A later delivery of another subscription shows that the dispatcher has looked meanwhile.
      await addSubscription(database, "b");
      await addDeliveries(database, { to: ["b"] });
      await settled(1);
      expect((await deliveriesOf(database))[0]).toMatchObject({ state: "waiting", attempts: 1 });
      await enable(1);
      dispatcher.wake();
      await settled(2);
    });

    test("that is deleted while an attempt runs has nothing left that waits", async () => {
      await addSubscription(database, "a", { retry: { type: "schedule", delaysMs: [1, 1] } });
      await addDeliveries(database, { to: ["a"] });
      start(async () => {
        await database.query("UPDATE busbar_webhook_subscriptions SET enabled = 0, deleted_at = 5");
        return FAILED;
      });
      await settled(1, "cancelled");
      expect(await attemptsOf(database)).toHaveLength(1);
    });

    test("is disabled when its endpoint says that it is gone", async () => {
      await addSubscription(database, "a", { retry: { type: "standard" } });
      await addDeliveries(database, { to: ["a"], count: 3 });
      const { told } = start(
        () => ({ ok: false, retryable: false, gone: true, status: 410, errorClass: "http_410" }),
        { concurrency: 1 },
      );
      await settled(1, "dead");
      const [row] = await database.query("SELECT * FROM busbar_webhook_subscriptions");
      expect(row).toMatchObject({ enabled: 0, disabled_kind: "gone" });
      await until(() => told.length === 2, "the events");
      expect(told.map(([name]) => name)).toEqual([
        "webhooks.endpoint.disabled",
        "webhooks.delivery.exhausted",
      ]);
      expect(await countOf(database, "waiting")).toBe(2);
    });

    test("is disabled after many failures in a row, with warnings before", async () => {
      await addSubscription(database, "a");
      await addDeliveries(database, { to: ["a"], count: 12 });
      const { told } = start(() => FAILED, {
        breaker: { openAfter: false, disableAfterFailures: 10 },
        concurrency: 1,
      });
      await until(() => told.some(([name]) => name === "webhooks.endpoint.disabled"), "the end");
      const warnings = told
        .filter(([name]) => name === "webhooks.endpoint.warning")
        .map(([, data]) => data["percent"]);
      expect(warnings).toEqual([50, 70, 90]);
      expect(await countOf(database, "waiting")).toBe(2);
    });
  });

  describe("the breaker", () => {
    const openUntil = async (): Promise<number> => {
      const [row] = await database.query("SELECT open_until FROM busbar_webhook_endpoints");
      return Number(row?.["open_until"]);
    };

    test("lets deliveries wait without attempts, then one through, then all", async () => {
      await addSubscription(database, "a", { retry: { type: "schedule", delaysMs: [1, 1, 1] } });
      await addDeliveries(database, { to: ["a"], count: 8 });
      let isUp = false;
      let [now, most, calls] = [0, 0, 0];
      const { told } = start(
        async () => {
          calls += 1;
          now += 1;
          most = Math.max(most, now);
          await new Promise((resolve) => setImmediate(resolve));
          now -= 1;
          return isUp ? OK : FAILED;
        },
        { breaker: { openAfter: 3, openForMs: 100 }, pollEveryMs: 5, concurrency: 4 },
      );
      await until(async () => (await openUntil()) > 0, "an open breaker");
      const before = calls;
      most = 0;
      await until(() => calls > before + 1, "two probes");
      expect(most).toBe(1);
      isUp = true;
      await settled(8);
      expect(told.filter(([name]) => name === "webhooks.endpoint.recovered")).toHaveLength(1);
      const [row] = await database.query("SELECT * FROM busbar_webhook_endpoints");
      expect(row).toMatchObject({ breaker: "closed", open_until: null });
      expect([Number(row?.["failures"]), Number(row?.["opened"])]).toEqual([0, 0]);
    });

    test("lets an endpoint rest for as long as it asks", async () => {
      await addSubscription(database, "a", { retry: { type: "standard" } });
      await addDeliveries(database, { to: ["a"], count: 5 });
      start(() => ({ ...FAILED, status: 429, errorClass: "http_429", retryAfterMs: 120_000 }), {
        concurrency: 1,
      });
      await until(async () => (await attemptsOf(database)).length === 1, "an attempt");
      await addSubscription(database, "b");
      await addDeliveries(database, { to: ["b"] });
      await until(async () => (await attemptsOf(database)).length === 2, "another endpoint");
      const [row] = await database.query(
        "SELECT not_before FROM busbar_webhook_endpoints WHERE subscription_id = 'a'",
      );
      expect(Number(row?.["not_before"]) - Date.now()).toBeGreaterThan(100_000);
      expect(
        (await attemptsOf(database)).filter((each) => each["subscription_id"] === "a"),
      ).toHaveLength(1);
    });
  });

  describe("a stop", () => {
    test("waits for attempts under way, and records them", async () => {
      await addSubscription(database, "a");
      await addDeliveries(database, { to: ["a"], count: 4 });
      const begun = withResolvers<void>();
      const answer = withResolvers<NotifierResult>();
      const { dispatcher } = start(
        () => {
          begun.resolve();
          return answer.promise;
        },
        { concurrency: 2 },
      );
      await begun.promise;
      const stopped = dispatcher.stop(5_000);
      answer.resolve(OK);
      await stopped;
      expect(dispatcher.inFlight).toBe(0);
      expect([await countOf(database, "delivered"), await countOf(database, "waiting")]).toEqual([
        1, 3,
      ]);
    });

    test("ends attempts that take too long, logs them, and leaves them to others at once", async () => {
      await addSubscription(database, "a");
      await addDeliveries(database, { to: ["a"] });
      const begun = withResolvers<AbortSignal>();
      const { dispatcher } = start(({ signal }) => {
        begun.resolve(signal);
        return new Promise(() => {});
      });
      const signal = await begun.promise;
      await dispatcher.stop(10);
      expect(signal.aborted).toBe(true);
      expect((await attemptsOf(database))[0]).toMatchObject({ error_class: "interrupted" });
      start(({ delivery }) => (delivery.attempt === 2 ? OK : FAILED));
      await settled(1);
    });
  });

  describe("a process that has died", () => {
    const expire = (): Promise<unknown> =>
      database.query(
        "UPDATE busbar_webhook_deliveries SET leased_until = 1 WHERE state = 'running'",
      );

    test("leaves its deliveries to others, under their ids, and each attempt is in the log", async () => {
      await addSubscription(database, "a");
      await addDeliveries(database, { to: ["a"] });
      const begun = withResolvers<string>();
      const late = withResolvers<NotifierResult>();
      const seen: unknown[] = [];
      const deliver: Deliver = ({ delivery: { id, attempt } }) => {
        seen.push([id, attempt]);
        begun.resolve(id);
        return attempt === 1 ? late.promise : OK;
      };
      const first = start(deliver);
      const id = await begun.promise;
      await expire();
      start(deliver);
      await settled(1);
      expect(seen).toEqual([
        [id, 1],
        [id, 2],
      ]);
      expect((await attemptsOf(database))[0]).toMatchObject({ error_class: "interrupted" });
      // The process was not dead, and its result comes too late.
      late.resolve({ ...OK, response: "late" });
      await until(() => first.logged.some((line) => line.includes("after their lease")), "a line");
      expect((await deliveriesOf(database))[0]).toMatchObject({ state: "delivered", attempts: 2 });
      const attempts = await attemptsOf(database);
      expect(attempts.map((row) => [row["number"], row["success"], row["response"]])).toEqual([
        [1, 1, "late"],
        [2, 1, null],
      ]);
      expect(String(attempts[0]?.["error"])).toContain("ended after its lease");
    });

    test("does not have what ends processes attempted for ever", async () => {
      await addSubscription(database, "a");
      await addDeliveries(database, { to: ["a"] });
      const store = webhookStore(database.createStore());
      const taken = [];
      for (let attempt = 1; attempt <= 10; attempt += 1) {
        await database.query(
          `UPDATE busbar_webhook_deliveries
            SET state = 'running', leased_until = 1, attempts = attempts + 1, last_attempt_at = 1`,
        );
        taken.push(await takeOver(store));
      }
      expect(taken.map(({ again }) => again)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
      expect(taken.at(-1)?.exhausted).toMatchObject([{ subscriptionId: "a", attempts: 10 }]);
      expect((await deliveriesOf(database))[0]).toMatchObject({ state: "dead" });
      expect(await attemptsOf(database)).toHaveLength(10);
    });

    test("is not taken for one of many because attempts of the delivery were interrupted otherwise", async () => {
      await addSubscription(database, "a");
      const [id] = await addDeliveries(database, { to: ["a"] });
      // As by processes that were stopped while they attempted it.
      const numbers = Array.from({ length: 12 }, (_each, index) => index + 1);
      const values = numbers.map(
        (n) =>
          `('${id}', 'e', 'order.placed', 'a', ${n}, 'retry', 0, 'interrupted', 'stopped', 1, 0)`,
      );
      await database.query(
        `INSERT INTO busbar_webhook_attempts (delivery_id, event_id, event_name, subscription_id,
            number, trigger_kind, success, error_class, error, started_at, duration_ms)
          VALUES ${values.join(", ")}`,
      );
      await database.query(
        `UPDATE busbar_webhook_deliveries
          SET state = 'running', leased_until = 1, attempts = 13, last_attempt_at = 1`,
      );
      expect(await takeOver(webhookStore(database.createStore()))).toMatchObject({ again: 1 });
    });
  });

  test("goes on with attempts under way when a claim has failed, and gives back that claim only", async () => {
    await addSubscription(database, "a");
    const [first] = await addDeliveries(database, { to: ["a"] });
    const store = webhookStore(database.createStore());
    const { own } = store;
    const transaction = own.transaction.bind(own);
    let lost: unknown;
    own.transaction = async (work, ...others) => {
      const result = await transaction(work, ...others);
      const { deliveries } = result as { readonly deliveries?: readonly { readonly id: string }[] };
      if (lost !== undefined || !deliveries?.some(({ id }) => id !== first)) return result;
      lost = deliveries[0]?.id;
      throw new Error("The answer was lost");
    };
    const answer = withResolvers<NotifierResult>();
    const seen: string[] = [];
    const { logged } = start(
      ({ delivery: { id, attempt } }) => {
        seen.push(`${id} ${attempt}`);
        return id === first ? answer.promise : OK;
      },
      {},
      { store },
    );
    await until(() => seen.length === 1, "the first attempt");
    const [second] = await addDeliveries(database, { to: ["a"] });
    await settled(1);
    expect(lost).toBe(second);
    answer.resolve(OK);
    await settled(2);
    expect(seen).toEqual([`${first} 1`, `${second} 1`]);
    expect(logged.filter((line) => line.includes("after their lease"))).toEqual([]);
  });

  test("keeps results while the database is away, and records each once", async () => {
    await addSubscription(database, "a");
    await addDeliveries(database, { to: ["a"], count: 30 });
    const store = webhookStore(database.createStore());
    let isAway = false;
    let refused = 0;
    const { own } = store;
    const transaction = own.transaction.bind(own);
    own.transaction = async (work, ...others) => {
      if (isAway) {
        refused += 1;
        throw new Error("The database is away");
      }
      // Its answer is lost, and the transaction is committed.
      const result = await transaction(work, ...others);
      if (isAway) throw new Error("The answer was lost");
      return result;
    };
    let calls = 0;
    start(
      () => {
        calls += 1;
        isAway = true;
        return OK;
      },
      { concurrency: 8 },
      { store },
    );
    await until(() => refused > 2, "refusals");
    expect(calls).toBeLessThanOrEqual(8);
    isAway = false;
    // The notifier takes the database away with each attempt.
    const back = setInterval(() => (isAway = false), 20);
    await settled(30);
    clearInterval(back);
    expect(calls).toBe(30);
    const attempts = await attemptsOf(database);
    expect(new Set(attempts.map((row) => row["delivery_id"])).size).toBe(30);
    expect(attempts).toHaveLength(30);
  });
});
