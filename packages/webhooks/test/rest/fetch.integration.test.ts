import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";
import { type Receiver, startReceiver } from "../../src/testing/receiver.ts";
import { webhooks, type WebhooksOptions } from "../../src/webhooks.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { until } from "../support/until.ts";

const TOKEN = "a-token-of-the-tests-0123456789";

/** An answer of the interface, whatever it is about. */
interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- each test knows the shape that it looks at
  readonly body: any;
}

describe.each(databases)("hooks.fetch on %s", (_, createDatabase) => {
  let database: TestDatabase;
  let receiver: Receiver;
  let bus: EventBus | undefined;

  beforeEach(async () => {
    bus = undefined;
    database = await createDatabase();
    receiver = await startReceiver();
  });

  afterEach(async () => {
    await bus?.stop();
    await receiver.close();
    await database.close();
  });

  function create(rest: WebhooksOptions["rest"], more: Partial<WebhooksOptions> = {}) {
    const hooks = webhooks({
      events: defineAsyncEvents({ "sales.order.created": {} }),
      store: database.createStore(),
      encryptionKeys: [{ id: "2026-11", key: Buffer.alloc(32, 7) }],
      http: { allow: ["127.0.0.0/8"], allowHttp: true },
      rest,
      ...more,
    });
    bus = createEventBus({ provider: localProvider(), plugins: [hooks], logger: false });
    const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
      const response = await hooks.fetch(
        new Request(`http://shop.example${path}`, {
          method,
          headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
          body: body === undefined ? null : JSON.stringify(body),
        }),
      );
      return { status: response.status, body: await response.json() };
    };
    return { hooks, ask, bus };
  }

  test("shows the health of endpoints", async () => {
    const { hooks, bus, ask } = create(
      { tokens: [{ token: TOKEN, name: "erp", permissions: ["webhooks"] }] },
      { dispatch: { breaker: { openAfter: 1 } } },
    );
    await bus.start();
    const { body: subscription } = await ask("POST", "/subscriptions", {
      events: ["sales.order.*"],
      destination: receiver.url,
    });
    const path = `/subscriptions/${subscription.id}/endpoint`;
    const healthy = { subscriptionId: subscription.id, breaker: "closed", failures: 0, waiting: 0 };
    expect(await ask("GET", path)).toMatchObject({ status: 200, body: healthy });
    expect(await ask("GET", "/endpoints/failing")).toMatchObject({ body: { items: [] } });

    receiver.answer({ status: 503, headers: { "retry-after": "60" } });
    await hooks.publish("sales.order.created", { id: "42" });
    const failing = await until(async () => {
      const { body } = await ask("GET", "/endpoints/failing");
      return body.items[0];
    }, "the failing endpoint");
    expect(failing).toMatchObject({ breaker: "open", failures: 1, waiting: 1, running: 0 });
    for (const time of [failing.openUntil, failing.restsUntil]) {
      expect(Date.parse(time)).toBeGreaterThan(Date.parse(failing.failingSince));
    }
    expect((await ask("GET", path)).body).toEqual(failing);
  });

  test("serves a second interface with callers and a path of its own", async () => {
    const { hooks, bus } = create({ tokens: [{ token: TOKEN, name: "erp", permissions: [] }] });
    const callers = new WeakMap<Request, string>();
    const handle = hooks.handler({
      basePath: "/board",
      authenticate: (request) => {
        const name = callers.get(request);
        return name === undefined ? undefined : { name, permissions: ["webhooks"] };
      },
    });
    const ask = (caller?: string): Promise<Response> => {
      const request = new Request("http://shop.example/board/subscriptions");
      if (caller !== undefined) callers.set(request, caller);
      return handle(request);
    };
    expect((await ask("ada")).status).toBe(503);
    await bus.start();
    expect((await ask("ada")).status).toBe(200);
    expect((await ask()).status).toBe(401);
    expect(() =>
      hooks.handler({ tokens: [{ token: "short", name: "x", permissions: [] }] }),
    ).toThrow(/at least 16/);
    expect(() => hooks.handler({ base: "/x" } as never)).toThrow(/handler\(\)/);
  });

  test("subscribes, finds the delivery in the log, shows its trace, and replays it", async () => {
    const tokens = [{ token: TOKEN, name: "erp", permissions: ["webhooks"] }];
    const { hooks, bus, ask } = create({ tokens, basePath: "/webhooks" });
    await bus.start();
    const created = await ask("POST", "/webhooks/subscriptions", {
      events: ["sales.order.*"],
      destination: receiver.url,
    });
    expect(created).toMatchObject({ status: 201, body: { createdBy: "erp" } });
    await hooks.publish("sales.order.created", { id: "42", items: [{ sku: "CK-1" }] });
    const { headers } = await receiver.next();

    const query = encodeURIComponent("data.items.sku: CK* AND success: true");
    const found = await until(async () => {
      const { body } = await ask("GET", `/webhooks/deliveries?query=${query}`);
      return body.items[0];
    }, "the delivery in the log");
    expect(found).toMatchObject({ id: headers["webhook-id"], statusText: "Delivered" });
    const trace = await ask("GET", `/webhooks/deliveries/${found.id}`);
    expect(trace.body).toMatchObject({
      payload: { id: "42" },
      attempts: [{ status: 200, trigger: "first" }],
    });

    const replayed = await ask("POST", `/webhooks/deliveries/${found.id}/replay`);
    expect(replayed.status).toBeLessThan(300);
    expect((await receiver.next()).headers["webhook-id"]).toBe(headers["webhook-id"]);
  });

  test("answers 401 to everybody unless it is told who may call", async () => {
    const { bus, ask } = create(undefined);
    await bus.start();
    expect(await ask("GET", "/subscriptions")).toMatchObject({ status: 401 });
  });

  test("answers 503 before the bus has started and after it has stopped", async () => {
    const { bus, ask } = create(undefined);
    const unavailable = { status: 503, body: { type: "urn:busbar:problem:unavailable" } };
    expect(await ask("GET", "/subscriptions")).toMatchObject(unavailable);
    await bus.start();
    await bus.stop();
    expect(await ask("GET", "/subscriptions")).toMatchObject(unavailable);
  });

  test("refuses a token that anybody could guess at once", () => {
    const tokens = [{ token: "short", name: "erp", permissions: ["webhooks"] }];
    expect(() => create({ tokens })).toThrow(/token/);
  });
});
