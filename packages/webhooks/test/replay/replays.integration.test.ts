import { isBusbarError } from "@busbar/core";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Catalogue } from "../../src/catalogue/catalogue.ts";
import type {
  ActiveSubscription,
  ActiveSubscriptions,
} from "../../src/contract/active-subscriptions.ts";
import type { ReplayProgress } from "../../src/contract/delivery.ts";
import { Rematch } from "../../src/replay/rematch.ts";
import { ReplayRunner } from "../../src/replay/replay-runner.ts";
import { StoredReplays } from "../../src/replay/stored-replays.ts";
import { deliveryIdOf } from "../../src/route/delivery-id.ts";
import type { Payloads } from "../../src/route/payloads.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { childProgram } from "../support/child-program.ts";
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
  type TestDispatcher,
} from "../support/deliveries.ts";
import type { ReplayChildOptions } from "../support/replay-child-options.ts";

const child = new URL("../support/replay-child.ts", import.meta.url);
let runChild: Awaited<ReturnType<typeof childProgram>>;

beforeAll(async () => {
  runChild = await childProgram(child);
});

const DEAD = { ...FAILED, retryable: false };

describe.each(databases)("replays on %s", (_, open) => {
  let database: TestDatabase;
  let replays: StoredReplays;
  let runners: ReplayRunner[];
  let dispatchers: TestDispatcher[];
  let active: ActiveSubscription[];
  let dead: Set<string>;
  let warned: string[];

  beforeEach(async () => {
    database = await open();
    runners = [];
    dispatchers = [];
    active = [];
    dead = new Set();
    warned = [];
    replays = newReplays();
    await addSubscription(database, "shop");
  });

  afterEach(async () => {
    await Promise.all(runners.map((runner) => runner.stop()));
    await Promise.all(dispatchers.map(({ dispatcher }) => dispatcher.stop(0)));
    await database.close();
  });

  const warn = (_fields: object, message: string): void => void warned.push(message);
  const logger = { debug() {}, info() {}, warn, error: warn };

  function newRematch(): Rematch {
    return new Rematch({
      store: webhookStore(database.createStore()),
      catalogue: { get: () => undefined } as Partial<Catalogue> as Catalogue,
      payloads: {} as Payloads,
      active: { matching: () => active } as Partial<ActiveSubscriptions> as ActiveSubscriptions,
      refresh: async () => {},
      channel: "test",
      logger,
    });
  }

  function newReplays(onStarted: () => void = () => {}): StoredReplays {
    return new StoredReplays({
      store: webhookStore(database.createStore()),
      rematch: newRematch(),
      hasIndex: false,
      channel: "test",
      onBegun: () => dispatchers.forEach(({ dispatcher }) => dispatcher.wake()),
      onStarted,
      routeAgain: async (id) => dead.has(id),
      signal: new AbortController().signal,
    });
  }

  function run(): ReplayRunner {
    const runner = new ReplayRunner({
      store: webhookStore(database.createStore()),
      rematch: newRematch(),
      logger,
      hasIndex: false,
      channel: "test",
      onBegun: () => dispatchers.forEach(({ dispatcher }) => dispatcher.wake()),
      pollEveryMs: 20,
    });
    runners.push(runner);
    runner.start();
    return runner;
  }

  function dispatch(deliver: Deliver): TestDispatcher {
    const dispatcher = startDispatcher(database, deliver);
    dispatchers.push(dispatcher);
    return dispatcher;
  }

  async function ended(id: string): Promise<ReplayProgress> {
    await expect.poll(async () => (await replays.get(id))?.state).not.toBe("running");
    return (await replays.get(id))!;
  }

  async function refused(work: Promise<unknown>): Promise<unknown> {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return isBusbarError(error) ? { code: error.code, ...error.details } : error;
  }

  test("begins one delivery again under its id, with the payload of the store", async () => {
    const [id] = await addDeliveries(database, { to: ["shop"], data: () => ({ total: 7 }) });
    const answers = [DEAD, OK];
    const got: unknown[] = [];
    dispatch(({ delivery, event }) => {
      got.push([delivery.id, delivery.trigger, event.data]);
      return answers.shift()!;
    });
    await expect.poll(() => countOf(database, "dead")).toBe(1);
    expect(await replays.delivery(id!, { by: "ann" })).toMatchObject({ id });
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    expect(got).toEqual([
      [id, "first", { total: 7 }],
      [id, "manual", { total: 7 }],
    ]);
    // Its payload is there once, however often it was attempted.
    expect(await attemptsOf(database)).toMatchObject([
      { number: 1, payload: null },
      { number: 2, payload: null },
    ]);
    const { items } = await replays.list();
    expect(items).toMatchObject([
      { state: "done", total: 1, done: 1, createdBy: "ann", query: `delivery_id:"${id}"` },
    ]);
  });

  test("has a retry that waits superseded, and the policy begin anew", async () => {
    await database.query("UPDATE busbar_webhook_subscriptions SET options = $1", [
      JSON.stringify({ retry: { type: "schedule", delaysMs: [3_600_000], jitter: 0 } }),
    ]);
    const [id] = await addDeliveries(database, { to: ["shop"] });
    let attempts = 0;
    dispatch(() => {
      attempts += 1;
      return FAILED;
    });
    await expect.poll(async () => (await attemptsOf(database)).length).toBe(1);
    expect(await replays.delivery(id!)).toMatchObject({ state: "retrying" });
    await expect.poll(async () => (await attemptsOf(database)).length).toBe(2);
    // The chain has one retry again, and the first chain's is gone.
    const [delivery] = await deliveriesOf(database);
    expect(delivery).toMatchObject({ state: "waiting" });
    expect([delivery?.["attempts"], delivery?.["chain_attempts"]].map(Number)).toEqual([2, 1]);
    expect(attempts).toBe(2);
  });

  test("leaves alone what is running, and says what is in the way", async () => {
    const [id] = await addDeliveries(database, { to: ["shop"] });
    let end: () => void = () => {};
    const isEnded = new Promise<void>((resolve) => (end = resolve));
    dispatch(async () => {
      await isEnded;
      return OK;
    });
    await expect.poll(() => countOf(database, "running")).toBe(1);
    expect(await refused(replays.delivery(id!))).toMatchObject({ state: "running" });
    const { id: replay } = await replays.start({});
    run();
    expect(await ended(replay)).toMatchObject({ total: 1, done: 0, skipped: 1 });
    end();
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    expect(await attemptsOf(database)).toHaveLength(1);

    await database.query("UPDATE busbar_webhook_events SET expunged = 1");
    expect(await refused(replays.delivery(id!))).toMatchObject({
      code: "BUSBAR_CONFLICT",
      state: "payload-deleted",
    });
    await database.query("UPDATE busbar_webhook_subscriptions SET deleted_at = 1");
    expect(await refused(replays.delivery(id!))).toMatchObject({ state: "subscription-deleted" });
    expect(await refused(replays.delivery("none"))).toMatchObject({ code: "BUSBAR_NOT_FOUND" });
    expect((await replays.list()).items).toHaveLength(1);
  });

  test("begins all that a query finds, more than one page of them, oldest first", async () => {
    await addSubscription(database, "other", { enabled: false });
    const ids = await addDeliveries(database, { to: ["shop"], count: 600 });
    await addDeliveries(database, { to: ["other"], count: 3 });
    await database.query(
      "UPDATE busbar_webhook_deliveries SET state = 'dead' WHERE subscription_id = 'shop'",
    );
    expect(await replays.count({ query: "status: dead" })).toBe(600);
    const started = await replays.start({ query: "status: dead", by: "ann" });
    expect(started).toMatchObject({ state: "running", total: 600, done: 0, createdBy: "ann" });
    const later = await addDeliveries(database, { to: ["shop"] });
    await database.query("UPDATE busbar_webhook_deliveries SET state = 'dead' WHERE id = $1", [
      later[0]!,
    ]);
    run();
    run();
    expect(await ended(started.id)).toMatchObject({ state: "done", done: 600, skipped: 0 });
    const begun = await database.query(
      `SELECT id FROM busbar_webhook_deliveries WHERE next_trigger = 'replay' ORDER BY due_at, number`,
    );
    expect(begun.map(({ id }) => id)).toEqual(ids);
    expect(await countOf(database, "dead")).toBe(1);
    expect(warned).toEqual([]);
  });

  test("goes on with the next delivery when its process is killed, and begins none twice", async () => {
    await addDeliveries(database, { to: ["shop"], count: 6 });
    const set = "UPDATE busbar_webhook_deliveries SET state = 'dead'";
    const ends = [];
    for (const dieAt of ["before the commit", "after the commit"] as const) {
      await database.query(set);
      // Two in each step.
      const { id } = await replays.start({ perSecond: 10 });
      const options = { connection: database.connection, dieAt, leaseMs: 300 };
      ends.push(await runChild(options satisfies ReplayChildOptions));
      const done = dieAt === "before the commit" ? 2 : 4;
      expect(await replays.get(id)).toMatchObject({ state: "running", done });
      // What was begun by now is not to be begun again.
      await database.query(
        "UPDATE busbar_webhook_deliveries SET state = 'delivered' WHERE state = 'waiting'",
      );
      const next = run();
      expect(await ended(id)).toMatchObject({ state: "done", done: 6, skipped: 0 });
      expect(await countOf(database, "waiting")).toBe(6 - done);
      await next.stop();
    }
    const killed = { signal: "SIGKILL", output: "", error: "" };
    expect(ends).toEqual([killed, killed]);
  });

  test("begins no more in a second than it was told", async () => {
    await addDeliveries(database, { to: ["shop"], count: 6 });
    await database.query("UPDATE busbar_webhook_deliveries SET state = 'dead'");
    const startedAt = performance.now();
    const { id } = await replays.start({ perSecond: 10 });
    run();
    run();
    expect(await ended(id)).toMatchObject({ done: 6, perSecond: 10 });
    // Two at once, and 200 ms between.
    expect(performance.now() - startedAt).toBeGreaterThan(390);
  });

  test("ends when it is cancelled, and what it has begun goes on", async () => {
    await addDeliveries(database, { to: ["shop"], count: 5 });
    await database.query("UPDATE busbar_webhook_deliveries SET state = 'dead'");
    const { id } = await replays.start({ perSecond: 0.001 });
    run();
    await expect.poll(async () => (await replays.get(id))?.done).toBe(1);
    expect(await replays.cancel(id)).toMatchObject({ state: "cancelled", done: 1, total: 5 });
    expect((await replays.cancel(id)).finishedAt).toBeInstanceOf(Date);
    expect(await refused(replays.cancel("none"))).toMatchObject({ code: "BUSBAR_NOT_FOUND" });
    dispatch(() => OK);
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    expect(await countOf(database, "dead")).toBe(4);
  });

  test("recovers what has failed since, and was not delivered afterwards", async () => {
    await addSubscription(database, "other");
    await addDeliveries(database, { to: ["shop", "other"], count: 4 });
    const set = (number: number, state: string, at: number): Promise<unknown> =>
      database.query(
        `UPDATE busbar_webhook_deliveries SET state = '${state}', last_attempt_at = ${at}
          WHERE subscription_id = 'shop' AND number IN (SELECT number FROM busbar_webhook_deliveries
            WHERE subscription_id = 'shop' ORDER BY number LIMIT 1 OFFSET ${number})`,
      );
    await database.query(
      "UPDATE busbar_webhook_deliveries SET state = 'dead', last_attempt_at = 900",
    );
    await set(0, "dead", 99);
    await set(1, "dead", 100);
    await set(2, "delivered", 200);
    await set(3, "dead", 300);
    const one = await replays.recover(new Date(100), { subscriptionId: "shop" });
    expect(one).toMatchObject({ total: 2 });
    run();
    expect(await ended(one.id)).toMatchObject({ state: "done", done: 2 });
    const all = await replays.recover(new Date(100));
    expect(await ended(all.id)).toMatchObject({ total: 4, done: 4 });
  });

  test("matches events anew: for new subscriptions, and again under the same ids", async () => {
    await addSubscription(database, "new", {});
    await addSubscription(database, "picky", {});
    const [known, other] = await addDeliveries(database, {
      to: ["shop"],
      count: 2,
      data: (number) => ({ number }),
    });
    dispatch(() => OK);
    await expect.poll(() => countOf(database, "delivered")).toBe(2);
    active.push(
      subscription("shop"),
      subscription("new"),
      subscription("picky", (data) => (data as { number: number }).number === 1),
    );
    const { id } = await replays.start({ to: "matched" });
    run();
    expect(await ended(id)).toMatchObject({ state: "done", total: 2, done: 5, skipped: 0 });
    await expect.poll(() => countOf(database, "delivered")).toBe(5);
    const rows = await deliveriesOf(database);
    expect(rows.filter((row) => row["id"] === known || row["id"] === other)).toHaveLength(2);
    const [{ event_id: eventId } = {}] = rows.filter((row) => row["id"] === other);
    expect(rows).toContainEqual(
      expect.objectContaining({
        id: deliveryIdOf(String(eventId), "picky"),
        subscription_id: "picky",
        state: "delivered",
      }),
    );
    expect(await attemptsOf(database)).toHaveLength(7);
  });

  test("skips events that no subscription wants any more", async () => {
    await addDeliveries(database, { to: ["shop"], count: 2 });
    await database.query("UPDATE busbar_webhook_deliveries SET state = 'dead'");
    const { id } = await replays.start({ to: "matched" });
    run();
    expect(await ended(id)).toMatchObject({ done: 0, skipped: 2 });
  });

  test("begins one event again, matched anew or as a dead letter of the router", async () => {
    await addDeliveries(database, { to: ["shop"] });
    dispatch(() => OK);
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    const [delivery] = await deliveriesOf(database);
    active.push(subscription("shop"));
    const eventId = String(delivery!["event_id"]);
    expect(await replays.event(eventId, { by: "ann" })).toEqual({ deliveries: 1 });
    await expect.poll(async () => (await attemptsOf(database)).length).toBe(2);
    dead.add("unresolved");
    expect(await replays.event("unresolved")).toEqual({ deliveries: null });
    expect(await refused(replays.event("none"))).toMatchObject({ kind: "event", id: "none" });
    await database.query("UPDATE busbar_webhook_events SET expunged = 1");
    expect(await refused(replays.event(eventId))).toMatchObject({ state: "payload-deleted" });
  });

  test("keeps what is begun for a disabled subscription until it is enabled", async () => {
    const [id] = await addDeliveries(database, { to: ["shop"] });
    dispatch(() => OK);
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    await database.query("UPDATE busbar_webhook_subscriptions SET enabled = 0, version = 2");
    expect(await replays.delivery(id!)).toMatchObject({
      state: "paused",
      statusText: "Paused after 1 attempt",
    });
    await database.query("UPDATE busbar_webhook_subscriptions SET enabled = 1, version = 3");
    await expect.poll(() => countOf(database, "delivered")).toBe(1);
    expect(await attemptsOf(database)).toHaveLength(2);
  });

  test("lists replays in pages, newest first", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) ids.push((await replays.start({})).id);
    const first = await replays.list({ limit: 2 });
    const second = await replays.list({ limit: 2, cursor: first.cursor ?? undefined });
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids.toReversed());
    expect(second.cursor).toBeNull();
    expect(await replays.get("none")).toBeUndefined();
  });

  test("refuses what cannot be replayed, before anything is written down", async () => {
    const invalid = { code: "BUSBAR_INVALID_REQUEST" };
    expect(await refused(replays.start({ query: "a:(" }))).toMatchObject({ offset: 3 });
    expect(await refused(replays.start({ perSecond: 0 }))).toMatchObject(invalid);
    expect(await refused(replays.start({ to: "all" as never }))).toMatchObject(invalid);
    expect(await refused(replays.recover(new Date(Number.NaN)))).toMatchObject(invalid);
    // A caller cannot say what is sent.
    expect(
      await refused(replays.delivery("id", { payload: { forged: true } } as never)),
    ).toMatchObject(invalid);
    expect((await replays.list()).items).toEqual([]);
  });
});

function subscription(id: string, passes?: (data: unknown) => boolean): ActiveSubscription {
  return {
    id,
    version: 1,
    events: ["**"],
    scope: null,
    orderingKey: null,
    payload: "once",
    hasFilter: passes !== undefined,
    passes: ({ data }) => passes?.(data) ?? true,
  };
}
