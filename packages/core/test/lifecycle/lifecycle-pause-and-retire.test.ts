import { describe, expect, test } from "vitest";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";
import { watch } from "../support/watch.ts";

describe("pause and resume", () => {
  test("what is in flight finishes, nothing new is delivered, and the backlog grows until resume", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    const seen: string[] = [];
    bus.subscribe(
      "order.placed",
      async ({ data }) => {
        seen.push(`begins ${String(data)}`);
        await gate.opened;
        seen.push(`ends ${String(data)}`);
      },
      { subscriberId: "s" },
    );
    const other = collect(bus, { subscriberId: "other" });
    await bus.emit("order.placed", 1);
    await idle();
    const pause = bus.pause("s");
    const state = watch(pause);
    await bus.emit("order.placed", 2);
    await idle();
    expect(state.isDone).toBe(false);
    gate.open();
    await pause;
    await bus.emit("order.placed", 3);
    await idle();
    expect(seen).toEqual(["begins 1", "ends 1"]);
    expect(other.data).toEqual([1, 2, 3]);
    const { subscriptions } = await bus.inspect();
    expect(subscriptions).toMatchObject([
      { subscriberId: "other", paused: false, ready: 0 },
      { subscriberId: "s", paused: true, ready: 2, inFlight: 0 },
    ]);
    await bus.resume("s");
    await bus.settled();
    expect(seen.filter((step) => step.startsWith("ends"))).toEqual(["ends 1", "ends 2", "ends 3"]);
    expect((await bus.inspect()).subscriptions[1]).toMatchObject({ paused: false, ready: 0 });
  });

  test("pause within its own handler resolves at once", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe(
      "order.placed",
      async ({ data }) => {
        await bus.pause("s");
        seen.push(data);
      },
      { subscriberId: "s", concurrency: 1 },
    );
    await bus.emit([1, 2].map((data) => ({ name: "order.placed", data })));
    await idle();
    expect(seen).toEqual([1]);
    await bus.resume("s");
    await bus.settled();
    expect(seen).toEqual([1, 2]);
  });

  test.each(["pause", "unsubscribe"] as const)(
    "a run that takes longer than graceMs is not repeated because of %s",
    async (method) => {
      const { bus, clock } = await startTestBus({ graceMs: 1000 });
      const gate = createGate();
      let runs = 0;
      const handle = async (): Promise<void> => {
        runs += 1;
        await gate.opened;
      };
      bus.subscribe("order.placed", handle, { subscriberId: "s" });
      await bus.emit("order.placed", 1);
      await idle();
      const ended = watch(
        method === "pause"
          ? bus.pause("s")
          : Promise.resolve(bus.unsubscribe("order.placed", handle)),
      );
      await clock.advance(3_600_000);
      expect(ended.isDone).toBe(method === "unsubscribe");
      gate.open();
      await idle();
      expect(ended.isDone).toBe(true);
      if (method === "pause") await bus.resume("s");
      else bus.subscribe("order.placed", handle, { subscriberId: "s" });
      await idle();
      await bus.settled();
      expect(runs).toBe(1);
      expect((await bus.inspect()).subscriptions).toMatchObject([{ ready: 0, inFlight: 0 }]);
    },
  );

  test("stop while a pause waits is not held up by it", async () => {
    const { bus, clock } = await startTestBus({ graceMs: 1000 });
    bus.subscribe("order.placed", () => new Promise(() => {}), { subscriberId: "s" });
    await bus.emit("order.placed", 1);
    await idle();
    const pause = watch(bus.pause("s"));
    const stop = watch(bus.stop());
    await clock.advance(1000);
    expect([pause.isDone, stop.isDone]).toEqual([true, true]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("twice is as once", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.pause("collector");
    await bus.pause("collector");
    await bus.emit("order.placed", 1);
    await Promise.all([bus.resume("collector"), bus.resume("collector")]);
    await bus.resume("collector");
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });

  test("the last word counts when they follow each other at once", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await idle();
    await bus.pause("collector");
    const resume = bus.resume("collector");
    await bus.pause("collector");
    await resume;
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen.data).toEqual([]);
    expect((await bus.inspect()).subscriptions).toMatchObject([{ paused: true, ready: 1 }]);
  });

  test("pause right after subscribe holds", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.pause("collector");
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen.data).toEqual([]);
  });

  test("pause holds, and so does unsubscribe, while the provider is only about to consume", async () => {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      consume: async (spec, deliver) => {
        await gate.opened;
        return inner.consume(spec, deliver);
      },
    });
    const { bus } = await startTestBus({ provider });
    const seen: string[] = [];
    const gone = (): void => void seen.push("gone");
    bus.subscribe("order.placed", () => void seen.push("paused"), { subscriberId: "paused" });
    bus.subscribe("order.placed", gone, { subscriberId: "gone" });
    await idle();
    const pause = bus.pause("paused");
    bus.unsubscribe("order.placed", gone);
    gate.open();
    await pause;
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
    const { subscriptions } = await bus.inspect();
    expect(subscriptions.map(({ subscriberId, ready }) => [subscriberId, ready])).toEqual([
      ["paused", 1],
    ]);
    await bus.resume("paused");
    await bus.settled();
    expect(seen).toEqual(["paused"]);
  });

  test.each(["pause", "resume"] as const)(
    "%s of an unknown id is BUSBAR_NOT_FOUND",
    async (method) => {
      const { bus } = await startTestBus();
      await expect(bus[method]("nobody")).rejects.toMatchObject({
        code: "BUSBAR_NOT_FOUND",
        details: { kind: "subscription", id: "nobody" },
      });
    },
  );
});

