import { describe, expect, test } from "vitest";
import { type BusbarError, isBusbarError } from "../../src/errors/errors.ts";
import type { SubscriptionStats } from "../../src/contract/provider.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";
import { watch } from "../support/watch.ts";

async function rejection(promise: Promise<unknown>): Promise<BusbarError<"BUSBAR_NOT_SETTLED">> {
  const error: unknown = await promise.then(
    () => new Error("did not reject"),
    (thrown: unknown) => thrown,
  );
  if (isBusbarError(error, "BUSBAR_NOT_SETTLED")) return error;
  throw error;
}

describe("settled()", () => {
  test("resolves at once on an idle bus, and leaves no timer", async () => {
    const { bus, clock } = await startTestBus();
    await bus.settled();
    await bus.settled({ eventId: "unknown" });
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("waits for three levels of events, with retries and delays between them", async () => {
    const { bus, clock } = await startTestBus();
    const seen: string[] = [];
    bus.subscribe("a", async () => void (await bus.emit("b", null, { delay: 1000 })), {
      subscriberId: "a",
    });
    bus.subscribe(
      "b",
      async (_, { attempt }) => {
        seen.push(`b${attempt}`);
        if (attempt < 3) throw new Error("not yet");
        await bus.emit("c", null);
      },
      { subscriberId: "b", attempts: 3, backoff: 1000 },
    );
    bus.subscribe("c", () => void seen.push("c"), { subscriberId: "c" });
    await bus.emit("a", null);
    const settled = bus.settled();
    const state = watch(settled);
    await clock.advance(2999);
    expect(seen).toEqual(["b1", "b2"]);
    expect(state.isDone).toBe(false);
    await clock.advance(1);
    await settled;
    expect(seen).toEqual(["b1", "b2", "b3", "c"]);
  });

  test("with an eventId it waits for the tree of that event only", async () => {
    const { bus } = await startTestBus();
    const gates = { one: createGate(), two: createGate() };
    bus.subscribe("order.placed", async ({ data }) => {
      await bus.emit("order.packed", data);
    });
    bus.subscribe("order.packed", ({ data }) => gates[data as "one" | "two"].opened);
    const [one] = await bus.emit("order.placed", "one");
    const [two] = await bus.emit("order.placed", "two");
    const waits = {
      one: watch(bus.settled({ eventId: one })),
      two: watch(bus.settled({ eventId: two })),
      all: watch(bus.settled()),
    };
    await idle();
    expect([waits.one.isDone, waits.two.isDone, waits.all.isDone]).toEqual([false, false, false]);
    gates.one.open();
    await idle();
    expect([waits.one.isDone, waits.two.isDone, waits.all.isDone]).toEqual([true, false, false]);
    gates.two.open();
    await idle();
    expect([waits.one.isDone, waits.two.isDone, waits.all.isDone]).toEqual([true, true, true]);
  });

  test("waits for every subscription of an event", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    bus.subscribe("order.placed", () => {}, { subscriberId: "fast" });
    bus.subscribe("order.placed", () => gate.opened, { subscriberId: "slow" });
    await bus.emit("order.placed", null);
    const settled = watch(bus.settled());
    await idle();
    expect(settled.isDone).toBe(false);
    gate.open();
    await idle();
    expect(settled.isDone).toBe(true);
  });

  test("does not wait for events that nobody wants", async () => {
    const { bus } = await startTestBus();
    const [id] = await bus.emit("order.placed", null);
    await bus.settled();
    await bus.settled({ eventId: id });
  });

  test("does not wait for events that were rejected, intercepted or duplicates", async () => {
    const inner = memoryProvider();
    let isDown = false;
    const provider = providerLike(inner, {
      publish: (batch, options) =>
        isDown ? Promise.reject(new Error("down")) : inner.publish(batch, options),
    });
    const { bus } = await startTestBus({ provider });
    collect(bus);
    await bus.emit("order.placed", 1, { deduplicationId: "1" });
    await bus.emit("order.placed", 1, { deduplicationId: "1" });
    bus.addInterceptor((event) => (event.data === 2 ? null : undefined));
    await bus.emit("order.placed", 2);
    isDown = true;
    await expect(bus.emit("order.placed", 3)).rejects.toThrow("down");
    await bus.settled();
  });

  test("a dead delivery is settled; its replay is not, until it has run", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    let isBroken = true;
    bus.subscribe(
      "order.placed",
      async () => {
        if (isBroken) throw new Error("broken");
        await gate.opened;
      },
      { subscriberId: "send-receipt" },
    );
    const [eventId] = await bus.emit("order.placed", null);
    await bus.settled();
    expect((await bus.inspect()).subscriptions).toMatchObject([{ dead: 1 }]);
    isBroken = false;
    expect(await bus.deadLetters.replay("send-receipt")).toBe(1);
    const settled = [watch(bus.settled()), watch(bus.settled({ eventId }))];
    await idle();
    expect(settled.map(({ isDone }) => isDone)).toEqual([false, false]);
    gate.open();
    await idle();
    expect(settled.map(({ isDone }) => isDone)).toEqual([true, true]);
  });

  test("two replays of the same dead letters at once do not keep it from settling", async () => {
    const { bus } = await startTestBus();
    let isBroken = true;
    const seen: unknown[] = [];
    bus.subscribe(
      "order.placed",
      ({ data }) => {
        if (isBroken) throw new Error("broken");
        seen.push(data);
      },
      { subscriberId: "send-receipt" },
    );
    await bus.emit([1, 2].map((data) => ({ name: "order.placed", data })));
    await bus.settled();
    isBroken = false;
    const replays = [1, 2].map(() => bus.deadLetters.replay("send-receipt"));
    const counts = await Promise.all(replays);
    expect(counts.reduce((sum, count) => sum + count)).toBe(2);
    await bus.settled();
    expect(seen).toEqual([1, 2]);
    await bus.emit("order.placed", 3);
    await bus.settled();
    expect(seen).toEqual([1, 2, 3]);
  });

  test("a replay that fails does not keep it from settling", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      admin: { ...inner.admin, replayDead: () => Promise.reject(new Error("down")) },
    });
    const { bus } = await startTestBus({ provider });
    bus.subscribe("order.placed", () => Promise.reject(new Error("no")), { subscriberId: "s" });
    await bus.emit("order.placed", 1);
    await bus.settled();
    await expect(bus.deadLetters.replay("s")).rejects.toThrow("down");
    await bus.settled();
  });

  test("grouped events count from their release", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    bus.subscribe("order.placed", () => gate.opened);
    await bus.emit({ name: "order.placed", data: 1, metadata: { eventGroupId: "g" } });
    await bus.settled();
    await bus.releaseGroupedEvents("g");
    const settled = watch(bus.settled());
    await idle();
    expect(settled.isDone).toBe(false);
    gate.open();
    await idle();
    expect(settled.isDone).toBe(true);
  });

  test("times out with the tree of what is left, readable and typed", async () => {
    const { bus, clock } = await startTestBus();
    const never = createGate();
    bus.subscribe(
      "order.placed",
      async ({ id }) => {
        await bus.emit([
          { name: "order.packed", data: null, id: `${id}-packed` },
          { name: "order.billed", data: null, id: `${id}-billed` },
        ]);
      },
      { subscriberId: "fulfil" },
    );
    bus.subscribe(
      "order.packed",
      async ({ id }) => {
        await bus.emit({ name: "order.shipped", data: null, id: `${id}-shipped` });
        await never.opened;
      },
      { subscriberId: "ship" },
    );
    bus.subscribe("order.shipped", () => never.opened, { subscriberId: "notify" });
    bus.subscribe("order.shipped", () => never.opened, { subscriberId: "track" });
    bus.subscribe("order.billed", () => Promise.reject(new Error("no")), {
      subscriberId: "bill",
      attempts: 2,
      backoff: 60_000,
    });
    await bus.emit({ name: "order.placed", data: null, id: "1" });
    await bus.emit({ name: "order.shipped", data: null, id: "2", options: { delay: 60_000 } });

    const all = rejection(bus.settled({ timeoutMs: 500 }));
    const one = rejection(bus.settled({ timeoutMs: 500, eventId: "1-packed" }));
    await clock.advance(500);
    expect((await all).message).toBe(
      [
        "Some events are not settled after 500 ms:",
        "├─ order.placed 1 (0 deliveries)",
        "│  ├─ order.packed 1-packed (1 delivery: ship (running))",
        "│  │  └─ order.shipped 1-packed-shipped (2 deliveries: notify (running), track (running))",
        "│  └─ order.billed 1-billed (1 delivery: bill (waits to run again))",
        "└─ order.shipped 2 (2 deliveries)",
      ].join("\n"),
    );
    const packed = {
      id: "1-packed",
      name: "order.packed",
      deliveries: 1,
      waitingFor: ["ship (running)"],
      children: [
        {
          id: "1-packed-shipped",
          name: "order.shipped",
          deliveries: 2,
          waitingFor: ["notify (running)", "track (running)"],
          children: [],
        },
      ],
    };
    const billed = {
      id: "1-billed",
      name: "order.billed",
      deliveries: 1,
      waitingFor: ["bill (waits to run again)"],
      children: [],
    };
    expect((await all).details).toEqual({
      timeoutMs: 500,
      omitted: 0,
      unsettled: [
        {
          id: "1",
          name: "order.placed",
          deliveries: 0,
          waitingFor: [],
          children: [packed, billed],
        },
        { id: "2", name: "order.shipped", deliveries: 2, waitingFor: [], children: [] },
      ],
    });
    expect((await one).message).toBe(
      [
        'Event "1-packed" is not settled after 500 ms:',
        "└─ order.packed 1-packed (1 delivery: ship (running))",
        "   └─ order.shipped 1-packed-shipped (2 deliveries: notify (running), track (running))",
      ].join("\n"),
    );
    expect((await one).details.unsettled).toEqual([packed]);
  });

  test("times out with the beginning of a chain of 3 000 events, and does not end the process", async () => {
    const { bus, clock } = await startTestBus();
    const gate = createGate();
    let length = 0;
    bus.subscribe(
      "tick",
      async () => {
        length += 1;
        if (length < 3_000) await bus.emit("tick", null);
        else await gate.opened;
      },
      { subscriberId: "ticker" },
    );
    const [first] = await bus.emit("tick", null);
    await idle();
    const one = rejection(bus.settled({ eventId: first, timeoutMs: 100 }));
    const all = rejection(bus.settled({ timeoutMs: 100 }));
    await clock.advance(100);
    for (const error of [await one, await all]) {
      expect(error.message.length).toBeLessThan(10_000);
      expect(error.message).toMatch(/… and \d+ more$/);
      expect(error.details.omitted).toBeGreaterThan(900);
      expect(error.details.unsettled[0]?.id).toBe(first);
    }
    const settled = watch(bus.settled({ eventId: first }));
    await idle();
    expect(settled.isDone).toBe(false);
    gate.open();
    await bus.settled({ eventId: first });
    expect(settled.isDone).toBe(true);
  });

  test("times out after 10 s unless told otherwise", async () => {
    const { bus, clock } = await startTestBus();
    bus.subscribe("order.placed", () => new Promise(() => {}));
    await bus.emit("order.placed", null);
    const settled = bus.settled();
    const state = watch(settled);
    const rejected = expect(settled).rejects.toMatchObject({ details: { timeoutMs: 10_000 } });
    await clock.advance(9999);
    expect(state.isDone).toBe(false);
    await clock.advance(1);
    await rejected;
  });

  test("still works after a subscription was retired with its backlog", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, { subscriberId: "kept" });
    for (const id of ["retired", "also-retired"]) {
      bus.subscribe("order.placed", () => {}, { subscriberId: id });
      await bus.pause(id);
    }
    await bus.emit("order.placed", 1);
    expect(await bus.retire("retired")).toBe(1);
    // The second one waits for somebody who takes it up.
    expect(await bus.retire("also-retired", { backlog: "discard" })).toBe(1);
    await bus.settled();
    const gate = createGate();
    bus.subscribe("order.paid", () => gate.opened);
    await bus.emit("order.paid", 2);
    const settled = watch(bus.settled());
    await idle();
    expect(settled.isDone).toBe(false);
    gate.open();
    await idle();
    expect(settled.isDone).toBe(true);
    expect(seen.data).toEqual([1, 2]);
  });

  test("does not keep waiting for what a stop has discarded", async () => {
    const { bus, clock } = await startTestBus();
    bus.subscribe("order.placed", () => {});
    await bus.emit("order.placed", 1, { delay: 3_600_000 });
    const settled = watch(bus.settled());
    const stop = bus.stop();
    await idle();
    expect(settled.isDone).toBe(true);
    await stop;
    expect(clock.pendingTimers()).toBe(0);
  });

  test("still works when one subscription was retired with its backlog and then another without", async () => {
    const { bus, clock } = await startTestBus();
    for (const id of ["first", "second"])
      bus.subscribe("order.placed", () => {}, { subscriberId: id });
    await bus.pause("first");
    await bus.emit("order.placed", 1);
    await bus.retire("first", { backlog: "discard" });
    await bus.retire("second", { backlog: "keep" });
    const settled = bus.settled({ timeoutMs: 1000 });
    settled.catch(() => {});
    await clock.advance(1000);
    await settled;
  });

  test("is BUSBAR_NOT_RUNNING after stop", async () => {
    const { bus } = await startTestBus();
    await bus.stop();
    await expect(bus.settled()).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
  });
});

