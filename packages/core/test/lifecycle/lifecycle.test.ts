import { describe, expect, test } from "vitest";
import { BusbarError } from "../../src/errors/errors.ts";
import type { EventProvider, ProviderContext } from "../../src/contract/provider.ts";
import {
  createGate,
  createTestBus,
  type Gate,
  memoryProvider,
  providerLike,
  startTestBus,
} from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";

describe("before start", () => {
  test("emit, and what else needs a running bus, rejects with a TypeError", async () => {
    const { bus } = createTestBus();
    bus.subscribe("order.placed", () => {}, { subscriberId: "s" });
    for (const call of [
      () => bus.emit("order.placed", null),
      () => bus.emit([]),
      () => bus.releaseGroupedEvents("g"),
      () => bus.clearGroupedEvents("g"),
      () => bus.retire("s"),
      () => bus.settled(),
      () => bus.inspect(),
      () => bus.deadLetters.list(),
    ]) {
      await expect(call()).rejects.toThrow(TypeError);
    }
    await expect(bus.emit("order.placed", null)).rejects.toThrow(
      "Call start() and wait for it before emit()",
    );
  });

  test("emit while the bus starts is a TypeError, too", async () => {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      start: async (context) => {
        await gate.opened;
        await inner.start(context);
      },
    });
    const { bus } = createTestBus({ provider });
    const start = bus.start();
    await expect(bus.emit("order.placed", null)).rejects.toThrow(TypeError);
    gate.open();
    await start;
    expect(await bus.emit("order.placed", null)).toHaveLength(1);
  });

  test("stop resolves, and the bus cannot start any more", async () => {
    const { bus } = createTestBus();
    await bus.stop();
    await bus.stop();
    await expect(bus.start()).rejects.toThrow(TypeError);
    await expect(bus.emit("order.placed", null)).rejects.toMatchObject({
      code: "BUSBAR_NOT_RUNNING",
    });
  });

  test("a subscription may be paused: it consumes nothing until it is resumed", async () => {
    const { bus } = createTestBus();
    const seen = collect(bus);
    await bus.pause("collector");
    await bus.start();
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen.data).toEqual([]);
    await bus.resume("collector");
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });

  test("a subscription may be paused and resumed", async () => {
    const { bus } = createTestBus();
    const seen = collect(bus);
    await bus.pause("collector");
    await bus.resume("collector");
    await bus.start();
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });
});

