import { describe, expect, test } from "vitest";
import type { EventBus } from "../../src/event-bus.ts";
import type { EventMessage } from "../../src/contract/event.ts";
import type { PublishResult } from "../../src/contract/provider.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";

const DAY_MS = 86_400_000;

function grouped(data: unknown, eventGroupId = "g", stepId?: string): EventMessage {
  return { name: "order.placed", data, metadata: { eventGroupId, stepId } };
}

function groupIds(bus: EventBus): Promise<readonly string[]> {
  return bus.inspect().then(({ groups }) => groups.map(({ eventGroupId }) => eventGroupId));
}

describe("groups", () => {
  test("grouped events are not delivered before their release, and then in the order of their emits", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const ids = [await bus.emit(grouped(1)), await bus.emit([grouped(2), grouped(3)])].flat();
    await clock.advance(DAY_MS);
    expect(seen.data).toEqual([]);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1, 2, 3]);
    expect(seen.events.map(({ id }) => id)).toEqual(ids);
    expect(await groupIds(bus)).toEqual([]);
  });

  test("an array may mix grouped events and single ones: the single ones leave at once", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    const messages = [grouped(1), { name: "order.placed", data: 2 }, grouped(3, "other")];
    expect(await bus.emit(messages)).toHaveLength(3);
    await bus.settled();
    expect(seen.data).toEqual([2]);
  });

  test("a release publishes its own group only", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.emit([grouped(1, "a"), grouped(2, "b"), grouped(3, "a")]);
    await bus.releaseGroupedEvents("a");
    await bus.settled();
    expect(seen.data).toEqual([1, 3]);
    expect(await groupIds(bus)).toEqual(["b"]);
  });

  test("the release of an unknown group does nothing, and so does clearing one", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.releaseGroupedEvents("nobody");
    await bus.clearGroupedEvents("nobody");
    await bus.settled();
    expect(seen.data).toEqual([]);
  });

  test.each([
    ["all of it", {}, []],
    ["by event name", { eventNames: ["order.placed"] }, [2, 4]],
    ["by step", { stepIds: ["s1"] }, [3, 4]],
    [
      "by both, those that match both",
      { eventNames: ["order.placed"], stepIds: ["s1"] },
      [2, 3, 4],
    ],
    ["by no name at all", { eventNames: [] }, [1, 2, 3, 4]],
  ])("clears a group %s", async (_, options, left) => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.emit([
      grouped(1, "g", "s1"),
      { ...grouped(2, "g", "s1"), name: "order.paid" },
      grouped(3, "g", "s2"),
      { ...grouped(4, "g"), name: "order.paid" },
      grouped(5, "other", "s1"),
    ]);
    await bus.clearGroupedEvents("g", options);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual(left);
    expect(await groupIds(bus)).toEqual(["other"]);
  });

  test("released twice, one after the other, each event is delivered once", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.emit([grouped(1), grouped(2)]);
    await bus.releaseGroupedEvents("g");
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1, 2]);
  });

  test("D11: two releases at once deliver each event once, and both wait for the provider", async () => {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      publish: async (batch, options) => {
        await gate.opened;
        return inner.publish(batch, options);
      },
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit([grouped(1), grouped(2)]);
    let released = 0;
    const releases = [1, 2].map(() => bus.releaseGroupedEvents("g").then(() => (released += 1)));
    await idle();
    expect(released).toBe(0);
    gate.open();
    await Promise.all(releases);
    await bus.settled();
    expect(seen.data).toEqual([1, 2]);
  });

  test("D11: events that join during a release wait for the next one: none is lost, none comes twice", async () => {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      publish: async (batch, options) => {
        await gate.opened;
        return inner.publish(batch, options);
      },
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped("first"));
    const release = bus.releaseGroupedEvents("g");
    await idle();
    await bus.emit(grouped("late"));
    gate.open();
    await release;
    await bus.settled();
    expect(seen.data).toEqual(["first"]);
    expect(await bus.inspect()).toMatchObject({
      groups: [{ eventGroupId: "g", events: 1, marked: false }],
    });
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual(["first", "late"]);
  });

  test("D11: a release that begins while another is under way publishes what joined in between", async () => {
    const gate = createGate();
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      publish: async (batch, options) => {
        await gate.opened;
        return inner.publish(batch, options);
      },
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped("first"));
    const first = bus.releaseGroupedEvents("g");
    await idle();
    await bus.emit(grouped("late"));
    const second = bus.releaseGroupedEvents("g");
    await idle();
    gate.open();
    await Promise.all([first, second]);
    await bus.settled();
    expect(seen.data).toEqual(["first", "late"]);
    expect(await groupIds(bus)).toEqual([]);
  });

  test("many emits and releases at the same time deliver every event exactly once", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    await Promise.all(
      numbers.map(async (number) => {
        await bus.emit(grouped(number));
        await bus.releaseGroupedEvents("g");
      }),
    );
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
    expect(await groupIds(bus)).toEqual([]);
  });

  test("the delay of a grouped event counts from the release", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    await bus.emit({ ...grouped(1), options: { delay: 1000 } });
    await clock.advance(5000);
    await bus.releaseGroupedEvents("g");
    await clock.advance(999);
    expect(seen.data).toEqual([]);
    await clock.advance(1);
    expect(seen.data).toEqual([1]);
  });

  test("D20: created_at is from the emit and published_at from the release, both Dates", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const emittedAt = clock.now();
    await bus.emit(grouped({ at: new Date(0) }));
    await clock.advance(5000);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.events[0]?.metadata).toMatchObject({
      created_at: new Date(emittedAt),
      published_at: new Date(emittedAt + 5000),
      eventGroupId: "g",
    });
    expect(seen.data).toEqual([{ at: "1970-01-01T00:00:00.000Z" }]);
  });

  test("priorities hold within a released group", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, { subscriberId: "one", concurrency: 1 });
    await bus.emit([
      { ...grouped("low"), options: { priority: "low" } },
      grouped("normal"),
      { ...grouped("high"), options: { priority: "high" } },
      grouped("normal too"),
    ]);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual(["high", "normal", "normal too", "low"]);
  });

  test("D12: a group does not vanish, not even after a year", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const stagedAt = new Date(clock.now());
    await bus.emit([grouped(1), grouped(2)]);
    await clock.advance(365 * DAY_MS);
    const { groups, counters } = await bus.inspect();
    expect(groups).toEqual([{ eventGroupId: "g", events: 2, stagedAt, marked: false }]);
    expect(counters.discarded).toBe(0);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1, 2]);
  });

  test("with groupTtlMs a group expires that long after its last event, counted and logged", async () => {
    const { bus, clock, logger } = await startTestBus({ groupTtlMs: 1000 });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    await clock.advance(900);
    await bus.emit(grouped(2));
    await clock.advance(900);
    expect((await bus.inspect()).groups).toMatchObject([{ events: 2 }]);
    await clock.advance(100);
    expect((await bus.inspect()).groups).toEqual([]);
    expect((await bus.inspect()).counters.discarded).toBe(2);
    const entry = logger.at("warn")[0];
    expect(entry?.fields).toEqual({ eventGroupId: "g", count: 2 });
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([]);
  });

  test("interceptors run at the release, and not at the emit", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    const contexts: unknown[] = [];
    bus.addInterceptor((event, context) => {
      contexts.push({ data: event.data, ...context });
      return event.data === 2 ? null : { ...event, data: `${String(event.data)}!` };
    });
    await bus.emit([grouped(1), grouped(2), grouped(3)]);
    expect(contexts).toEqual([]);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    const context = { isGrouped: true, eventGroupId: "g" };
    expect(contexts).toEqual([
      { data: 1, ...context },
      { data: 2, ...context },
      { data: 3, ...context },
    ]);
    expect(seen.data).toEqual(["1!", "3!"]);
    expect((await bus.inspect()).counters).toMatchObject({ intercepted: 1, emitted: 2 });
    expect((await bus.inspect()).groups).toEqual([]);
  });

  test("a release within a handler, and of a group that a handler filled", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, { subscriberId: "all" }, "order.placed");
    bus.subscribe("cart.closed", async () => {
      await bus.emit([grouped(1), grouped(2)]);
      await bus.releaseGroupedEvents("g");
    });
    const [id] = await bus.emit("cart.closed", null);
    await bus.settled();
    expect(seen.data).toEqual([1, 2]);
    expect(seen.events.map(({ metadata }) => metadata.causationId)).toEqual([id, id]);
  });
});