describe("settled() on a durable provider", () => {
  function durable(stats: () => Partial<SubscriptionStats>[], statsLagMs?: number) {
    const inner = memoryProvider();
    return providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true, statsLagMs },
      admin: {
        ...inner.admin,
        stats: async () =>
          stats().map((entry) => ({
            subscriptionId: "s",
            ready: 0,
            delayed: 0,
            inFlight: 0,
            dead: 0,
            ...entry,
          })),
      },
    });
  }

  test.each(["ready", "delayed", "inFlight"] as const)(
    "looks until nothing is %s",
    async (member) => {
      let left = 3;
      let looks = 0;
      const provider = durable(() => {
        looks += 1;
        return [{ [member]: Math.max(0, left) }, { subscriptionId: "other", dead: 7 }];
      });
      const { bus, clock } = await startTestBus({ provider });
      const settled = bus.settled();
      const state = watch(settled);
      await clock.advance(1000);
      expect(state.isDone).toBe(false);
      left = 0;
      await clock.advance(100);
      expect(state.isDone).toBe(true);
      expect(looks).toBeGreaterThan(5);
      expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
    },
  );

  test("looks for as long as numbers may lag behind, from when they were empty last", async () => {
    let ready = 0;
    const { bus, clock } = await startTestBus({ provider: durable(() => [{ ready }], 1000) });
    const settled = watch(bus.settled());
    await clock.advance(900);
    ready = 1;
    await clock.advance(100);
    ready = 0;
    await clock.advance(1000);
    expect(settled.isDone).toBe(false);
    await clock.advance(100);
    expect(settled.isDone).toBe(true);
  });

  test("says that numbers lag behind when it times out before they can show it", async () => {
    const { bus, clock } = await startTestBus({ provider: durable(() => [], 60_000) });
    const error = rejection(bus.settled({ timeoutMs: 1000 }));
    await clock.advance(1000);
    expect((await error).message).toMatch(
      /^The queues are not empty, or the numbers, which lag behind by up to 60000 ms, have yet to show it after 1000 ms/,
    );
  });

  test("times out with the backlog of each subscription", async () => {
    const provider = durable(() => [
      { subscriptionId: "a", ready: 1, delayed: 2, inFlight: 3 },
      { subscriptionId: "b" },
      { subscriptionId: "c", ready: 1 },
    ]);
    const { bus, clock } = await startTestBus({ provider });
    const error = rejection(bus.settled({ timeoutMs: 1000 }));
    await clock.advance(1000);
    expect((await error).message).toBe(
      "The queues are not empty after 1000 ms:\na: 6 deliveries\nc: 1 deliveries",
    );
  });

  test("resolves while a test has replaced the global setImmediate", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {});
    const real = globalThis.setImmediate;
    globalThis.setImmediate = (() => ({})) as unknown as typeof real;
    try {
      await bus.emit("a", 1);
      await bus.settled();
    } finally {
      globalThis.setImmediate = real;
    }
  });
});
