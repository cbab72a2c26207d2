import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { BusNoticeName, BusNotices } from "../../src/contract/notices.ts";
import type { Plugin, PluginContext } from "../../src/contract/plugin.ts";
import type { ProviderReport } from "../../src/contract/provider.ts";
import { PermanentError, ReleaseDelivery } from "../../src/errors/errors.ts";
import type { EventBus } from "../../src/event-bus.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
} from "../support/test-bus.ts";

/** What a bus reports, in its order. */
function hear<Name extends BusNoticeName>(
  bus: EventBus,
  ...names: readonly Name[]
): [Name, BusNotices[Name]][] {
  const heard: [Name, BusNotices[Name]][] = [];
  for (const name of names) bus.on(name, (notice) => void heard.push([name, notice]));
  return heard;
}

function namesIn(heard: readonly (readonly [string, unknown])[]): readonly string[] {
  return heard.map(([name]) => name);
}

describe("bus.on", () => {
  test("reports an accepted event, an unwanted event, and a delivery", async () => {
    const { bus } = await startTestBus();
    const heard = hear(bus, "emitted", "unrouted", "delivered");
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    const [wanted] = await bus.emit("order.placed", { card: "4111" });
    const [unwanted] = await bus.emit("order.ignored", 1);
    await bus.settled();
    expect(heard.filter(([name]) => name !== "delivered")).toMatchObject([
      ["emitted", { event: { id: wanted, name: "order.placed" }, subscriptions: 1 }],
      ["emitted", { event: { id: unwanted, name: "order.ignored" }, subscriptions: 0 }],
      ["unrouted", { event: { id: unwanted, name: "order.ignored" } }],
    ]);
    expect(heard.filter(([name]) => name === "delivered")).toMatchObject([
      ["delivered", { subscriberId: "mail", event: { id: wanted }, attempt: 1, durationMs: 0 }],
    ]);
  });

  test("gives an event with its metadata, as handlers see it, and without its data", async () => {
    const { bus, clock } = await startTestBus();
    const heard = hear(bus, "emitted", "delivered");
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    const [id] = await bus.emit({ name: "order.placed", data: 1, metadata: { tenant: "north" } });
    await bus.settled();
    const now = new Date(clock.now());
    for (const [, { event }] of heard) {
      expect(Object.keys(event)).toEqual(["id", "name", "metadata"]);
      expect(event.metadata).toMatchObject({
        tenant: "north",
        correlationId: id,
        created_at: now,
        published_at: now,
      });
    }
    expect(namesIn(heard)).toEqual(["emitted", "delivered"]);
  });

  test("reports each failed run, when the delivery runs again, and its death", async () => {
    const { bus, clock } = await startTestBus();
    const heard = hear(bus, "delivered", "failed", "dead");
    const error = new Error("no connection");
    bus.subscribe("order.placed", () => Promise.reject(error), {
      subscriberId: "mail",
      attempts: 2,
      backoff: 500,
    });
    const [id] = await bus.emit("order.placed", 1);
    await clock.advance(500);
    await bus.settled();
    const of = { subscriberId: "mail", event: { id } };
    expect(heard).toMatchObject([
      ["failed", { ...of, attempt: 1, attempts: 2, error, delayMs: 500, durationMs: 0 }],
      ["failed", { ...of, attempt: 2, attempts: 2, error, delayMs: undefined }],
      ["dead", { ...of, attempt: 2, reason: "failed", error }],
    ]);
  });

  test("reports how long a run took, by the monotonic clock", async () => {
    const { bus, clock } = await startTestBus();
    const gate = createGate();
    const heard = hear(bus, "delivered");
    bus.subscribe("order.placed", () => gate.opened);
    await bus.emit("order.placed", 1);
    await clock.advance(250);
    gate.open();
    await bus.settled();
    expect(heard).toMatchObject([["delivered", { durationMs: 250 }]]);
  });

  test("reports the end of a run that began before the first listener, but not how long it took", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    bus.subscribe("order.placed", () => gate.opened);
    await bus.emit("order.placed", 1);
    await setImmediate();
    const heard = hear(bus, "delivered");
    gate.open();
    await bus.settled();
    expect(heard).toMatchObject([["delivered", { durationMs: undefined }]]);
  });

  test("reports why a delivery is dead", async () => {
    const { bus } = await startTestBus();
    const heard = hear(bus, "failed", "dead");
    bus.subscribe("order.placed", () => {
      throw new PermanentError("no such address");
    });
    await bus.emit("order.placed", 1, { attempts: 5 });
    await bus.settled();
    expect(heard).toMatchObject([
      ["failed", { attempts: 5, delayMs: undefined }],
      ["dead", { reason: "permanent" }],
    ]);
  });

  test("reports a delivery that died because the process crashed with it", async () => {
    const { bus } = createTestBus({
      provider: providerLike(memoryProvider(), {
        consume: async ({ subscriptionId: name }, deliver) => {
          const metadata = { created_at: 1, published_at: 2, correlationId: "e" };
          await deliver({ envelope: { id: "e", name, data: 1, metadata }, crashes: 6 });
          return { close: async () => {} };
        },
      }),
    });
    const heard = hear(bus, "failed", "dead");
    bus.subscribe("mail", () => {}, { subscriberId: "mail" });
    await bus.start();
    expect(heard).toMatchObject([["dead", { subscriberId: "mail", reason: "crashed" }]]);
  });

  test("reports which deliveries are released, and why", async () => {
    const { bus, clock } = await startTestBus();
    const heard = hear(bus, "released", "failed");
    let runs = 0;
    bus.subscribe("later", () => {
      runs += 1;
      if (runs === 1) throw new ReleaseDelivery("not now", { delayMs: 30 });
    });
    bus.subscribe(
      "slow",
      (_event, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("cut short")));
        }),
    );
    await bus.emit("later", 1);
    await clock.advance(30);
    await bus.emit("slow", 1);
    await setImmediate();
    await bus.stop({ graceMs: 0 });
    await setImmediate();
    expect(heard).toMatchObject([
      ["released", { event: { name: "later" }, attempt: 1, reason: "requested", delayMs: 30 }],
      ["released", { event: { name: "slow" }, reason: "shutdown", delayMs: undefined }],
    ]);
  });

  test("reports the events of a group when the group is released", async () => {
    const { bus } = await startTestBus();
    const heard = hear(bus, "emitted");
    const [id] = await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    expect(heard).toEqual([]);
    await bus.releaseGroupedEvents("g");
    expect(heard).toMatchObject([["emitted", { event: { id }, subscriptions: 0 }]]);
  });

  test("reports the start and stop of the bus, and what the provider reports, with the cause", async () => {
    let report: ((report: ProviderReport) => void) | undefined;
    const inner = memoryProvider();
    const { bus } = createTestBus({
      provider: providerLike(inner, {
        start: (context) => {
          ({ report } = context);
          return inner.start(context);
        },
      }),
    });
    const heard = hear(bus, "state");
    await bus.start();
    const cause = new Error("connect ECONNREFUSED");
    report?.({ type: "state", state: "down", cause });
    report?.({ type: "state", state: "down", cause });
    report?.({ type: "state", state: "degraded" });
    report?.({ type: "state", state: "ready" });
    await bus.stop();
    const provider = "memory";
    expect(heard.map(([, notice]) => notice)).toMatchObject([
      { status: "up", provider },
      { status: "down", provider, detail: cause.message, cause: { message: cause.message } },
      { status: "degraded", provider, cause: undefined },
      { status: "up", provider },
      { status: "down", provider, detail: "has stopped" },
    ]);
  });

  test("reports what health() finds", async () => {
    let ok = true;
    const { bus } = await startTestBus({
      provider: providerLike(memoryProvider(), {
        probe: async () => (ok ? { ok } : Promise.reject(new Error("no answer"))),
      }),
    });
    const heard = hear(bus, "state");
    ok = false;
    await bus.health();
    await bus.health();
    expect(heard).toMatchObject([["state", { status: "degraded", detail: "no answer" }]]);
  });

  test("reports each subscription that no process declares, once", async () => {
    const inner = memoryProvider();
    const orphan = {
      subscriptionId: "gone",
      events: ["order.placed"],
      aliases: [],
      ordering: "none",
      onOrderedFailure: "park",
      lastSeenAt: 5,
      orphaned: true,
      withheld: 3,
    } as const;
    const { bus, clock } = createTestBus({
      provider: providerLike(inner, {
        capabilities: { ...inner.capabilities, durable: true },
        subscriptions: {
          declare: async () => {},
          retire: async () => 0,
          list: async () => [orphan],
        },
      }),
    });
    const heard = hear(bus, "orphaned");
    const reported = new Promise<void>((resolve) => bus.on("orphaned", () => resolve()));
    await bus.start();
    await clock.advance(60_000);
    await reported;
    await clock.advance(60_000);
    expect(heard).toEqual([
      ["orphaned", { subscriberId: "gone", lastSeenAt: new Date(5), withheld: 3 }],
    ]);
  });

  test("returns a function that ends it, also while listeners are being called", async () => {
    const { bus } = await startTestBus();
    const heard: string[] = [];
    const ends = [
      bus.on("emitted", () => {
        heard.push("first");
        ends.forEach((end) => end());
      }),
      bus.on("emitted", () => void heard.push("second")),
    ];
    await bus.emit("a", 1);
    await bus.emit("a", 2);
    ends[0]?.();
    expect(heard).toEqual(["first"]);
  });

  test("calls a function that was added twice two times, and ends each by itself", async () => {
    const { bus } = await startTestBus();
    let calls = 0;
    const listener = (): void => void (calls += 1);
    const end = bus.on("emitted", listener);
    bus.on("emitted", listener);
    await bus.emit("a", 1);
    end();
    await bus.emit("a", 2);
    expect(calls).toBe(3);
  });

  test("a listener that throws or rejects hurts nobody, and is warned of once", async () => {
    const { bus, logger } = await startTestBus();
    const heard = hear(bus, "delivered");
    const hostile = {
      // oxlint-disable-next-line unicorn/no-thenable
      get then(): never {
        throw new Error("then");
      },
    };
    bus.on("emitted", () => {
      throw new Error("sync");
    });
    bus.on("emitted", () => Promise.reject(new Error("async")));
    bus.on("emitted", () => hostile as unknown as Promise<void>);
    bus.on("delivered", () => Promise.reject(new Error("later")));
    bus.subscribe("a", () => {});
    for (const data of [1, 2, 3]) await bus.emit("a", data);
    await bus.settled();
    await setImmediate();
    expect(heard).toHaveLength(3);
    const warnings = logger.at("warn").map(({ fields }) => (fields["err"] as Error).message);
    expect(warnings.toSorted()).toEqual(["async", "later", "sync", "then"]);
  });

  test("a listener cannot change what others get", async () => {
    const { bus, logger } = await startTestBus();
    bus.on("emitted", (notice) => {
      (notice as { subscriptions: number }).subscriptions = 99;
    });
    const heard = hear(bus, "emitted");
    await bus.emit("a", 1);
    expect(heard).toMatchObject([["emitted", { subscriptions: 0 }]]);
    expect(logger.at("warn")).toHaveLength(1);
  });

  test("a listener may emit", async () => {
    const { bus } = await startTestBus();
    const heard = hear(bus, "emitted");
    bus.on("dead", async ({ event }) => void (await bus.emit("ops.dead", { id: event.id })));
    bus.subscribe("a", () => Promise.reject(new Error("no")), { subscriberId: "mail" });
    const [id] = await bus.emit("a", 1);
    await bus.settled();
    expect(heard.map(([, { event }]) => event.name)).toEqual(["a", "ops.dead"]);
    expect(heard[1]?.[1].event.metadata.correlationId).not.toBe(id);
  });

  test("refuses names that it does not have, and listeners that are no functions", () => {
    const { bus } = createTestBus();
    expect(() => bus.on("died" as "dead", () => {})).toThrow(
      /"emitted", "unrouted", .* or "state"/,
    );
    expect(() => bus.on("dead", undefined as never)).toThrow(TypeError);
  });

  test("a plugin listens by its context, to what it publishes as well", async () => {
    let context: PluginContext | undefined;
    const plugin: Plugin = { name: "relay", start: (given) => void (context = given) };
    const { bus } = await startTestBus({ plugins: [plugin] });
    const ids: string[] = [];
    context?.on("emitted", ({ event }) => void ids.push(event.id));
    const metadata = { created_at: 1, published_at: 2, correlationId: "c" };
    await context?.publishEnvelopes([{ id: "relayed", name: "a", data: 1, metadata }]);
    await bus.emit({ name: "a", data: 1, id: "emitted" });
    expect(ids).toEqual(["relayed", "emitted"]);
  });
});