describe("start", () => {
  test("twice is one start", async () => {
    let starts = 0;
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      start: async (context) => {
        starts += 1;
        await inner.start(context);
      },
    });
    const { bus } = createTestBus({ provider });
    await Promise.all([bus.start(), bus.start()]);
    await bus.start();
    expect(starts).toBe(1);
  });

  test("after stop is a TypeError", async () => {
    const { bus } = await startTestBus();
    await bus.stop();
    await expect(bus.start()).rejects.toThrow(TypeError);
  });

  test("that fails rejects with BUSBAR_UNAVAILABLE and the cause, and stops the provider", async () => {
    const cause = new Error("ECONNREFUSED");
    const stops: unknown[] = [];
    const provider = createMinimalProvider({
      start: () => Promise.reject(cause),
      stop: async (options) => void stops.push(options),
    });
    const { bus, clock } = createTestBus({ provider });
    const start = bus.start();
    await expect(start).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { provider: "minimal" },
      cause,
    });
    await expect(start).rejects.toThrow("ECONNREFUSED");
    expect(stops).toEqual([{ graceMs: 0 }]);
    expect(clock.pendingTimers()).toBe(0);
    await expect(bus.start()).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
    await expect(bus.emit("order.placed", 1)).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
    await bus.stop();
    expect(stops).toHaveLength(1);
  });

  test("rejects with a copy of the provider's own error, when it is a BusbarError", async () => {
    const error = new BusbarError("BUSBAR_INVALID_CONFIG", "no such database", { issues: [] });
    const provider = createMinimalProvider({ start: () => Promise.reject(error) });
    await expect(createTestBus({ provider }).bus.start()).rejects.toMatchObject({
      code: error.code,
      message: error.message,
      details: error.details,
    });
  });

  test("says why it failed, also when the provider cannot be stopped after that", async () => {
    const cause = new Error("ECONNREFUSED");
    const provider = createMinimalProvider({
      start: () => Promise.reject(cause),
      stop: () => Promise.reject(new Error("was never open")),
    });
    const { bus, logger } = createTestBus({ provider });
    await expect(bus.start()).rejects.toMatchObject({ cause });
    expect(logger.at("error")).toHaveLength(1);
  });

  test.each(["declare", "consume"])("rejects when the provider cannot %s", async (method) => {
    const cause = new Error("not allowed");
    const inner = memoryProvider();
    const fail = () => Promise.reject(cause);
    const provider = providerLike(inner, {
      ...(method === "consume" && { consume: fail }),
      ...(method === "declare" && { subscriptions: { ...inner.subscriptions, declare: fail } }),
    });
    const { bus, clock } = createTestBus({ provider });
    collect(bus);
    await expect(bus.start()).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE", cause });
    expect(clock.pendingTimers()).toBe(0);
  });

  test("that fails stops the plugins that have started, the last one first, and then the provider", async () => {
    const steps: string[] = [];
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      start: async (context) => {
        steps.push("provider starts");
        await inner.start(context);
      },
      stop: async (options) => {
        steps.push("provider stops");
        await inner.stop(options);
      },
    });
    const error = new Error("no table");
    const plugins = ["a", "b", "c", "d"].map((name) => ({
      name,
      start: () => {
        steps.push(`${name} starts`);
        if (name === "c") throw error;
      },
      stop: () => void steps.push(`${name} stops`),
    }));
    await expect(createTestBus({ provider, plugins }).bus.start()).rejects.toThrow(error.message);
    expect(steps).toEqual([
      "provider starts",
      "a starts",
      "b starts",
      "c starts",
      "b stops",
      "a stops",
      "provider stops",
    ]);
  });

  test("with a subscribe while it starts consumes each event once, within its concurrency", async () => {
    const { bus } = createTestBus({
      plugins: [
        {
          name: "subscribes",
          start: ({ bus: own }) => {
            own.subscribe("order.placed", handle, { subscriberId: "s", concurrency: 1 });
          },
        },
      ],
    });
    const gate = createGate();
    const seen: unknown[] = [];
    async function handle({ data }: { data: unknown }): Promise<void> {
      seen.push(data);
      await gate.opened;
    }
    await bus.start();
    await bus.emit([1, 2, 3].map((data) => ({ name: "order.placed", data })));
    await idle();
    expect(seen).toEqual([1]);
    gate.open();
    await bus.settled();
    expect(seen).toEqual([1, 2, 3]);
  });

  test("with a subscribe before the provider has started warns of nothing, and delays no emit", async () => {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      start: async (context) => {
        await gate.opened;
        await inner.start(context);
      },
    });
    const { bus, logger } = createTestBus({ provider });
    const start = bus.start();
    const seen = collect(bus);
    await idle();
    gate.open();
    await start;
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(seen.data).toEqual([1]);
    expect(logger.at("warn")).toEqual([]);
  });
});

