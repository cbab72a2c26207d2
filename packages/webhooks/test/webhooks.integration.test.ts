import { createApp, createEventBus, type EventBus, isBusbarError, type Logger } from "@busbar/core";
import { asValue } from "@busbar/core/container";
import type { Plugin } from "@busbar/core/plugin";
import local, { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineAsyncEvents } from "../src/catalogue/define-async-events.ts";
import { startReceiver, type Receiver } from "../src/testing/receiver.ts";
import { searchAttempts } from "../src/search/log-search.ts";
import { createVerifier } from "../src/verify/verifier.ts";
import { webhooks, type Webhooks, type WebhooksOptions } from "../src/webhooks.ts";
import { databases, type TestDatabase } from "./support/databases.ts";
import { until } from "./support/until.ts";

interface Order {
  readonly id: string;
  readonly total: number;
}

const events = defineAsyncEvents({
  "sales.order.created": {
    resolve: ({ id }: { id: string }, { container }) =>
      container.resolve<{ get(id: string): Order }>("orders").get(id),
  },
  "sales.order.paid": { retry: false },
  "cms.page.updated": {},
});
type Args = typeof events extends { types?: { args: infer A } | undefined } ? A : never;

const orders = { get: (id: string): Order => ({ id, total: 7 }) };
const encryptionKeys = [{ id: "2026-11", key: Buffer.alloc(32, 7) }];

