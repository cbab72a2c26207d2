import { createEventBus, type EventBus, type Logger } from "@busbar/core";
import type { Plugin } from "@busbar/core/plugin";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCatalogue } from "../../src/catalogue/catalogue.ts";
import { type AsyncEvents, defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";
import { EntityGone } from "../../src/catalogue/entity-gone.ts";
import { deliveryIdOf } from "../../src/route/delivery-id.ts";
import { Payloads } from "../../src/route/payloads.ts";
import { Router } from "../../src/route/router.ts";
import { Snapshots } from "../../src/route/snapshots.ts";
import { until } from "../support/until.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { type FakeActive, fakeActive } from "../support/fake-active.ts";

type Row = Readonly<Record<string, unknown>>;

describe.each(databases)("the router on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let active: FakeActive;
  let bus: EventBus;
  let written: number;
  let logged: string[];

  beforeEach(async () => {
    database = await createDatabase();
    active = fakeActive(database);
    written = 0;
    logged = [];
  });

  afterEach(async () => {
    await bus?.stop({ graceMs: 500 });
    await database.close();
  });

  /** Starts a bus with a router, as the plugin does. */
  async function start(
    events: AsyncEvents,
    options: { readonly timeoutMs?: number; readonly store?: object } = {},
  ): Promise<void> {
    const catalogue = await openCatalogue([events]);
    let snapshots: Snapshots | undefined;
    const log = (fields: object, message: string): void => {
      logged.push(`${message} ${JSON.stringify(fields)}`);
    };
    const logger: Logger = { debug() {}, info() {}, warn: log, error: log };
    const plugin: Plugin = {
      name: "webhooks",
      start(context) {
        const payloads = new Payloads({
          catalogue,
          container: { resolve: (name) => `the ${name}` as never },
          timeoutMs: options.timeoutMs ?? 5_000,
          maxPayloadBytes: 10_000,
        });
        const router = new Router({
          store: { ...database.createStore(), ...options.store },
          catalogue,
          active,
          payloads,
          policy: { attempts: 3, backoff: { type: "exponential", delay: 1 } },
          logger: context.logger,
          channel: "webhooks",
          onWritten: () => (written += 1),
        });
        context.bus.subscribe(catalogue.names, (event, delivery) => router.route(event, delivery), {
          subscriberId: "webhooks",
          attempts: 3,
          backoff: 1,
          concurrency: 100,
          ordering: "key",
        });
        const { bus: on } = context;
        snapshots = new Snapshots({
          bus: on,
          catalogue,
          active,
          payloads,
          maxPayloadBytes: 10_000,
          logger: context.logger,
        });
      },
      stop: () => snapshots?.stop(),
    };
    bus = createEventBus({ provider: localProvider(), plugins: [plugin], logger });
    await bus.start();
  }

  const rows = (table: string): Promise<readonly Row[]> =>
    database.query(
      `SELECT * FROM ${database.prefix}busbar_webhook_${table} ORDER BY ${
        table === "attempts" ? "id" : "number"
      }`,
    );

  test("writes the event once, and a delivery for each subscription that wants it", async () => {
    await active.add({ id: "s1", events: ["order.*"] });
    await active.add({ id: "s2", scope: "de" });
    await active.add({ id: "s3", scope: "at" });
    await active.add({ id: "s4", passes: ({ data }) => (data as { total: number }).total > 100 });
    await active.add({ id: "s5", events: ["order.paid"] });
    await start(
      defineAsyncEvents({
        "order.placed": {
          resolve: async ({ id }: { id: string }, { container, event, signal }) => ({
            id,
            total: 7,
            at: new Date(0),
            mailer: container.resolve("mailer"),
            event: [event.id, event.name, event.scope, signal.aborted],
          }),
          retry: false,
        },
      }),
    );
    const before = Date.now();
    const [eventId] = await bus.emit({
      name: "order.placed",
      data: { id: "42" },
      metadata: { scope: "de", traceparent: "00-1" },
    });
    await bus.settled();
    const events = await rows("events");
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      id: eventId,
      name: "order.placed",
      scope: "de",
      args: '{"id":"42"}',
      snapshot: null,
      ordering_key: null,
    });
    expect(JSON.parse(events[0]?.["payload"] as string)).toEqual({
      id: "42",
      total: 7,
      at: "1970-01-01T00:00:00.000Z",
      mailer: "the mailer",
      event: [eventId, "order.placed", "de", false],
    });
    expect(JSON.parse(events[0]?.["metadata"] as string)).toEqual({
      traceparent: "00-1",
      correlationId: eventId,
    });
    expect(Number(events[0]?.["occurred_at"])).toBeGreaterThanOrEqual(before);
    const deliveries = await rows("deliveries");
    expect(deliveries.map((row) => row["subscription_id"])).toEqual(["s1", "s2"]);
    expect(deliveries[0]).toMatchObject({
      id: deliveryIdOf(eventId as string, "s1"),
      event_id: eventId,
      event_name: "order.placed",
      scope: "de",
      state: "waiting",
      payload_mode: "once",
      next_trigger: "first",
      ordering_key: null,
      sequence: null,
    });
    expect(deliveries.map((row) => Number(row["no_retry"]))).toEqual([1, 1]);
    expect(written).toBe(1);
  });

  test("makes no second row of an event that is routed again", async () => {
    await active.add({ id: "s1", orderingKey: "$event" });
    await start(defineAsyncEvents({ "order.placed": {} }));
    const message = { name: "order.placed", data: { n: 1 }, id: "e1" };
    for (let times = 0; times < 3; times += 1) {
      await bus.emit(message, { orderingKey: "k" });
      await bus.settled();
    }
    await active.add({ id: "s2", orderingKey: "$event" });
    await bus.emit(message, { orderingKey: "k" });
    await bus.settled();
    expect(await rows("events")).toMatchObject([{ id: "e1", args: null, payload: '{"n":1}' }]);
    const deliveries = await rows("deliveries");
    expect(deliveries.map((row) => [row["subscription_id"], Number(row["sequence"])])).toEqual([
      ["s1", 1],
      ["s2", 1],
    ]);
  });

  test("numbers the deliveries of each ordering key", async () => {
    await active.add({ id: "s1", orderingKey: "$event" });
    await active.add({ id: "s2", orderingKey: "order.id" });
    await start(defineAsyncEvents({ "order.placed": {} }));
    for (let round = 0; round < 2; round += 1) {
      await bus.emit(
        Array.from({ length: 10 }, (_each, n) => ({
          name: "order.placed",
          data: { order: { id: n % 2 } },
          options: { orderingKey: `k${n % 5}` },
        })),
      );
      await bus.settled();
    }
    const numbers = (id: string, key: string): Promise<readonly Row[]> =>
      database.query(
        `SELECT sequence FROM ${database.prefix}busbar_webhook_deliveries
          WHERE subscription_id = $1 AND ordering_key = $2 ORDER BY number`,
        [id, key],
      );
    const counted = async (id: string, key: string): Promise<number[]> =>
      (await numbers(id, key)).map(({ sequence }) => Number(sequence));
    expect(await counted("s1", "k3")).toEqual([1, 2, 3, 4]);
    expect(await counted("s2", "0")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await counted("s2", "1")).toHaveLength(10);
  });

  test("makes payloads at emit, once, or leaves them to each attempt", async () => {
    let version = 1;
    await active.add({ id: "at-emit", payload: "emitted" });
    await active.add({ id: "once", payload: "once" });
    await active.add({ id: "each", payload: "attempt" });
    await start(
      defineAsyncEvents({
        "page.updated": { resolve: ({ id }: { id: string }) => ({ id, version: version++ }) },
        "page.deleted": {
          resolve: (): never => {
            throw new Error("the emit must not know");
          },
        },
      }),
    );
    await bus.emit("page.updated", { id: "home" });
    await bus.settled();
    expect(await rows("events")).toMatchObject([
      {
        snapshot: '{"id":"home","version":1}',
        payload: '{"id":"home","version":2}',
        args: '{"id":"home"}',
      },
    ]);
    expect((await rows("deliveries")).map((row) => row["payload_mode"])).toEqual([
      "emitted",
      "once",
      "attempt",
    ]);
    expect((await rows("events"))[0]?.["metadata"]).not.toContain("version");
    expect(await bus.emit("page.deleted", { id: "home" })).toHaveLength(1);
    await bus.settled();
    expect(logged.join()).toContain("could not be made at emit");

    for (const id of ["at-emit", "once"]) active.remove(id);
    await bus.emit({ name: "page.updated", data: { id: "only" }, id: "e2" });
    await bus.settled();
    expect(version).toBe(3);
    expect((await rows("events")).at(-1)).toMatchObject({ id: "e2", payload: null });
  });

  test("takes the payload of the router where there is none of the emit", async () => {
    await start(
      defineAsyncEvents({ "page.updated": { resolve: () => ({ big: "x".repeat(9_990) }) } }),
    );
    await active.add({ id: "s1", payload: "emitted" });
    await bus.emit("page.updated", { id: "home" });
    await bus.settled();
    expect(await rows("deliveries")).toMatchObject([{ payload_mode: "once" }]);
    expect(logged.join()).toContain("too large to travel");
  });

  test("retries a resolver, notes each failure, and leaves a dead letter that can be replayed", async () => {
    await active.add({ id: "s1" });
    let fails = true;
    let runs = 0;
    await start(
      defineAsyncEvents({
        "order.placed": {
          resolve: ({ id }: { id: string }) => {
            runs += 1;
            if (fails) throw new Error("no connection to postgres://u:secret@db/shop");
            return { id };
          },
        },
      }),
    );
    const [eventId] = await bus.emit("order.placed", { id: "42" });
    await bus.settled();
    expect(runs).toBe(3);
    const attempts = await rows("attempts");
    expect(attempts).toHaveLength(3);
    expect(attempts[0]).toMatchObject({
      event_id: eventId,
      event_name: "order.placed",
      delivery_id: null,
      subscription_id: null,
      trigger_kind: "resolve",
      error_class: "resolve_failed",
    });
    expect(attempts.map((row) => Number(row["number"]))).toEqual([1, 2, 3]);
    expect(attempts.map((row) => row["next_at"] === null)).toEqual([false, false, true]);
    expect(attempts[0]?.["error"]).toContain("The resolver failed: no connection");
    expect(JSON.stringify(attempts) + logged.join()).not.toContain("secret");
    expect(await rows("deliveries")).toEqual([]);
    const { items } = await bus.deadLetters.list();
    expect(items).toMatchObject([{ subscriberId: "webhooks", event: { id: eventId } }]);

    fails = false;
    await bus.deadLetters.replay("webhooks");
    await bus.settled();
    expect(await rows("deliveries")).toMatchObject([{ event_id: eventId, state: "waiting" }]);
  });

  test("does with an entity that is gone what the definition says", async () => {
    await active.add({ id: "s1" });
    class ItsOwnCopy extends Error {
      override name = "EntityGone";
    }
    const resolve = (): never => {
      throw new EntityGone("deleted");
    };
    await start(
      defineAsyncEvents({
        failing: { resolve },
        tomb: {
          resolve: (_args: { id: string }): never => {
            throw new ItsOwnCopy("deleted");
          },
          whenGone: "tombstone",
        },
        dropped: { resolve, whenGone: "drop" },
      }),
    );
    for (const name of ["failing", "tomb", "dropped"]) await bus.emit({ name, data: { id: "42" } });
    await bus.settled();
    expect(await rows("events")).toMatchObject([
      { name: "tomb", payload: '{"deleted":true,"args":{"id":"42"}}', args: '{"id":"42"}' },
    ]);
    const attempts = await rows("attempts");
    expect(attempts.filter((row) => row["event_name"] === "failing")).toHaveLength(3);
    expect(attempts.filter((row) => row["event_name"] === "dropped")).toMatchObject([
      { trigger_kind: "resolve", error: "The entity is gone: the event was dropped" },
    ]);
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
  });

  test("gives up at once what no retry can mend", async () => {
    await active.add({ id: "s1" });
    await start(
      defineAsyncEvents({
        big: { resolve: () => "x".repeat(10_001) },
        small: { resolve: () => "é".repeat(4_000) },
        nothing: { resolve: () => undefined },
        odd: {},
      }),
    );
    await bus.emit([
      { name: "big", data: 1 },
      { name: "small", data: 1 },
      { name: "nothing", data: 1 },
      { name: "odd", data: 1, metadata: { scope: { shop: 1 } } },
      { name: "odd", data: 2, metadata: { scope: 3 } },
    ]);
    await bus.settled();
    const attempts = await rows("attempts");
    expect(attempts.filter((row) => row["event_name"] === "big")).toMatchObject([
      { error_class: "payload_too_large", next_at: null },
    ]);
    expect(attempts.filter((row) => row["event_name"] === "nothing")).toHaveLength(3);
    const { items } = await bus.deadLetters.list();
    expect(items.map(({ event }) => event.name).toSorted()).toEqual(["big", "nothing", "odd"]);
    expect((await rows("events")).map((row) => [row["name"], row["scope"]])).toEqual(
      expect.arrayContaining([
        ["small", null],
        ["odd", "3"],
      ]),
    );
  });

  test("ends a resolver that takes too long", async () => {
    await active.add({ id: "s1" });
    const signals: AbortSignal[] = [];
    await start(
      defineAsyncEvents({
        slow: {
          resolve: (_args: unknown, { signal }) => {
            signals.push(signal);
            return new Promise<never>(() => {});
          },
        },
      }),
      { timeoutMs: 20 },
    );
    await bus.emit("slow", 1);
    await bus.settled();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
    expect((await rows("attempts"))[0]?.["error"]).toContain("took longer than 20 ms");
  });

  test("tells operational events to those only who ask for them, and not about themselves", async () => {
    await active.add({ id: "all", events: ["*"] });
    await active.add({ id: "watcher", events: ["webhooks.**"] });
    await active.add({ id: "own", events: ["webhooks.endpoint.warning"] });
    await start(defineAsyncEvents({}));
    await bus.emit("webhooks.endpoint.warning", { subscriptionId: "own", percent: 50 });
    await bus.emit("webhooks.endpoint.warning", { subscriptionId: "watcher", percent: 50 });
    await bus.settled();
    expect((await rows("deliveries")).map((row) => row["subscription_id"])).toEqual([
      "watcher",
      "own",
    ]);
  });

  test("writes nothing for a subscription that was deleted meanwhile", async () => {
    await active.add({ id: "s1" });
    await active.add({ id: "s2" });
    await start(defineAsyncEvents({ "order.placed": {} }));
    await database.query(
      `UPDATE ${database.prefix}busbar_webhook_subscriptions SET deleted_at = 1 WHERE id = 's1'`,
    );
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(await rows("deliveries")).toMatchObject([{ subscription_id: "s2" }]);
  });

  test("commits what arrives meanwhile together, and waits for the database without counting", async () => {
    await active.add({ id: "s1" });
    let transactions = 0;
    let isAway = true;
    let refusals = 0;
    const store = database.createStore();
    await start(defineAsyncEvents({ "order.placed": {} }), {
      store: {
        transaction: (work: never) => {
          transactions += 1;
          if (isAway) {
            refusals += 1;
            return Promise.reject(Object.assign(new Error("away"), { code: "08006" }));
          }
          return store.transaction(work);
        },
        within: (tx: never) => store.within(tx),
      },
    });
    const emit = (count: number): Promise<unknown> =>
      bus.emit(Array.from({ length: count }, (_each, n) => ({ name: "order.placed", data: n })));
    await emit(40);
    // The first on its own, and all others together.
    await until(() => refusals === 2, "two refusals");
    isAway = false;
    // They come again together, after a quarter of a second: the database was away for a moment only.
    await bus.settled({ timeoutMs: 5_000 });
    expect(logged.join()).toContain("Webhook deliveries cannot be written");
    const before = transactions;
    await emit(100);
    await bus.settled();
    expect(transactions - before).toBeLessThan(10);
    expect(await rows("deliveries")).toHaveLength(140);
    expect((await bus.deadLetters.list()).items).toEqual([]);
  });

  test("keeps one event that the database refuses from failing the others", async () => {
    await active.add({ id: "s1" });
    await start(defineAsyncEvents({ "order.placed": {} }));
    await database.query(
      database.dialect === "postgres"
        ? `ALTER TABLE ${database.prefix}busbar_webhook_events ADD CHECK (payload <> '"bad"')`
        : `CREATE TRIGGER refuse BEFORE INSERT ON busbar_webhook_events WHEN NEW.payload = '"bad"'
            BEGIN SELECT RAISE(ABORT, 'refused'); END`,
    );
    await bus.emit(
      Array.from({ length: 20 }, (_each, n) => ({
        name: "order.placed",
        data: n === 11 ? "bad" : n,
      })),
    );
    await bus.settled();
    expect(await rows("deliveries")).toHaveLength(19);
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
  });
});