describe("a release that fails", () => {
  const refused: PublishResult = { status: "rejected", code: "refused", reason: "no" };
  const overloaded: PublishResult = { status: "rejected", code: "overloaded", reason: "full" };

  test.each([
    ["throws", () => Promise.reject(new Error("ECONNREFUSED")), "BUSBAR_UNAVAILABLE"],
    ["refuses", async () => [refused, refused], "BUSBAR_UNAVAILABLE"],
    ["is overloaded", async () => [overloaded, overloaded], "BUSBAR_OVERLOADED"],
  ])(
    "D13: events stay staged and marked when the provider %s, and are published once it recovers",
    async (_, fail: () => Promise<PublishResult[]>, code) => {
      const inner = memoryProvider();
      let isDown = true;
      const provider = providerLike(inner, {
        publish: (batch, options) => (isDown ? fail() : inner.publish(batch, options)),
      });
      const { bus, clock, logger } = await startTestBus({ provider });
      const seen = collect(bus);
      await bus.emit([grouped(1), grouped(2)]);
      await expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject({ code });
      expect((await bus.inspect()).groups).toMatchObject([{ events: 2, marked: true }]);

      await clock.advance(60_000);
      expect(seen.data).toEqual([]);
      expect(logger.at("warn").some(({ message }) => message.includes("marked for release"))).toBe(
        true,
      );
      isDown = false;
      await clock.advance(10_000);
      await bus.settled();
      expect(seen.data).toEqual([1, 2]);
      expect(await groupIds(bus)).toEqual([]);
      await clock.advance(60_000);
      await bus.releaseGroupedEvents("g");
      await bus.settled();
      expect(seen.data).toEqual([1, 2]);
    },
  );

  test("keeps only the events that were rejected when others were accepted", async () => {
    const inner = memoryProvider();
    let isDown = true;
    const provider = providerLike(inner, {
      publish: async (batch, options) => {
        if (!isDown) return inner.publish(batch, options);
        const [first, ...others] = batch;
        const results = await inner.publish(first ? [first] : [], options);
        return [...results, ...others.map(() => refused)];
      },
    });
    const { bus, clock } = await startTestBus({ provider });
    const seen = collect(bus);
    const ids = await bus.emit([grouped(1), grouped(2), grouped(3)]);
    await expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { accepted: [ids[0]], rejected: [{ id: ids[1] }, { id: ids[2] }], marked: true },
    });
    expect((await bus.inspect()).groups).toMatchObject([{ events: 2, marked: true }]);
    isDown = false;
    await clock.advance(10_000);
    await bus.settled();
    expect(seen.data).toEqual([1, 2, 3]);
  });

  test("a group that cannot be released does not hold up the release of others", async () => {
    const inner = memoryProvider();
    let isDown = true;
    const provider = providerLike(inner, {
      publish: async (batch, options) => {
        const isPoison = batch.some(({ metadata }) => metadata.eventGroupId === "poison");
        return isDown || isPoison ? batch.map(() => refused) : inner.publish(batch, options);
      },
    });
    const { bus, clock } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit([grouped(1, "poison"), grouped(2, "fine"), grouped(3, "fine too")]);
    for (const id of ["poison", "fine", "fine too"]) {
      await expect(bus.releaseGroupedEvents(id)).rejects.toThrow();
    }
    isDown = false;
    await clock.advance(10_000);
    await bus.settled();
    expect(seen.data).toEqual([2, 3]);
    expect(await groupIds(bus)).toEqual(["poison"]);
  });

  test("a throw of an interceptor rejects the release with that error; the group waits marked", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const error = new Error("no network");
    let fails = true;
    bus.addInterceptor(() => {
      if (fails) throw error;
    });
    await bus.emit(grouped(1));
    await expect(bus.releaseGroupedEvents("g")).rejects.toBe(error);
    expect((await bus.inspect()).groups).toMatchObject([{ events: 1, marked: true }]);
    fails = false;
    await clock.advance(10_000);
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });

  test("is finished by a later release, too", async () => {
    const inner = memoryProvider();
    let isDown = true;
    const provider = providerLike(inner, {
      publish: (batch, options) =>
        isDown ? Promise.reject(new Error("down")) : inner.publish(batch, options),
    });
    const { bus, clock } = await startTestBus({ provider });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    await expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
    });
    isDown = false;
    await bus.releaseGroupedEvents("g");
    await clock.advance(60_000);
    expect(seen.data).toEqual([1]);
  });

  test("rejects within emitTimeoutMs when the provider does not answer, and delivers once", async () => {
    const inner = memoryProvider();
    let hangs = true;
    const provider = providerLike(inner, {
      publish: (batch, options) => (hangs ? new Promise(() => {}) : inner.publish(batch, options)),
    });
    const { bus, clock } = await startTestBus({ provider, emitTimeoutMs: 1000 });
    const seen = collect(bus);
    await bus.emit(grouped(1));
    const release = expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
    });
    await clock.advance(1000);
    await release;
    hangs = false;
    await clock.advance(60_000);
    expect(seen.data).toEqual([1]);
  });
});
