import { describe, expect, test } from "vitest";
import type { EventBus } from "../../src/event-bus.ts";
import type { Event } from "../../src/contract/event.ts";
import type { Deliver } from "../../src/contract/provider.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Every event that the bus delivers from now on, by its name. */
function collect(bus: EventBus): Map<string, Event> {
  const events = new Map<string, Event>();
  bus.subscribe("*", (event) => void events.set(event.name, event), { subscriberId: "collector" });
  return events;
}

describe("an event", () => {
  test("has an id, a name, data and metadata, and nothing else", async () => {
    const { bus, clock } = await startTestBus();
    const events = collect(bus);
    const [id] = await bus.emit("order.placed", { orderId: 1 });
    await bus.settled();
    const now = new Date(clock.now());
    expect(events.get("order.placed")).toStrictEqual({
      id,
      name: "order.placed",
      data: { orderId: 1 },
      metadata: {
        createdAt: now,
        created_at: now,
        publishedAt: now,
        published_at: now,
        correlationId: id,
      },
    });
  });

  test("has an id that is a UUIDv7 of the bus's time", async () => {
    const { bus, clock } = await startTestBus();
    const ids = await bus.emit(Array.from({ length: 1000 }, () => ({ name: "a", data: 1 })));
    expect(new Set(ids).size).toBe(1000);
    for (const id of ids) {
      expect(id).toMatch(UUID_V7);
      expect(Number.parseInt(id.replace("-", "").slice(0, 12), 16)).toBe(clock.now());
    }
  });

  test("has an id that sorts after those of earlier milliseconds", async () => {
    const { bus, clock } = await startTestBus();
    const ids: string[] = [];
    for (let millisecond = 0; millisecond < 300; millisecond++) {
      ids.push(...(await bus.emit("a", 1)));
      await clock.advance(1);
    }
    expect(ids).toEqual(ids.toSorted());
  });

  test("has an id that sorts after earlier ones, also when the clock is set back", async () => {
    const { bus, clock } = await startTestBus();
    const ids: string[] = [];
    for (const stepMs of [0, -3_600_000, -3_600_000, 0]) {
      clock.stepWall(stepMs);
      await clock.advance(1);
      ids.push(...(await bus.emit("order.placed", {})));
    }
    const times = ids.map((id) => id.slice(0, 13));
    expect(times).toEqual(times.toSorted());
    expect(new Set(ids).size).toBe(4);
    clock.stepWall(2 * 3_600_000);
    const [later] = await bus.emit("order.placed", {});
    expect(later > (ids.at(-1) ?? "")).toBe(true);
  });

  test("has Dates for when it was made and when it was published", async () => {
    const { bus, clock } = await startTestBus();
    const events = collect(bus);
    const created_at = new Date(Date.UTC(2020, 1, 29));
    await bus.emit([
      { name: "date", data: 1, metadata: { created_at } },
      { name: "text", data: 1, metadata: { created_at: created_at.toJSON() as unknown as Date } },
      { name: "forged", data: 1, metadata: { published_at: created_at } },
      { name: "later", data: 1, options: { delay: 50 } },
    ]);
    await clock.advance(50);
    const emittedAt = new Date(clock.now() - 50);
    const times = (name: string) => {
      const { created_at: created, published_at: published } = events.get(name)?.metadata ?? {};
      return [created, published];
    };
    expect(times("date")).toStrictEqual([created_at, emittedAt]);
    expect(times("text")).toStrictEqual([created_at, emittedAt]);
    expect(times("forged")).toStrictEqual([emittedAt, emittedAt]);
    expect(times("later")).toStrictEqual([emittedAt, emittedAt]);
  });

  test("passes the emitter's own metadata through, as JSON", async () => {
    const { bus } = await startTestBus();
    const events = collect(bus);
    const at = new Date(0);
    const metadata = {
      tenant: { id: 7, tags: ["a", undefined] },
      at,
      empty: undefined,
      stepId: "s",
    };
    await bus.emit({ name: "a", data: 1, metadata });
    await bus.settled();
    const {
      createdAt: _,
      created_at: __,
      publishedAt: ___,
      published_at: ____,
      correlationId: _____,
      ...own
    } = events.get("a")?.metadata ?? {};
    expect(own).toStrictEqual({
      tenant: { id: 7, tags: ["a", null] },
      at: "1970-01-01T00:00:00.000Z",
      stepId: "s",
    });
    expect(metadata.at).toBe(at);
  });

  test("keeps its id and metadata through retries", async () => {
    const { bus, clock } = await startTestBus();
    const seen: Event[] = [];
    bus.subscribe(
      "a",
      (event) => {
        seen.push(event);
        throw new Error("no");
      },
      { subscriberId: "mail", attempts: 3, backoff: 10 },
    );
    await bus.emit({ name: "a", data: 1, metadata: { tenant: 7 } });
    await clock.advance(100);
    expect(seen).toHaveLength(3);
    expect(seen[1]).toStrictEqual(seen[0]);
    expect(seen[2]).toStrictEqual(seen[0]);
  });
});