describe("retire", () => {
  async function pausedWithBacklog(events: string | string[] = ["order.placed", "order.paid"]) {
    const test = await startTestBus();
    const seen = collect(test.bus, { subscriberId: "s" }, events);
    await test.bus.pause("s");
    await test.bus.emit([
      { name: "order.placed", data: 1 },
      { name: "order.paid", data: 2 },
      { name: "order.placed", data: 3, options: { delay: 1000 } },
    ]);
    return { ...test, seen };
  }

  test('ends a subscription for good: what waits is dead-lettered with the reason "retired"', async () => {
    const { bus, seen, clock } = await pausedWithBacklog();
    expect(await bus.retire("s")).toBe(3);
    await bus.emit("order.placed", 4);
    await clock.advance(60_000);
    expect(seen.data).toEqual([]);
    const { items } = await bus.deadLetters.list();
    expect(items.map(({ event, reason, attempts }) => [event.data, reason, attempts])).toEqual([
      [1, "retired", 0],
      [2, "retired", 0],
      [3, "retired", 0],
    ]);
    expect((await bus.inspect()).counters).toMatchObject({ unrouted: 1 });
    await expect(bus.pause("s")).rejects.toMatchObject({ code: "BUSBAR_NOT_FOUND" });
  });

  test("discards the backlog if asked to", async () => {
    const { bus } = await pausedWithBacklog();
    expect(await bus.retire("s", { backlog: "discard" })).toBe(3);
    expect((await bus.deadLetters.list()).items).toEqual([]);
    expect((await bus.inspect()).subscriptions).toEqual([]);
  });

  test("keeps the backlog for a later subscriber of the same id if asked to", async () => {
    const { bus, clock } = await pausedWithBacklog();
    expect(await bus.retire("s", { backlog: "keep" })).toBe(0);
    const later = collect(bus, { subscriberId: "s" }, ["order.placed", "order.paid"]);
    await clock.advance(1000);
    await bus.settled();
    expect(later.data).toEqual([1, 2, 3]);
  });

  test("takes single events from a subscription, and their backlog", async () => {
    const { bus, seen, clock } = await pausedWithBacklog();
    expect(await bus.retire("s", { events: ["order.placed"] })).toBe(2);
    await bus.resume("s");
    await bus.emit([
      { name: "order.placed", data: 4 },
      { name: "order.paid", data: 5 },
    ]);
    await clock.advance(60_000);
    expect(seen.data).toEqual([2, 5]);
    const { items } = await bus.deadLetters.list();
    expect(items.map(({ event }) => event.data)).toEqual([1, 3]);
    expect((await bus.inspect()).subscriptions).toMatchObject([{ events: ["order.paid"] }]);
  });

  test("a run in flight finishes", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    const seen: string[] = [];
    bus.subscribe(
      "order.placed",
      async () => {
        await gate.opened;
        seen.push("ended");
      },
      { subscriberId: "s" },
    );
    await bus.emit("order.placed", 1);
    await idle();
    expect(await bus.retire("s")).toBe(0);
    gate.open();
    await bus.settled();
    expect(seen).toEqual(["ended"]);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, dead: 0 });
  });

  test.each([
    ["the subscription", undefined, []],
    ["its event", ["order.placed"], [{ events: ["order.paid"], ready: 0, delayed: 0 }]],
  ])(
    'a run in flight that fails is dead with the reason "retired" when %s is gone, whatever attempts are left',
    async (_, events, left) => {
      const { bus, clock } = await startTestBus();
      const gate = createGate();
      bus.subscribe(
        ["order.placed", "order.paid"],
        async () => {
          await gate.opened;
          throw new Error("no");
        },
        { subscriberId: "s", attempts: 3, backoff: 1000 },
      );
      await bus.emit("order.placed", 1);
      await idle();
      await bus.retire("s", events ? { events } : {});
      gate.open();
      await clock.advance(60_000);
      await bus.settled();
      const { items } = await bus.deadLetters.list();
      expect(items).toMatchObject([
        { reason: "retired", attempts: 1, errors: [{ message: "no" }] },
      ]);
      expect((await bus.inspect()).subscriptions.filter(({ here }) => here)).toMatchObject(left);
    },
  );

  test("a run in flight that fails waits with the kept backlog for a later subscriber", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    bus.subscribe(
      "order.placed",
      async () => {
        await gate.opened;
        throw new Error("no");
      },
      { subscriberId: "s", attempts: 2 },
    );
    await bus.emit("order.placed", 1);
    await idle();
    await bus.retire("s", { backlog: "keep" });
    gate.open();
    await idle();
    const attempts: number[] = [];
    bus.subscribe("order.placed", (_, { attempt }) => void attempts.push(attempt), {
      subscriberId: "s",
    });
    await idle();
    await bus.settled();
    expect(attempts).toEqual([2]);
  });

  test("of an unknown id is BUSBAR_NOT_FOUND", async () => {
    const { bus } = await startTestBus();
    await expect(bus.retire("nobody")).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      details: { kind: "subscription", id: "nobody" },
    });
  });

  test("wakes a settled() that waits for what is taken away", async () => {
    const { bus } = await pausedWithBacklog();
    const settled = watch(bus.settled());
    await idle();
    expect(settled.isDone).toBe(false);
    await bus.retire("s");
    await idle();
    expect(settled.isDone).toBe(true);
  });

  test("is BUSBAR_UNSUPPORTED on a provider without a list of subscriptions", async () => {
    const { bus } = await startTestBus({ provider: createMinimalProvider() });
    collect(bus);
    await expect(bus.retire("collector")).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "retire" },
    });
  });
});
