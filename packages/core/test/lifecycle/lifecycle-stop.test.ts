import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { createEventBus } from "../../src/event-bus.ts";
import { definePlugin } from "../../src/contract/plugin.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
} from "../support/test-bus.ts";
import { TestBoard } from "../support/board.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";
import { watch } from "../support/watch.ts";

/** A durable provider that ends all at once when it stops, and writes down what is done. */
function durableProvider(order: string[]): EventProvider {
  const inner = memoryProvider();
  const publish: EventProvider["publish"] = (batch, options) => {
    order.push(...batch.map(({ name }) => `published ${name}`));
    return inner.publish(batch, options);
  };
  return providerLike(inner, {
    capabilities: { ...inner.capabilities, durable: true },
    groups: new MemoryGroupStaging({ clock: createManualClock(), publish }),
    publish,
    consume: (spec, deliver) =>
      inner.consume(spec, async (delivery) => {
        const settlement = await deliver(delivery);
        if (delivery.envelope.name === "a") order.push(`${spec.subscriptionId} ${settlement.type}`);
        return settlement;
      }),
    stop: async () => {
      order.push("provider stops");
      await inner.stop({ graceMs: 0 });
    },
  });
}

describe("stop", () => {
  test("refuses emits from the moment it is called, and after it", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    bus.subscribe("order.placed", () => gate.opened);
    await bus.emit("order.placed", null);
    await idle();
    const stop = bus.stop();
    const notRunning = { code: "BUSBAR_NOT_RUNNING", details: { method: "emit" } };
    await expect(bus.emit("order.paid", null)).rejects.toMatchObject(notRunning);
    gate.open();
    await stop;
    await expect(bus.emit("order.paid", null)).rejects.toMatchObject(notRunning);
    await expect(bus.inspect()).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
    await expect(bus.deadLetters.list()).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
  });

  test("waits for handlers in flight, which may still emit, and for what that sets off", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    const seen: string[] = [];
    bus.subscribe("a", async () => {
      await gate.opened;
      await bus.emit("b", null);
      await bus.emit({ name: "c", data: null, metadata: { eventGroupId: "g" } });
      await bus.releaseGroupedEvents("g");
      seen.push("a");
    });
    bus.subscribe("b", () => void seen.push("b"));
    bus.subscribe("c", () => void seen.push("c"));
    await bus.emit("a", null);
    await idle();
    const stop = bus.stop();
    const state = watch(stop);
    await idle();
    expect(state.isDone).toBe(false);
    gate.open();
    await stop;
    expect(seen.toSorted()).toEqual(["a", "b", "c"]);
  });

  describe("of a durable provider", () => {
    test("lets handlers in flight emit, release and wait, before plugins and provider end", async () => {
      const order: string[] = [];
      const { bus } = await startTestBus({
        provider: durableProvider(order),
        plugins: [
          definePlugin({
            name: "p",
            staging: { stage: async () => void order.push("staged e") },
            stop: () => void order.push("plugin stops"),
          }),
        ],
      });
      const gate = createGate();
      bus.subscribe(
        "a",
        async () => {
          await gate.opened;
          await bus.emit("b", null);
          await bus.emit({ name: "c", data: null, metadata: { eventGroupId: "g" } });
          await bus.releaseGroupedEvents("g");
          await bus.withTransaction({}).emit("e", null);
          await bus.deadLetters.list();
          void bus.emit("d", null);
        },
        { subscriberId: "mail" },
      );
      await bus.emit("a", null);
      await idle();
      const stop = bus.stop();
      await idle();
      gate.open();
      await stop;
      expect(order).toEqual([
        "published a",
        "published b",
        "published c",
        "staged e",
        "published d",
        "mail ack",
        "plugin stops",
        "provider stops",
      ]);
    });

    test("hands back, and counts as nothing, what a handler throws that was cut short", async () => {
      const order: string[] = [];
      const { bus, clock, logger } = await startTestBus({ provider: durableProvider(order) });
      const refused: unknown[] = [];
      bus.subscribe(
        "a",
        async (_, { signal }) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          await bus.emit("b", null).catch((error: unknown) => {
            refused.push(error);
            throw error;
          });
        },
        { subscriberId: "mail" },
      );
      await bus.emit("a", null);
      await idle();
      const stop = bus.stop({ graceMs: 1000 });
      await clock.advance(1000);
      await stop;
      expect(refused).toMatchObject([{ code: "BUSBAR_NOT_RUNNING" }]);
      expect(order).toEqual(["published a", "mail release", "provider stops"]);
      expect(logger.at("error")).toEqual([]);
    });

    test("waits for runs of a subscription that was unsubscribed before", async () => {
      const order: string[] = [];
      const { bus } = await startTestBus({ provider: durableProvider(order) });
      const gate = createGate();
      const work = async (): Promise<void> => {
        await gate.opened;
        await bus.emit("b", null);
      };
      bus.subscribe("a", work, { subscriberId: "mail" });
      await bus.emit("a", null);
      await idle();
      bus.unsubscribe("a", work);
      const stop = bus.stop();
      await idle();
      gate.open();
      await stop;
      expect(order).toEqual(["published a", "published b", "mail ack", "provider stops"]);
    });
  });

  test("says how many dead letters are gone with a bus in memory", async () => {
    const { bus, logger } = await startTestBus();
    bus.subscribe("a", () => Promise.reject(new Error("no")), { subscriberId: "mail" });
    bus.subscribe("a", () => {}, { subscriberId: "stock" });
    await bus.emit("a", null);
    await bus.settled();

    await bus.stop();

    expect(logger.at("warn")).toEqual([
      {
        level: "warn",
        fields: { subscriberId: "mail", count: 1 },
        message: "1 dead letters are gone with the bus",
      },
    ]);
  });

  test("drains what is due", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, { subscriberId: "s", concurrency: 1 });
    await bus.emit([1, 2, 3].map((data) => ({ name: "order.placed", data })));
    await bus.stop();
    expect(seen.data).toEqual([1, 2, 3]);
  });

  test("aborts the signal after graceMs, and resolves while the handler hangs", async () => {
    const { bus, clock } = await startTestBus();
    const signals: AbortSignal[] = [];
    bus.subscribe("order.placed", (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    await bus.emit("order.placed", null);
    await idle();
    const stop = bus.stop({ graceMs: 1000 });
    const state = watch(stop);
    await clock.advance(999);
    expect([state.isDone, signals[0]?.aborted]).toEqual([false, false]);
    await clock.advance(1);
    expect([state.isDone, signals[0]?.aborted]).toEqual([true, true]);
    expect(signals[0]?.reason).toBeInstanceOf(Error);
  });

  test.each([
    ["20 s by default", undefined, 20_000],
    ["as long as the bus was told", 3000, 3000],
  ])("waits %s", async (_, graceMs, expected) => {
    const { bus, clock } = await startTestBus(graceMs === undefined ? {} : { graceMs });
    bus.subscribe("order.placed", () => new Promise(() => {}));
    await bus.emit("order.placed", null);
    await idle();
    const state = watch(bus.stop());
    await clock.advance(expected - 1);
    expect(state.isDone).toBe(false);
    await clock.advance(1);
    expect(state.isDone).toBe(true);
  });

  test("what is left is counted as discarded, and logged", async () => {
    const { bus, clock, logger } = await startTestBus();
    bus.subscribe("order.placed", () => new Promise(() => {}), {
      subscriberId: "hangs",
      concurrency: 1,
    });
    bus.subscribe("order.placed", () => {}, { subscriberId: "paused" });
    await bus.pause("paused");
    await bus.emit([1, 2].map((data) => ({ name: "order.placed", data })));
    await bus.emit("order.placed", 3, { delay: 3_600_000 });
    await idle();
    const stop = bus.stop({ graceMs: 1000 });
    await clock.advance(1000);
    await stop;
    const discarded = logger.at("warn").map(({ fields }) => fields);
    expect(discarded).toEqual([
      { provider: "memory", subscriberId: "hangs", count: 3 },
      { provider: "memory", subscriberId: "paused", count: 3 },
    ]);
  });

  test("staged events of groups in memory are counted as discarded, and logged", async () => {
    const { bus, clock, logger } = await startTestBus({ groupTtlMs: 60_000 });
    const gate = createGate();
    bus.subscribe("order.placed", () => gate.opened);
    await bus.emit([1, 2].map((data) => ({ name: "a", data, metadata: { eventGroupId: "g" } })));
    await bus.stop();
    expect(logger.at("warn").map(({ fields }) => fields)).toEqual([
      { eventGroupId: "g", count: 2 },
    ]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("a group that a handler fills while the bus stops is counted, too", async () => {
    const { bus, logger } = await startTestBus();
    const gate = createGate();
    bus.subscribe("order.placed", async () => {
      await gate.opened;
      await bus.emit({ name: "a", data: null, metadata: { eventGroupId: "g" } });
    });
    await bus.emit("order.placed", null);
    await idle();
    const stop = bus.stop();
    gate.open();
    await stop;
    expect(logger.at("warn").map(({ fields }) => fields)).toEqual([
      { eventGroupId: "g", count: 1 },
    ]);
  });

  test("twice is one stop, with the period of grace of the first", async () => {
    let stops = 0;
    const provider = createMinimalProvider({ stop: async () => void (stops += 1) });
    const { bus } = await startTestBus({ provider });
    await Promise.all([bus.stop(), bus.stop({ graceMs: 0 })]);
    await bus.stop();
    expect(stops).toBe(1);
  });

  test("while the bus starts waits for the start, and stops", async () => {
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
    const stop = bus.stop();
    gate.open();
    await start;
    await stop;
    await expect(bus.emit("order.placed", 1)).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
  });

  test("leaves no timer behind", async () => {
    const { bus, clock } = await startTestBus({ groupTtlMs: 60_000 });
    bus.subscribe("order.placed", () => {}, { subscriberId: "ok", timeoutMs: 60_000 });
    bus.subscribe("order.placed", () => Promise.reject(new Error("no")), { subscriberId: "dead" });
    bus.subscribe("order.placed", () => Promise.reject(new Error("no")), {
      subscriberId: "retries",
      attempts: 2,
      backoff: 3_600_000,
    });
    await bus.emit("order.placed", 1);
    await bus.emit("order.placed", 1, { delay: 3_600_000 });
    await bus.emit({ name: "order.placed", data: 1, metadata: { eventGroupId: "g" } });
    await idle();
    expect(clock.pendingTimers()).toBeGreaterThan(3);
    const stop = bus.stop();
    await clock.advance(20_000);
    await stop;
    expect(clock.pendingTimers()).toBe(0);
  });

  test("leaves no timer behind while a subscription could not be declared", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      subscriptions: {
        ...inner.subscriptions,
        declare: (specs) =>
          specs.some(({ subscriptionId }) => subscriptionId === "late")
            ? Promise.reject(new Error("down"))
            : inner.subscriptions.declare(specs),
      },
    });
    const { bus, clock } = await startTestBus({ provider });
    bus.subscribe("order.placed", () => {}, { subscriberId: "late" });
    await idle();
    await bus.stop();
    expect(clock.pendingTimers()).toBe(0);
  });

  test("an emit that the provider has not answered is not left hanging", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, { publish: () => new Promise(() => {}) });
    const { bus, clock } = await startTestBus({ provider });
    const emit = bus.emit({ id: "1", name: "order.placed", data: 1 });
    const rejected = expect(emit).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: { unknown: ["1"] },
    });
    await bus.stop();
    await rejected;
    expect(clock.pendingTimers()).toBe(0);
  });

  test("rejects when the provider cannot be stopped, and leaves no timer", async () => {
    const error = new Error("stuck");
    const provider = createMinimalProvider({ stop: () => Promise.reject(error) });
    const clock = createManualClock();
    const bus = createEventBus({ provider, clock });
    await bus.start();
    await bus.emit("order.placed", 1);
    await expect(bus.stop()).rejects.toThrow("stuck");
    expect(clock.pendingTimers()).toBe(0);
    await expect(bus.emit("a", 1)).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
    expect(await bus.health()).toMatchObject({ status: "down" });
  });

  test.each([
    ["within a second after the grace", 0, 1_000],
    ["within the grace", 5_000, 5_000],
  ])("ends %s on a board that never answers", async (_, graceMs, expected) => {
    const clock = createManualClock();
    const board = new TestBoard(clock);
    const provider = providerLike(memoryProvider(), { board });
    const bus = createEventBus({ provider, clock, logger: false });
    await bus.start();
    board.remove = () => new Promise(() => {});
    const state = watch(bus.stop({ graceMs }));
    await clock.advance(expected - 1);
    expect(state.isDone).toBe(false);
    await clock.advance(1);
    expect(state.isDone).toBe(true);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("ends 5 seconds after the grace if the provider never ends, and says so", async () => {
    const stopped: string[] = [];
    const plugin = definePlugin({ name: "p", stopped: () => void stopped.push("p") });
    const inner = memoryProvider();
    const provider = providerLike(inner, { stop: () => new Promise(() => {}) });
    const clock = createManualClock();
    const logger = createRecordingLogger();
    const bus = createEventBus({ provider, plugins: [plugin], clock, logger });
    await bus.start();
    const state = watch(bus.stop({ graceMs: 1_000 }));
    await clock.advance(5_999);
    expect(state.isDone).toBe(false);
    await clock.advance(1);
    expect([state.isDone, stopped]).toEqual([true, ["p"]]);
    expect(logger.at("error").map(({ message }) => message)).toEqual([
      'Provider "memory" did not stop in time, and is left to itself',
    ]);
    await expect(bus.emit("a", 1)).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
    expect(clock.pendingTimers()).toBe(0);
  });

  test("ends if the dead letters in memory cannot be counted", async () => {
    const inner = memoryProvider();
    let stats = inner.admin.stats;
    const admin = { ...inner.admin, stats: () => stats() };
    const { bus, clock } = await startTestBus({ provider: providerLike(inner, { admin }) });
    stats = () => new Promise(() => {});
    const state = watch(bus.stop());
    await clock.advance(1_000);
    expect(state.isDone).toBe(true);
  });

  test("happens at the end of an `await using` block", async () => {
    const seen: unknown[] = [];
    const bus = createEventBus({ provider: memoryProvider() });
    {
      await using scoped = bus;
      scoped.subscribe("order.placed", ({ data }) => void seen.push(data));
      await scoped.start();
      await scoped.emit("order.placed", 1);
    }
    expect(seen).toEqual([1]);
    await expect(bus.emit("order.placed", 2)).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
  });

  test("lets the process exit by itself", async () => {
    const script = fileURLToPath(new URL("../support/exits-by-itself.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@busbar/source", "--import", "tsx", script],
      { timeout: 9000 },
    );
    expect(stdout).toBe("handled 1\nhandled 2\nstopped\n");
  });
});