describe("causality", () => {
  test("an event that nobody caused has its own id as correlationId and no causationId", async () => {
    const { bus } = await startTestBus();
    const events = collect(bus);
    await bus.emit({ name: "a", data: 1, id: "root" });
    await bus.settled();
    expect(events.get("a")?.metadata.correlationId).toBe("root");
    expect(events.get("a")?.metadata).not.toHaveProperty("causationId");
  });

  test("is carried through handlers, three events deep, over awaits and timers", async () => {
    const { bus, clock } = await startTestBus();
    const events = collect(bus);
    bus.subscribe("level.0", async () => {
      await Promise.resolve();
      await bus.emit("level.1", 1);
    });
    bus.subscribe("level.1", async () => {
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 100));
      await new Promise<void>((resolve) => setImmediate(resolve));
      await bus.emit([{ name: "level.2", data: 1 }]);
    });
    bus.subscribe("level.2", () => {
      queueMicrotask(() => void bus.emit("level.3", 1));
    });
    const [root] = await bus.emit("level.0", 1);
    await clock.advance(100);
    await bus.settled();
    const chain = [0, 1, 2, 3].map((level) => events.get(`level.${level}`));
    expect(chain.map((event) => event?.metadata.correlationId)).toEqual([root, root, root, root]);
    expect(chain.map((event) => event?.metadata.causationId)).toEqual([
      undefined,
      ...chain.slice(0, 3).map((event) => event?.id),
    ]);
  });

  test("is carried through retries, delays and events that another subscription caused", async () => {
    const { bus, clock } = await startTestBus();
    const events = collect(bus);
    let runs = 0;
    bus.subscribe(
      "order.placed",
      async () => {
        if (++runs < 3) throw new Error("not yet");
        await bus.emit("order.confirmed", 1, { delay: 500 });
      },
      { subscriberId: "confirm", attempts: 3, backoff: 100 },
    );
    bus.subscribe("order.confirmed", () => bus.emit("receipt.sent", 1).then(() => {}));
    const [root] = await bus.emit("order.placed", 1);
    await clock.advance(1000);
    expect(events.get("order.confirmed")?.metadata).toMatchObject({
      correlationId: root,
      causationId: root,
    });
    expect(events.get("receipt.sent")?.metadata).toMatchObject({
      correlationId: root,
      causationId: events.get("order.confirmed")?.id,
    });
  });

  test("is the handler's own again after another one has run within its emit", async () => {
    const inner = memoryProvider();
    let deliver: Deliver | undefined;
    const provider = providerLike(inner, {
      consume: (spec, its) => {
        deliver = its;
        return inner.consume(spec, its);
      },
      publish: async (batch) => {
        for (const envelope of batch) {
          void deliver?.({ envelope, state: undefined, crashes: 0 });
        }
        return batch.map(() => ({ status: "accepted", subscriptions: 1 }));
      },
    });
    const { bus } = await startTestBus({ provider });
    const causes: [string, unknown][] = [];
    bus.subscribe(
      "*",
      ({ name, metadata }) => {
        causes.push([name, metadata.causationId]);
        if (name !== "outer") return;
        void bus.emit({ name: "within", data: 1 });
        void bus.emit({ name: "after", data: 1 });
      },
      { subscriberId: "all" },
    );
    await bus.emit({ name: "outer", data: 1, id: "outer" });
    expect(causes).toEqual([
      ["outer", undefined],
      ["within", "outer"],
      ["after", "outer"],
    ]);
  });

  test("does not mix what runs at the same time", async () => {
    const { bus } = await startTestBus();
    const children: Event<{ of: string }>[] = [];
    const everyoneIsHere = createGate();
    let here = 0;
    bus.subscribe<{ key: string }>(
      "parent",
      async ({ data }) => {
        if (++here === 50) everyoneIsHere.open();
        await everyoneIsHere.opened;
        await bus.emit("child", { of: data.key });
      },
      { subscriberId: "parents", concurrency: 50 },
    );
    bus.subscribe<{ of: string }>("child", (event) => void children.push(event));
    const keys = Array.from({ length: 50 }, (_, index) => `key ${index}`);
    const ids = await bus.emit(keys.map((key) => ({ name: "parent", data: { key } })));
    await bus.settled();
    expect(children).toHaveLength(50);
    for (const { data, metadata } of children) {
      const parent = ids[keys.indexOf(data.of)];
      expect([metadata.correlationId, metadata.causationId]).toEqual([parent, parent]);
    }
  });

  test("does not leak from an emit into handlers, nor out of a handler that has ended", async () => {
    const { bus } = await startTestBus();
    const events = collect(bus);
    bus.subscribe("outer", async () => {
      // What a handler emits is handled on its own: its handler's events have it as their cause.
      await bus.emit("inner", 1);
      await bus.emit("sibling", 1);
    });
    bus.subscribe("inner", () => bus.emit("innermost", 1).then(() => {}));
    const [outer] = await bus.emit("outer", 1);
    await bus.settled();
    await bus.emit("unrelated", 1);
    await bus.settled();
    expect(events.get("sibling")?.metadata.causationId).toBe(outer);
    expect(events.get("innermost")?.metadata.causationId).toBe(events.get("inner")?.id);
    expect(events.get("unrelated")?.metadata.causationId).toBeUndefined();
  });

  test("is not inherited by a subscription that was made inside a handler", async () => {
    const { bus } = await startTestBus();
    const events = collect(bus);
    bus.subscribe("first", () => {
      bus.subscribe("second", () => bus.emit("third", 1).then(() => {}));
    });
    await bus.emit("first", 1);
    await bus.settled();
    const [second] = await bus.emit("second", 1);
    await bus.settled();
    expect(events.get("third")?.metadata).toMatchObject({
      correlationId: second,
      causationId: second,
    });
  });

  test("gives way to what the emitter says", async () => {
    const { bus } = await startTestBus();
    const events = collect(bus);
    bus.subscribe("a", async () => {
      await bus.emit({ name: "b", data: 1, metadata: { correlationId: "c", causationId: "d" } });
      await bus.emit({ name: "partly", data: 1, metadata: { correlationId: "c" } });
    });
    const [root] = await bus.emit("a", 1);
    await bus.settled();
    expect(events.get("b")?.metadata).toMatchObject({ correlationId: "c", causationId: "d" });
    expect(events.get("partly")?.metadata).toMatchObject({ correlationId: "c", causationId: root });
  });

  test("reaches from one bus to another", async () => {
    const [one, other] = [await startTestBus(), await startTestBus()];
    const events = collect(other.bus);
    one.bus.subscribe("a", () => other.bus.emit("b", 1).then(() => {}));
    const [root] = await one.bus.emit("a", 1);
    await one.bus.settled();
    await other.bus.settled();
    expect(events.get("b")?.metadata).toMatchObject({ correlationId: root, causationId: root });
  });
});