describe("several buses", () => {
  test("share nothing", async () => {
    const a = await startTestBus();
    const b = await startTestBus();
    const seen = { a: collect(a.bus), b: collect(b.bus) };
    a.bus.addInterceptor((event) => ({ ...event, data: `a: ${String(event.data)}` }));
    a.bus.use(async (_, next) => next());
    await a.bus.emit({ name: "x", data: 1, metadata: { eventGroupId: "g" } });
    await b.bus.releaseGroupedEvents("g");
    await b.bus.emit("order.placed", 2);
    await Promise.all([a.bus.settled(), b.bus.settled()]);
    expect([seen.a.data, seen.b.data]).toEqual([[], [2]]);
    await a.bus.releaseGroupedEvents("g");
    await a.bus.settled();
    expect([seen.a.data, seen.b.data]).toEqual([["a: 1"], [2]]);
    await a.bus.stop();
    await b.bus.emit("order.placed", 3);
    await b.bus.settled();
    expect(seen.b.data).toEqual([2, 3]);
    expect((await b.bus.inspect()).counters).toMatchObject({ emitted: 2 });
  });

  test("a handler of one bus may emit on another, whose room it waits for as anybody", async () => {
    const a = await startTestBus();
    const b = await startTestBus();
    const seen = collect(b.bus);
    a.bus.subscribe("order.placed", async ({ data }) => void (await b.bus.emit("copied", data)));
    const [id] = await a.bus.emit("order.placed", 1);
    await a.bus.settled();
    await b.bus.settled();
    expect(seen.events).toMatchObject([{ data: 1, metadata: { causationId: id } }]);
    const stop = b.bus.stop();
    a.bus.subscribe("late", () => b.bus.emit("copied", 2).then(() => {}), { subscriberId: "late" });
    await a.bus.emit("late", 2);
    await a.bus.settled();
    await stop;
    const { items } = await a.bus.deadLetters.list();
    expect(items[0]?.errors).toMatchObject([{ code: "BUSBAR_NOT_RUNNING" }]);
  });
});

describe("a provider that is away", () => {
  /** Reports what it is told, and starts, publishes and declares when the gate opens. */
  function awayProvider(): { readonly provider: EventProvider; readonly gate: Gate } {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true },
      async start(context) {
        const cause = new Error("connect ECONNREFUSED 10.0.0.7:6379");
        context.report({ type: "state", state: "connecting", server: "redis.internal:6379" });
        context.report({ type: "state", state: "down", cause });
        await gate.opened;
        await inner.start(context);
      },
    });
    return { provider, gate };
  }

  test("is what start says that it waits for, after a second", async () => {
    const { provider, gate } = awayProvider();
    const { bus, clock, logger } = createTestBus({ provider, name: "shop" });
    const started = bus.start();
    await clock.advance(999);
    expect(logger.at("warn").map(({ message }) => message)).toEqual([
      'Provider "memory" (redis.internal:6379) is down',
    ]);
    await clock.advance(1);
    expect(logger.at("warn").slice(1)).toEqual([
      {
        level: "warn",
        message: 'The start waits for provider "memory" (redis.internal:6379) to start',
        fields: {
          bus: "shop",
          server: "redis.internal:6379",
          err: new Error("connect ECONNREFUSED 10.0.0.7:6379"),
        },
      },
    ]);
    await clock.advance(60_000);
    expect(logger.at("warn")).toHaveLength(2);
    gate.open();
    await started;
  });

  test("a plugin that takes long is named as well", async () => {
    const gate = createGate();
    const plugin = { name: "outbox", start: () => gate.opened };
    const { bus, clock, logger } = createTestBus({ plugins: [plugin] });
    const started = bus.start();
    await clock.advance(1_000);
    expect(logger.at("warn").map(({ message }) => message)).toEqual([
      'The start waits for plugin "outbox" to start',
    ]);
    gate.open();
    await started;
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("is named with its reason by an emit that ran out of time", async () => {
    let report: ProviderContext["report"] = () => {};
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      async start(context) {
        ({ report } = context);
        await inner.start(context);
      },
      publish: () => new Promise(() => {}),
    });
    const { bus, clock } = await startTestBus({ provider });
    report({
      type: "state",
      state: "down",
      cause: new Error("connect ECONNREFUSED 10.0.0.7:6379"),
    });
    const failed = expect(bus.emit("order.placed", 1)).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      message: expect.stringContaining(
        'Provider "memory", which is down (connect ECONNREFUSED 10.0.0.7:6379), ',
      ) as string,
    });
    await clock.advance(10_000);
    await failed;
  });
});
