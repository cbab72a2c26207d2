// What endpoints can do to us, and what can be done to their subscriptions meanwhile.
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DeliveryAttempt } from "../../src/contract/delivery.ts";
import type { NewSubscription, WebhookSubscription } from "../../src/contract/subscription.ts";
import { type Receiver, type ReceiverOptions, startReceiver } from "../../src/testing/receiver.ts";
import { createVerifier } from "../../src/verify/verifier.ts";
import type { WebhooksOptions } from "../../src/webhooks.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { until } from "../support/until.ts";
import { type ChaosApp, emitMany, problemsOf, startApp } from "./support/chaos.ts";

const DAY = 86_400_000;
const AT_ONCE = { type: "schedule", delaysMs: [0, 0, 0, 0, 0], jitter: 0 } as const;
/** Retries come when a test says so, with `makeDue`. */
const ON_DEMAND = { type: "schedule", delaysMs: [DAY, DAY, DAY], jitter: 0 } as const;
/** An address that deliveries may not go to, and that is this machine nevertheless. */
const METADATA = "127.0.0.9";

describe.each(databases)("deliveries on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let apps: ChaosApp[];
  let receivers: Receiver[];

  beforeEach(async () => {
    database = await createDatabase();
    apps = [];
    receivers = [];
  });

  afterEach(async () => {
    await Promise.all(apps.map(({ bus }) => bus.stop({ graceMs: 100 })));
    await Promise.all(receivers.map((receiver) => receiver.close()));
    await database.close();
  });

  async function start(options: Partial<WebhooksOptions> = {}): Promise<ChaosApp> {
    const app = await startApp(database.createStore(), options);
    apps.push(app);
    return app;
  }

  async function receive(options: ReceiverOptions = {}): Promise<Receiver> {
    const receiver = await startReceiver(options);
    receivers.push(receiver);
    return receiver;
  }

  const subscribe = async (
    { hooks }: ChaosApp,
    destination: string,
    others: Partial<NewSubscription> = {},
  ): Promise<WebhookSubscription & { secret: string }> =>
    (await hooks.subscriptions.create({
      events: ["order.placed"],
      destination,
      retry: AT_ONCE,
      ...others,
    })) as never;

  /** Waits until attempts match a query. */
  const attempts = (
    { hooks }: ChaosApp,
    query: string,
    count = 1,
  ): Promise<readonly DeliveryAttempt[]> =>
    until(
      async () => {
        const { items } = await hooks.log.attempts({ query }, { limit: 500 });
        return items.length >= count && items;
      },
      `${count} attempts: ${query}`,
      25_000,
    );

  const makeDue = (): Promise<unknown> =>
    database.query("UPDATE busbar_webhook_deliveries SET due_at = 1 WHERE state = 'waiting'");

  const waitMs = ({ nextAttemptAt, startedAt }: DeliveryAttempt): number =>
    Number(nextAttemptAt) - Number(startedAt);

  test("are lost by none of many endpoints that fail in every way, and a healthy one waits for none", async () => {
    const past = "Sun, 29 Nov 2026 10:00:00 GMT";
    const overloaded = (value: string, headers = {}): Promise<Receiver> =>
      receive({ otherwise: { status: 429, headers: { "retry-after": value, ...headers } } });
    const [healthy, hanging, stalling, dripping, resetting, year, yesterday, nonsense, gone] =
      await Promise.all([
        receive(),
        receive({ otherwise: "hang" }),
        receive({ otherwise: "hang" }),
        receive({ otherwise: "drip" }),
        receive({ answers: ["reset", "reset", "reset"] }),
        overloaded("31536000"),
        overloaded(past, { date: "Mon, 30 Nov 2026 10:00:00 GMT" }),
        overloaded("soon, I hope"),
        receive({ otherwise: 410 }),
      ]);
    const rebinding = await receive({ otherwise: "reset" });
    let contacts = 0;
    const metadata = createServer((socket) => {
      contacts += 1;
      socket.destroy();
    }).listen(rebinding.port, METADATA);
    await once(metadata, "listening");
    const redirecting = await receive({
      answers: [
        { status: 302, headers: { location: `http://${METADATA}:${rebinding.port}/latest/` } },
        { status: 307, headers: { location: "http://169.254.169.254/latest/meta-data/" } },
      ],
      otherwise: { status: 308, headers: { location: healthy.url } },
    });
    let lookups = 0;
    const app = await start({
      http: {
        allow: ["127.0.0.0/8"],
        deny: [`${METADATA}/32`],
        allowHttp: true,
        lookup: async () => [lookups++ === 0 ? "127.0.0.1" : METADATA],
      },
    });
    const brief = { settings: { timeoutMs: 1_000 } };
    const patient = { settings: { timeoutMs: 30_000 } };
    const destinations = {
      healthy: [healthy.url, {}],
      hanging: [hanging.url, patient],
      stalling: [stalling.url, brief],
      dripping: [dripping.url, brief],
      resetting: [resetting.url, {}],
      year: [year.url, {}],
      yesterday: [yesterday.url, {}],
      nonsense: [nonsense.url, {}],
      gone: [gone.url, {}],
      redirecting: [redirecting.url, {}],
      rebinding: [`http://rebinding.test:${rebinding.port}/`, {}],
    } as const;
    const ids: Record<string, string> = {};
    for (const [label, [destination, others]] of Object.entries(destinations)) {
      ids[label] = (await subscribe(app, destination, { label, ...others })).id;
    }
    const of = (label: keyof typeof destinations, more: string): string =>
      `subscription_id: ${ids[label]} AND ${more}`;

    const emitted = await emitMany(app, 20);
    await healthy.received(emitted.length, 25_000);
    // Those that hang still do, for 30 s: nobody has waited for them.
    expect(await app.hooks.log.count({ query: of("hanging", "attempt: 1") })).toBe(0);
    expect(hanging.requests.length).toBeGreaterThan(0);

    await attempts(app, of("healthy", "success: true"), emitted.length);
    const [late] = await attempts(app, of("stalling", "error_class: timeout"));
    expect(waitMs(late!)).toBeGreaterThan(60_000);
    await attempts(app, of("dripping", "error_class: timeout"));
    await attempts(app, of("resetting", "error_class: connection_reset"), 3);
    await attempts(app, of("resetting", "success: true"), emitted.length);
    const [inAYear] = await attempts(app, of("year", "error_class: http_429"));
    expect(waitMs(inAYear!)).toBeGreaterThanOrEqual(DAY);
    expect(waitMs(inAYear!)).toBeLessThan(DAY + 60_000);
    for (const label of ["yesterday", "nonsense"] as const) {
      const [soon] = await attempts(app, of(label, "status_code: 429"));
      expect(waitMs(soon!)).toBeGreaterThanOrEqual(60_000);
      expect(waitMs(soon!)).toBeLessThan(120_000);
    }
    await attempts(app, of("gone", "error_class: http_410"));
    const isDisabled = await until(async () => {
      const { disabled } = (await app.hooks.subscriptions.get(ids["gone"]!))!;
      return disabled ?? undefined;
    }, "the end of the subscription");
    expect(isDisabled.kind).toBe("gone");
    await attempts(app, of("redirecting", "error_class: redirect"), emitted.length);
    await attempts(app, of("rebinding", "error_class: blocked_address"));

    // What is read no longer moves, then.
    await app.bus.stop({ graceMs: 100 });
    const { hooks } = await start({ dispatch: false, route: false });
    const arrivals = receivers.flatMap(({ requests }) => requests);
    const wanted = Object.fromEntries(Object.values(ids).map((id) => [id, emitted]));
    expect(await problemsOf(hooks, { emitted: wanted, arrivals })).toEqual([]);
    expect(healthy.requests).toHaveLength(emitted.length);
    expect(contacts).toBe(0);
    // Whatever is not delivered can be seen, as what it is.
    const states = async (label: keyof typeof destinations): Promise<readonly string[]> => {
      const { items } = await hooks.log.deliveries(
        { query: `subscription_id: ${ids[label]}` },
        { limit: 500 },
      );
      return [...new Set(items.map(({ state }) => state))].toSorted();
    };
    expect(await states("resetting")).toEqual(["delivered"]);
    expect(await states("gone")).toEqual(["dead", "paused"]);
    expect(await states("year")).toEqual(["retrying", "waiting"]);
    expect(await states("redirecting")).toEqual(["dead"]);
    metadata.close();
  });

  test("of a subscription that is disabled between attempts are paused, and go on under their ids", async () => {
    const app = await start();
    const { hooks } = app;
    const receiver = await receive({ answers: [500, 500, 500] });
    const { id } = await subscribe(app, receiver.url, { retry: ON_DEMAND });
    const emitted = await emitMany(app, 3);
    await attempts(app, "status_code: 500", 3);
    await hooks.subscriptions.update(id, { enabled: false });
    await makeDue();
    const paused = await hooks.log.deliveries({ query: "status: paused" });
    expect(paused.items.map(({ statusText }) => statusText)).toHaveLength(3);
    expect(await hooks.inspect()).toMatchObject({ waiting: 3, paused: 3 });
    // What comes meanwhile is not kept for it. Another subscription shows that all have looked.
    const other = await receive();
    const { id: otherId } = await subscribe(app, other.url);
    const meanwhile = await emitMany(app, 2);
    await other.received(2);
    expect(receiver.requests).toHaveLength(3);
    await hooks.subscriptions.update(id, { enabled: true });
    await attempts(app, "success: true", 5);
    expect(new Set(receiver.requests.map(({ headers }) => headers["webhook-id"])).size).toBe(3);
    const arrivals = receivers.flatMap(({ requests }) => requests);
    const truth = { emitted: { [id]: emitted, [otherId]: meanwhile }, arrivals };
    expect(await problemsOf(hooks, truth)).toEqual([]);
  });

  test("whose secret and destination change between attempts are signed and sent as the subscription says now", async () => {
    const app = await start();
    const { hooks } = app;
    const [before, after] = [await receive({ answers: [500, 500] }), await receive()];
    after.answer(500);
    const { id, secret: first } = await subscribe(app, before.url, { retry: ON_DEMAND });
    const emitted = await emitMany(app, 1);
    const accepts = async (request: Receiver["requests"][number], secret: string) =>
      createVerifier({ secrets: secret })
        .verify(request.headers as never, request.body)
        .then(
          () => true,
          () => false,
        );

    const original = await before.next();
    await attempts(app, "status_code: 500", 1);
    const { secret: second } = await hooks.subscriptions.rotateSecret(id);
    await makeDue();
    const inGrace = await before.next();
    await attempts(app, "status_code: 500", 2);
    const { secret: third } = await hooks.subscriptions.rotateSecret(id, { graceMs: 0 });
    await hooks.subscriptions.update(id, { destination: after.url });
    await makeDue();
    const moved = await after.next();
    await attempts(app, "status_code: 500", 3);
    await makeDue();
    const last = await after.next();
    await attempts(app, "success: true", 1);

    const signedBy = async (request: Receiver["requests"][number]): Promise<readonly boolean[]> =>
      Promise.all([first, second, third].map((secret) => accepts(request, secret)));
    expect(await signedBy(original)).toEqual([true, false, false]);
    expect(await signedBy(inGrace)).toEqual([true, true, false]);
    // A rotation without a grace ends all secrets before.
    expect(await signedBy(moved)).toEqual([false, false, true]);
    expect(await signedBy(last)).toEqual([false, false, true]);
    const arrivals = [original, inGrace, moved, last];
    expect(new Set(arrivals.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(await problemsOf(hooks, { emitted: { [id]: emitted }, arrivals })).toEqual([]);
  });

  test("of a subscription that is deleted between attempts are cancelled, and the log stays", async () => {
    const app = await start();
    const { hooks } = app;
    const receiver = await receive({ otherwise: 500 });
    const { id } = await subscribe(app, receiver.url, { retry: ON_DEMAND });
    const emitted = await emitMany(app, 3);
    await attempts(app, "status_code: 500", 3);
    await hooks.subscriptions.delete(id);
    await makeDue();
    const other = await receive();
    const otherId = (await subscribe(app, other.url)).id;
    await emitMany(app, 1);
    await attempts(app, `subscription_id: ${otherId} AND success: true`);
    expect(receiver.requests).toHaveLength(3);
    const query = `subscription_id: ${id}`;
    const { items } = await hooks.log.deliveries({ query });
    expect(items.map(({ eventId }) => eventId).toSorted()).toEqual(emitted.toSorted());
    expect(items.every(({ state }) => state === "cancelled")).toBe(true);
    expect(await hooks.log.count({ query: `${query} AND status: cancelled` })).toBe(3);
  });

  test("of a payload of 1 MiB arrive whole at each attempt, and the payload is stored once", async () => {
    const app = await start();
    const receiver = await receive({ answers: [500] });
    const { id, secret } = await subscribe(app, receiver.url);
    const frame = Buffer.byteLength(JSON.stringify({ text: "" }));
    // As long as a payload may be.
    const text = "ü".repeat(1_000).padEnd(1_048_576 - frame - 1_000, "x");
    const emitted = await emitMany(app, 1, "order.placed", { text });
    for (const number of [1, 2]) {
      const request = await receiver.next();
      const { verify } = createVerifier({ secrets: secret });
      const verified = await verify(request.headers as never, request.body);
      expect((verified as { event: { data: { text: string } } }).event.data.text).toBe(text);
      expect(request.number).toBe(number);
    }
    await attempts(app, "success: true");
    const arrivals = receiver.requests;
    expect(await problemsOf(app.hooks, { emitted: { [id]: emitted }, arrivals })).toEqual([]);
    const rows = await database.query("SELECT payload FROM busbar_webhook_attempts");
    expect(rows).toEqual([{ payload: null }, { payload: null }]);
  });

  test("that wait by the thousand for an endpoint that hangs keep no other from being prompt", async () => {
    const app = await start();
    const [hanging, healthy] = [await receive({ otherwise: "hang" }), await receive()];
    const { id } = await subscribe(app, hanging.url, { settings: { timeoutMs: 30_000 } });
    const emitted = await emitMany(app, 2_000);
    await hanging.received(1);
    const waiting = async (): Promise<number> => (await app.hooks.inspect()).waiting;
    await until(async () => (await waiting()) > 1_900, "a backlog");
    const { id: healthyId } = await subscribe(app, healthy.url, { events: ["order.paid"] });
    const paid = await emitMany(app, 100, "order.paid");
    await healthy.received(paid.length, 20_000);
    // No attempt that hangs has ended meanwhile: the time for one is 30 s.
    expect(await app.hooks.log.count({ query: `subscription_id: ${id}` })).toBe(0);
    expect(await waiting()).toBeGreaterThan(1_900);
    await attempts(app, `subscription_id: ${healthyId} AND success: true`, paid.length);
    const arrivals = receivers.flatMap(({ requests }) => requests);
    const truth = { emitted: { [id]: emitted, [healthyId]: paid }, arrivals };
    expect(await problemsOf(app.hooks, truth)).toEqual([]);
  });
});