describe.each(databases)("webhooks on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let receiver: Receiver;
  let buses: EventBus[];
  let logged: string[];

  beforeEach(async () => {
    database = await createDatabase();
    receiver = await startReceiver();
    buses = [];
    logged = [];
  });

  afterEach(async () => {
    await Promise.all(buses.map((bus) => bus.stop({ graceMs: 500 })));
    await receiver.close();
    await database.close();
  });

  const log = (fields: object, message: string): void => {
    logged.push(
      `${message} ${JSON.stringify(fields)} ${String((fields as { err?: unknown }).err)}`,
    );
  };
  const logger: Logger = { debug() {}, info() {}, warn: log, error: log };

  async function start(
    options: Partial<WebhooksOptions> = {},
    others: readonly Plugin[] = [],
  ): Promise<{ bus: EventBus; hooks: Webhooks<Args & object> }> {
    const hooks = webhooks({
      events,
      store: database.createStore(),
      encryptionKeys,
      http: { allow: ["127.0.0.0/8"], allowHttp: true },
      ...options,
    } as WebhooksOptions<typeof events>);
    const container = { resolve: (name: string | symbol) => ({ orders })[String(name)] as never };
    const bus = createEventBus({
      provider: localProvider(),
      plugins: [...others, hooks],
      container,
      logger,
    });
    await bus.start();
    buses.push(bus);
    return { bus, hooks: hooks as never };
  }

  test('offers its services in the role "tool" and delivers nothing', async () => {
    const { hooks } = await start({ dispatch: false });
    await hooks.subscriptions.create({ events: ["*"], destination: receiver.url });
    await hooks.publish("cms.page.updated", { page: 1 });
    await expect.poll(() => hooks.inspect()).toMatchObject({ waiting: 1 });
    const services = webhooks({ store: database.createStore(), encryptionKeys });
    const tool = createEventBus({ provider: localProvider(), plugins: [services], role: "tool" });
    buses.push(tool);
    await tool.start();
    expect((await services.log.deliveries()).items).toHaveLength(1);
    expect(await services.subscriptions.list()).toMatchObject({ items: [{ enabled: true }] });
    await start();
    await receiver.next();
  });

  test("keeps a search index of what it delivers, unless it is told not to", async () => {
    const unindexed = async (): Promise<number> => {
      const [row] = await database.query(
        `SELECT (SELECT count(*) FROM busbar_webhook_events WHERE indexed = 0)
          + (SELECT count(*) FROM busbar_webhook_attempts WHERE indexed = 0) AS count`,
      );
      return Number(row?.["count"]);
    };
    const { hooks } = await start({ search: { index: false } });
    await hooks.subscriptions.create({ events: ["*"], destination: receiver.url });
    await hooks.publish("sales.order.created", { id: "42" });
    await receiver.next();
    await until(async () => (await unindexed()) === 2, "the attempt");
    await start();
    await until(async () => (await unindexed()) === 0, "the index");
    const { items } = await searchAttempts(database.createStore(), {
      query: "data.data.id: 42 AND success: true",
    });
    expect(items).toMatchObject([{ eventName: "sales.order.created", status: 200 }]);
  });

  test("delivers a published event, signed, with the payload that the resolver makes", async () => {
    const { hooks } = await start();
    const created = await hooks.subscriptions.create({
      events: ["sales.order.*"],
      destination: receiver.url,
      scope: "de",
    });
    const secret = created.secret as string;
    expect(await hooks.publish("cms.page.updated", { page: 1 })).toBeNull();
    const id = await hooks.publish("sales.order.created", { id: "42" }, { scope: "de" });
    await hooks.publish("sales.order.created", { id: "43" }, { scope: "at" });
    const request = await receiver.next();
    const verifier = createVerifier({ secrets: secret });
    const verified = await verifier.verify(request.headers as never, request.body);
    expect(verified).toMatchObject({
      event: { name: "sales.order.created", data: { id: "42", total: 7 } },
    });
    expect(request.headers["webhook-id"]).toMatch(/^[\da-f-]{36}$/);
    await expect.poll(() => hooks.inspect()).toMatchObject({ waiting: 0, running: 0, dead: 0 });
    const deliveries = await database.query(
      `SELECT event_id, state FROM ${database.prefix}busbar_webhook_deliveries`,
    );
    expect(deliveries).toMatchObject([{ event_id: id, state: "delivered" }]);
    expect(receiver.requests).toHaveLength(1);
    expect(logged).toEqual([]);
  });

  test("delivers what a plain emit of a declared name says, and nothing of other names", async () => {
    const { bus, hooks } = await start();
    await hooks.subscriptions.create({ events: ["**"], destination: receiver.url });
    await bus.emit("secret.internal", 1);
    await bus.emit({ name: "cms.page.updated", data: { page: 1 }, metadata: { scope: 3 } });
    const request = await receiver.next();
    expect(request.json()).toMatchObject({ type: "cms.page.updated", data: { page: 1 } });
    await bus.settled();
    expect(receiver.requests).toHaveLength(1);
  });

  test("retries under the same id, and leaves alone what the event says not to retry", async () => {
    const { hooks } = await start();
    await hooks.subscriptions.create({
      events: ["sales.order.*"],
      destination: receiver.url,
      retry: { type: "schedule", delaysMs: [0], jitter: 0 },
    });
    receiver.answer(500, 200, 500);
    await hooks.publish("sales.order.created", { id: "42" });
    const [first, second] = [await receiver.next(), await receiver.next()];
    expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
    await hooks.publish("sales.order.paid", { id: "42" });
    await receiver.next();
    await expect.poll(() => hooks.inspect()).toMatchObject({ waiting: 0, running: 0, dead: 1 });
    expect(receiver.requests).toHaveLength(3);
  });

  test("matches in one process and delivers in another", async () => {
    const router = await start({ dispatch: false });
    const dispatcher = await start({ route: false });
    await router.hooks.subscriptions.create({ events: ["*.**"], destination: receiver.url });
    await router.hooks.publish("cms.page.updated", { page: 1 });
    expect((await receiver.next()).json()).toMatchObject({ data: { page: 1 } });
    await expect.poll(() => dispatcher.hooks.inspect()).toMatchObject({ waiting: 0, running: 0 });
  });

  test("resolves anew for each attempt where the subscription asks for it", async () => {
    let total = 0;
    const { hooks } = await start({
      container: { resolve: () => ({ get: (id: string) => ({ id, total: ++total }) }) as never },
    });
    await hooks.subscriptions.create({
      events: ["sales.order.created"],
      destination: receiver.url,
      payload: "attempt",
      retry: { type: "schedule", delaysMs: [0], jitter: 0 },
    });
    receiver.answer(500);
    await hooks.publish("sales.order.created", { id: "42" });
    expect((await receiver.next()).json()).toMatchObject({ data: { total: 1 } });
    expect((await receiver.next()).json()).toMatchObject({ data: { total: 2 } });
  });

  test("delivers again under the same id, and again an event whose payload could not be made", async () => {
    let isBroken = false;
    const { hooks } = await start({
      container: {
        resolve: () => {
          if (isBroken) throw new Error("The catalogue is away");
          return orders as never;
        },
      },
      route: { attempts: 1 },
    });
    await hooks.subscriptions.create({
      events: ["sales.order.created"],
      destination: receiver.url,
      redact: ["total"],
    });
    await hooks.publish("sales.order.created", { id: "42" });
    const first = await receiver.next();
    await expect.poll(() => hooks.log.count({ query: "success: true" })).toBe(1);
    const { id } = await hooks.replays.start({ query: "data.id: 42", by: "ann" });
    const second = await receiver.next();
    expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
    expect(second.json()).toMatchObject({ data: { id: "42", total: 7 } });
    await expect.poll(() => hooks.log.count({ query: "success: true" })).toBe(2);
    expect(await hooks.replays.get(id)).toMatchObject({ state: "done", done: 1 });
    expect(await hooks.log.trace(String(first.headers["webhook-id"]))).toMatchObject({
      delivery: { statusText: "Delivered after a replay" },
      payload: { id: "42", total: "[redacted]" },
      attempts: [{ trigger: "first" }, { trigger: "replay" }],
    });

    isBroken = true;
    const eventId = await hooks.publish("sales.order.created", { id: "43" });
    await expect.poll(() => hooks.log.count({ query: "trigger: resolve" })).toBe(1);
    isBroken = false;
    // The dead letter is there soon after its row in the log.
    await expect
      .poll(() => hooks.replays.event(eventId!).catch(() => undefined))
      .toEqual({
        deliveries: null,
      });
    expect((await receiver.next()).json()).toMatchObject({ data: { id: "43", total: 7 } });
  });

  test("tells other subscriptions that an endpoint is gone, on the same bus", async () => {
    const { bus, hooks } = await start();
    const heard: unknown[] = [];
    bus.subscribe("webhooks.**", ({ name, data }) => void heard.push([name, data]), {
      subscriberId: "operations",
    });
    const gone = await startReceiver({ otherwise: 410 });
    const { id } = await hooks.subscriptions.create({
      events: ["cms.*", "cms.**"],
      destination: gone.url,
    });
    await hooks.subscriptions.create({
      events: ["webhooks.endpoint.disabled"],
      destination: receiver.url,
    });
    await hooks.publish("cms.page.updated", { page: 1 });
    const request = await receiver.next();
    expect(request.json()).toMatchObject({
      type: "webhooks.endpoint.disabled",
      data: { subscriptionId: id, kind: "gone" },
    });
    await bus.settled();
    expect(heard).toEqual(
      expect.arrayContaining([
        ["webhooks.endpoint.disabled", expect.objectContaining({ subscriptionId: id })],
        ["webhooks.subscription.changed", expect.objectContaining({ change: "created" })],
      ]),
    );
    expect(await hooks.subscriptions.get(id)).toMatchObject({
      enabled: false,
      disabled: { kind: "gone" },
    });
    await gone.close();
  });

  test("sends a test, signed and guarded as any attempt, which the log does not have", async () => {
    const { hooks } = await start();
    const { id, secret } = await hooks.subscriptions.create({
      events: ["sales.order.*"],
      destination: receiver.url,
      enabled: false,
    });
    const example = { id: "42", total: 7 };
    expect(await hooks.test(id, { payload: example })).toMatchObject({ ok: true, status: 200 });
    const request = await receiver.next();
    const { verify } = createVerifier({ secrets: secret as string });
    expect(await verify(request.headers as never, request.body)).toMatchObject({
      event: { name: "sales.order.created", data: example },
    });
    receiver.answer(404);
    const failed = await hooks.test(id, { event: "sales.order.paid", payload: { id: "42" } });
    expect(failed).toMatchObject({ ok: false, status: 404, errorClass: "http_4xx" });
    expect((await receiver.next()).json()).toMatchObject({ data: { id: "42" } });
    for (const table of ["events", "deliveries", "attempts"]) {
      const sql = `SELECT * FROM ${database.prefix}busbar_webhook_${table}`;
      expect(await database.query(sql)).toEqual([]);
    }
    const code = async (work: Promise<unknown>): Promise<unknown> =>
      work.catch((error: { code?: unknown }) => error.code);
    expect(await code(hooks.test("none"))).toBe("BUSBAR_NOT_FOUND");
    expect(await code(hooks.test(id))).toBe("BUSBAR_INVALID_REQUEST");
    expect(hooks.notifiers.map(({ name }) => name)).toEqual(["http", "stdout", "tcp"]);

    const guarded = await start({ http: { allowHttp: true } });
    // The address stands in the URL, so that it is not even looked up.
    expect(await guarded.hooks.test(id, { payload: example })).toMatchObject({
      ok: false,
      errorClass: "invalid_settings",
    });
    expect(receiver.requests).toHaveLength(2);
  });

  test("is a plugin of an application, whose services resolvers find", async () => {
    const hooks = webhooks({
      events: [events, defineAsyncEvents({ "third.party": {} })],
      store: database.createStore(),
      encryptionKeys,
      http: { allow: ["127.0.0.0/8"], allowHttp: true },
    });
    const app = await createApp(
      {
        modules: [{ resolve: local }],
        plugins: [hooks],
        services: { orders: asValue(orders), webhooks: asValue(hooks) },
      },
      { signals: false, logger },
    );
    await app.start();
    expect(app.container.resolve<Webhooks>("webhooks")).toBe(hooks);
    await hooks.subscriptions.create({ events: ["**"], destination: receiver.url });
    await hooks.publish("sales.order.created", { id: "42" });
    expect((await receiver.next()).json()).toMatchObject({ data: { id: "42", total: 7 } });
    await hooks.publish("third.party", { of: "a package" });
    expect((await receiver.next()).json()).toMatchObject({ type: "third.party" });
    await app.stop();
  });

  test("stops while an attempt hangs, and leaves it to the next start under its id", async () => {
    receiver.answer("hang");
    const first = await start();
    await first.hooks.subscriptions.create({ events: ["**"], destination: receiver.url });
    await first.hooks.publish("cms.page.updated", { page: 1 });
    const hanging = await receiver.next();
    await first.bus.stop({ graceMs: 50 });
    await start();
    const again = await receiver.next();
    expect(again.headers["webhook-id"]).toBe(hanging.headers["webhook-id"]);
  });

  test("refuses to start with what is wrong, and says all of it", async () => {
    const failed = async (options: Partial<WebhooksOptions>): Promise<string> => {
      const error: unknown = await start(options).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      return isBusbarError(error, "BUSBAR_INVALID_CONFIG") ? error.message : String(error);
    };
    expect(await failed({ encryptionKeys: [] })).toContain("openssl rand -base64 32");
    const wrong = defineAsyncEvents({ "a b": {}, c: { whenGone: "drop" } });
    const message = await failed({ events: wrong });
    expect(message).toContain('events["a b"] must have letters');
    expect(message).toContain('events["c"].whenGone needs a resolver');
    const notifier = { name: "http", deliver: () => {} };
    expect(await failed({ notifiers: [notifier, { ...notifier, name: "A" }] as never })).toMatch(
      /notifiers\[0\]\.name must not be "http" again.*notifiers\[1\]\.name must be/,
    );
    expect(() => webhooks({ event: events } as never)).toThrow('has no option "event"');
    expect(() => webhooks({ events: {} as never })).toThrow("must be made by defineAsyncEvents()");
    expect(() => webhooks().subscriptions).toThrow("start the bus first");
    await expect(webhooks({ events }).publish("cms.page.updated", {})).rejects.toThrow(TypeError);
  });
});
