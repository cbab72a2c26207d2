import { describe, expect, test } from "vitest";
import { definePlugin, type Plugin, type PluginContext } from "../../src/contract/plugin.ts";
import type { Envelope } from "../../src/contract/provider.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
} from "../support/test-bus.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";

function keepContext(name = "keeper"): { plugin: Plugin; context(): PluginContext } {
  let kept: PluginContext | undefined;
  const plugin = definePlugin({ name, start: (context) => void (kept = context) });
  const context = (): PluginContext => {
    if (!kept) throw new Error("has not started");
    return kept;
  };
  return { plugin, context };
}

const envelope: Envelope = {
  id: "from-outbox",
  name: "order.placed",
  data: { total: 1 },
  metadata: { created_at: 1, published_at: 2, correlationId: "c", tenant: "t" },
};

describe("plugins", () => {
  test("are told the role of the process", async () => {
    const { plugin, context } = keepContext();
    await startTestBus({ plugins: [plugin], role: "tool" });
    expect(context().role).toBe("tool");
  });

  test("find each other, as the application made them", async () => {
    const { plugin, context } = keepContext();
    const other = { name: "other", count: 3 };
    const { bus } = await startTestBus({ plugins: [plugin, other] });
    expect(context().plugins).toEqual([plugin, other]);
    expect(context().plugins[1]).toBe(other);
    await bus.stop();
  });

  test("start after the provider, in order, and stop before it, in reverse", async () => {
    const steps: string[] = [];
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      start: async (context) => {
        await inner.start(context);
        steps.push("provider starts");
      },
      stop: async (options) => {
        steps.push("provider stops");
        await inner.stop(options);
      },
    });
    const plugin = (name: string): Plugin => ({
      name,
      start: async () => {
        await idle();
        steps.push(`${name} starts`);
      },
      stop: async () => {
        await idle();
        steps.push(`${name} stops`);
      },
    });
    const { bus } = await startTestBus({
      provider,
      plugins: [plugin("a"), { name: "without" }, plugin("b")],
    });
    await bus.stop();
    expect(steps).toEqual([
      "provider starts",
      "a starts",
      "b starts",
      "b stops",
      "a stops",
      "provider stops",
    ]);
  });

  test("get the container of the bus, which explains itself where there is none", async () => {
    const { plugin, context } = keepContext();
    const services = { resolve: (name: string | symbol) => `the ${String(name)}` as never };
    await startTestBus({ plugins: [plugin], container: services });
    expect(context().container.resolve("mailer")).toBe("the mailer");

    const bare = keepContext();
    await startTestBus({ plugins: [bare.plugin] });
    expect(() => bare.context().container.resolve("mailer")).toThrow(
      "the bus was made without a container",
    );
  });

  test.each(["stop", "stopped"] as const)(
    "one whose %s does not end keeps nothing else from stopping",
    async (step) => {
      const steps: string[] = [];
      const inner = memoryProvider();
      const { bus, clock, logger } = await startTestBus({
        provider: providerLike(inner, {
          stop: async (options) => {
            steps.push("provider stops");
            await inner.stop(options);
          },
        }),
        plugins: [
          { name: "other", [step]: () => void steps.push("other") },
          { name: "hanging", [step]: () => new Promise<void>(() => {}) },
        ],
      });
      const stopping = bus.stop({ graceMs: 5_000 }).then(() => steps.push("all"));
      await clock.advance(4_999);
      expect(steps).not.toContain("other");
      await clock.advance(2_000);
      await stopping;
      expect(steps.toSorted()).toEqual(["all", "other", "provider stops"]);
      expect(logger.at("error")).toMatchObject([{ fields: { plugin: "hanging", step } }]);
      expect(clock.pendingTimers()).toBe(0);
    },
  );

  test("one that records something as it stops has a second, even without grace", async () => {
    const gate = createGate();
    let hasRecorded = false;
    const { bus, clock, logger } = await startTestBus({
      plugins: [
        {
          name: "recorder",
          stopped: async () => {
            await gate.opened;
            hasRecorded = true;
          },
        },
      ],
    });
    const stopping = bus.stop({ graceMs: 0 });
    await clock.advance(999);
    gate.open();
    await stopping;
    expect(hasRecorded).toBe(true);
    expect(logger.at("error")).toEqual([]);
  });

  test("what a plugin publishes from its start on reaches every subscription, those of later plugins too", async () => {
    const gate = createGate();
    const seen: string[] = [];
    const results: unknown[] = [];
    const { bus } = createTestBus({
      plugins: [
        {
          name: "relay",
          start: ({ publishEnvelopes }) => {
            void publishEnvelopes([envelope]).then((result) => results.push(...result));
          },
        },
        {
          name: "webhooks",
          start: async ({ bus: own }) => {
            await gate.opened;
            own.subscribe("order.placed", () => void seen.push("webhooks"), { subscriberId: "w" });
          },
        },
      ],
    });
    bus.subscribe("order.placed", () => void seen.push("application"), { subscriberId: "a" });
    const start = bus.start();
    await idle();
    expect(seen).toEqual([]);
    gate.open();
    await start;
    await idle();
    expect(results).toEqual([{ status: "accepted", subscriptions: 2 }]);
    expect(seen.toSorted()).toEqual(["application", "webhooks"]);
  });

  test("what a plugin publishes after a subscribe waits for its declaration", async () => {
    const { plugin, context } = keepContext();
    const { bus } = await startTestBus({ plugins: [plugin] });
    const seen = collect(bus);
    await context().publishEnvelopes([envelope]);
    await bus.settled();
    expect(seen.data).toEqual([{ total: 1 }]);
  });

  test("one that awaits in its start what only comes after it makes the start fail, not hang", async () => {
    const { bus, clock } = createTestBus({
      plugins: [
        {
          name: "impatient",
          start: async ({ publishEnvelopes }) => void (await publishEnvelopes([envelope])),
        },
      ],
    });
    const start = expect(bus.start()).rejects.toMatchObject({ code: "BUSBAR_EMIT_TIMEOUT" });
    await clock.advance(10_000);
    await start;
  });

  test("get what is left of the period of grace", async () => {
    const graces: [string, number][] = [];
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      stop: (options) => {
        graces.push(["provider", options.graceMs]);
        return inner.stop(options);
      },
    });
    const { bus, clock } = await startTestBus({
      provider,
      plugins: [
        { name: "first", stop: ({ graceMs }) => void graces.push(["first", graceMs]) },
        {
          name: "last",
          stop: async ({ graceMs }) => {
            graces.push(["last", graceMs]);
            await gate.opened;
          },
        },
      ],
    });
    const stop = bus.stop({ graceMs: 5000 });
    await clock.advance(2000);
    gate.open();
    await stop;
    expect(graces).toEqual([
      ["last", 5000],
      ["first", 3000],
      ["provider", 3000],
    ]);
  });

  test("one that cannot stop is logged, and everything else stops all the same", async () => {
    const steps: string[] = [];
    const inner = memoryProvider();
    const { bus, logger } = await startTestBus({
      provider: providerLike(inner, {
        stop: (options) => {
          steps.push("provider");
          return inner.stop(options);
        },
      }),
      plugins: [
        { name: "fine", stop: () => void steps.push("fine") },
        { name: "broken", stop: () => Promise.reject(new Error("no")) },
        {
          name: "thrower",
          stop: () => {
            throw new Error("no");
          },
        },
      ],
    });
    await bus.stop();
    expect(steps).toEqual(["fine", "provider"]);
    expect(logger.at("error").map(({ fields }) => fields["plugin"])).toEqual(["thrower", "broken"]);
  });

  test("publishEnvelopes publishes as they are: the same id, no interceptors, no validation", async () => {
    const { plugin, context } = keepContext();
    const { bus } = await startTestBus({ plugins: [plugin] });
    const seen = collect(bus, { subscriberId: "s" }, "order.placed");
    bus.addInterceptor(() => null);
    const unwanted = { ...envelope, id: "2", name: "nobody wants this" };
    expect(await context().publishEnvelopes([envelope, unwanted])).toEqual([
      { status: "accepted", subscriptions: 1 },
      { status: "accepted", subscriptions: 0 },
    ]);
    await bus.settled();
    expect(seen.events).toEqual([
      {
        id: "from-outbox",
        name: "order.placed",
        data: { total: 1 },
        metadata: {
          createdAt: new Date(1),
          created_at: new Date(1),
          publishedAt: new Date(2),
          published_at: new Date(2),
          correlationId: "c",
          tenant: "t",
        },
      },
    ]);
    expect((await bus.inspect()).counters).toMatchObject({
      emitted: 2,
      unrouted: 1,
      intercepted: 0,
    });
  });

  test("publishEnvelopes resolves with refusals, and rejects as an emit does when nothing is known", async () => {
    const inner = memoryProvider();
    const { plugin, context } = keepContext();
    let isDown = false;
    const { bus } = await startTestBus({
      plugins: [plugin],
      provider: providerLike(inner, {
        publish: async () => {
          if (isDown) throw new Error("down");
          return [{ status: "rejected", code: "refused", reason: "no" }];
        },
      }),
    });
    expect(await context().publishEnvelopes([envelope])).toMatchObject([{ status: "rejected" }]);
    isDown = true;
    await expect(context().publishEnvelopes([envelope])).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { unknown: ["from-outbox"] },
    });
    expect((await bus.inspect()).counters.emitted).toBe(0);
  });

  test("have the bus and its logger", async () => {
    const { plugin, context } = keepContext();
    const { bus, logger } = await startTestBus({ plugins: [plugin] });
    expect(context().bus).toBe(bus);
    context().logger.warn({ plugin: "test" }, "written by a plugin");
    expect(logger.lines).toContainEqual({
      level: "warn",
      fields: { plugin: "test" },
      message: "written by a plugin",
    });
  });

  test("middleware of plugins runs within that of the options, and outside that of use()", async () => {
    const steps: string[] = [];
    const wrap = (name: string) => async (_: unknown, next: () => Promise<void>) => {
      steps.push(`${name} begins`);
      await next();
      steps.push(`${name} ends`);
    };
    const { bus } = createTestBus({
      middleware: [wrap("option")],
      plugins: [{ name: "p", middleware: wrap("plugin") }, { name: "q" }],
    });
    bus.use(wrap("use"));
    bus.subscribe("a", () => void steps.push("handler"));
    await bus.start();
    await bus.emit("a", null);
    await bus.settled();
    expect(steps).toEqual([
      "option begins",
      "plugin begins",
      "use begins",
      "handler",
      "use ends",
      "plugin ends",
      "option ends",
    ]);
  });

  test("a plugin's own staging of groups goes before the provider's and the bus's", async () => {
    const { plugin, context } = keepContext();
    const staging = new MemoryGroupStaging({
      clock: createManualClock(),
      publish: (batch) => context().publishEnvelopes(batch),
    });
    const inner = memoryProvider();
    const unused = new MemoryGroupStaging({ clock: createManualClock(), publish: async () => [] });
    const { bus } = await startTestBus({
      provider: providerLike(inner, { groups: unused }),
      plugins: [plugin, { name: "outbox", staging: { groups: staging } }],
    });
    const seen = collect(bus);
    const metadata = { eventGroupId: "g" };
    await bus.emit([1, 2].map((data) => ({ name: "a", data, metadata })));
    expect(await staging.list()).toMatchObject([{ eventGroupId: "g", events: 2 }]);
    expect(await unused.list()).toEqual([]);
    expect((await bus.inspect()).groups).toMatchObject([{ eventGroupId: "g", events: 2 }]);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1, 2]);
    expect((await bus.inspect()).counters.emitted).toBe(2);
    expect(await staging.list()).toEqual([]);
  });

  test("a plugin's own staging outlives the bus: nothing of it is counted as discarded", async () => {
    const staging = new MemoryGroupStaging({ clock: createManualClock(), publish: async () => [] });
    const { bus, logger, clock } = await startTestBus({
      plugins: [{ name: "outbox", staging: { groups: staging } }],
    });
    await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    await bus.stop();
    expect(await staging.list()).toHaveLength(1);
    expect(logger.at("warn")).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });
});
