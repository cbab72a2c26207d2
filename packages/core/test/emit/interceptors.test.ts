import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createEventBus } from "../../src/event-bus.ts";
import type { Event } from "../../src/contract/event.ts";
import type { Interceptor } from "../../src/contract/interceptor.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { createGate, memoryProvider, startTestBus } from "../support/test-bus.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";

describe("interceptors", () => {
  test("see each event of an emit, in order, with its context", async () => {
    const { bus, clock } = await startTestBus();
    const seen: unknown[] = [];
    bus.addInterceptor((event, context) => void seen.push({ event, context }));
    const now = new Date(clock.now());
    const ids = await bus.emit([
      { name: "order.placed", data: { at: now } },
      { name: "order.paid", data: null, metadata: { source: "till" } },
    ]);
    const metadata = {
      createdAt: now,
      created_at: now,
      publishedAt: now,
      published_at: now,
    };
    expect(seen).toEqual([
      {
        event: {
          id: ids[0],
          name: "order.placed",
          data: { at: now.toISOString() },
          metadata: { ...metadata, correlationId: ids[0] },
        },
        context: { isGrouped: false },
      },
      {
        event: {
          id: ids[1],
          name: "order.paid",
          data: null,
          metadata: { ...metadata, correlationId: ids[1], source: "till" },
        },
        context: { isGrouped: false },
      },
    ]);
  });

  test("run when nobody subscribes", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    bus.addInterceptor((event) => void seen.push(event.name));
    await bus.emit("order.placed", null);
    expect(seen).toEqual(["order.placed"]);
  });

  test("are awaited, one after the other, before anything is sent", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    const gate = createGate();
    const steps: string[] = [];
    bus.addInterceptor(async () => {
      steps.push("first begins");
      await gate.opened;
      steps.push("first ends");
    });
    bus.addInterceptor(() => void steps.push("second"));
    const emit = bus.emit("order.placed", 1).then(() => steps.push("emitted"));
    await idle();
    expect(steps).toEqual(["first begins"]);
    expect(seen.data).toEqual([]);
    gate.open();
    await emit;
    expect(steps).toEqual(["first begins", "first ends", "second", "emitted"]);
  });

  test("may replace the event; the next one sees the replacement", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    bus.addInterceptor((event) => ({ ...event, name: "order.seen", data: { a: event.data } }));
    bus.addInterceptor((event) => ({ ...event, data: { b: event.data } }));
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(seen.events).toMatchObject([{ name: "order.seen", data: { b: { a: 1 } } }]);
  });

  test("a replacement keeps the id, the times, the correlation and the group of the event", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    bus.addInterceptor((event) => ({
      id: "mine",
      name: event.name,
      data: "replaced",
      metadata: {
        created_at: new Date(0),
        published_at: new Date(0),
        eventGroupId: "mine",
        extra: true,
      },
    }));
    const now = new Date(clock.now());
    const [id] = await bus.emit("order.placed", 1);
    const [grouped] = await bus.emit({
      name: "order.placed",
      data: 2,
      metadata: { eventGroupId: "g" },
    });
    await clock.advance(1000);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.events).toEqual([
      {
        id,
        name: "order.placed",
        data: "replaced",
        metadata: {
          createdAt: now,
          created_at: now,
          publishedAt: now,
          published_at: now,
          correlationId: id,
          extra: true,
        },
      },
      {
        id: grouped,
        name: "order.placed",
        data: "replaced",
        metadata: {
          createdAt: now,
          created_at: now,
          publishedAt: new Date(now.getTime() + 1000),
          published_at: new Date(now.getTime() + 1000),
          correlationId: grouped,
          eventGroupId: "g",
          extra: true,
        },
      },
    ]);
  });

  test("a replacement keeps the options of the emit", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    bus.addInterceptor((event) => ({ ...event, data: "replaced" }));
    await bus.emit("order.placed", 1, { delay: 1000 });
    await clock.advance(999);
    expect(seen.data).toEqual([]);
    await clock.advance(1);
    expect(seen.data).toEqual(["replaced"]);
  });

  test.each<[string, Partial<Record<keyof Event, unknown>>, string]>([
    ["a name that is not one", { name: "order placed" }, "(intercepted) name"],
    ["a name that is a pattern", { name: "order.*" }, "(intercepted) name"],
    ["data that is not JSON", { data: { amount: 1n } }, "(intercepted) data.amount"],
    ["no data", { data: undefined }, "(intercepted) data"],
    ["metadata that is not JSON", { metadata: { f() {} } }, "(intercepted) metadata.f"],
    ["metadata that is no object", { metadata: "order" }, "(intercepted) metadata"],
    [
      "metadata with an id that is none",
      { metadata: { correlationId: 1 } },
      "(intercepted) metadata.correlationId",
    ],
  ])("a replacement with %s is refused, and nothing is sent", async (_, members, path) => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    bus.addInterceptor((event) =>
      event.data === 2 ? ({ ...event, ...members } as Event) : undefined,
    );
    const messages = [1, 2].map((data) => ({ name: "order.placed", data }));
    await expect(bus.emit(messages)).rejects.toMatchObject({
      code: "BUSBAR_INVALID_MESSAGE",
      details: { issues: [{ path }] },
    });
    await bus.settled();
    expect(seen.data).toEqual([]);
  });

  test("a replacement is validated against the schema of its event", async () => {
    const bus = createEventBus({
      provider: memoryProvider(),
      clock: createManualClock(),
      events: defineEvents({ "order.placed": z.object({ orderId: z.string() }) }),
    });
    await using _ = bus;
    const seen: unknown[] = [];
    bus.subscribe("order.placed", (event) => void seen.push(event.data));
    bus.addInterceptor((event) => ({ ...event, data: { orderId: 42 } }));
    await bus.start();
    await expect(bus.emit("order.placed", { orderId: "42" })).rejects.toMatchObject({
      code: "BUSBAR_INVALID_EVENT",
      details: { event: "order.placed", issues: [{ path: "orderId" }] },
    });
    await bus.settled();
    expect(seen).toEqual([]);
  });

  test("an event that is dropped by null is counted, and the interceptors after it do not see it", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    const after: unknown[] = [];
    bus.addInterceptor(async (event) => (event.data === 2 ? null : undefined));
    bus.addInterceptor((event) => void after.push(event.data));
    const ids = await bus.emit([1, 2, 3].map((data) => ({ name: "order.placed", data })));
    await bus.settled();
    expect(ids).toHaveLength(3);
    expect(seen.data).toEqual([1, 3]);
    expect(after).toEqual([1, 3]);
    expect((await bus.inspect()).counters).toMatchObject({ intercepted: 1, emitted: 2 });
  });

  test("an emit of which every event is dropped resolves, and sends nothing", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    bus.addInterceptor(() => null);
    expect(await bus.emit("order.placed", 1)).toHaveLength(1);
    await bus.settled();
    expect(seen.data).toEqual([]);
  });

  test.each<[string, (error: Error) => Interceptor]>([
    [
      "a throw",
      (error) => () => {
        throw error;
      },
    ],
    ["a rejection", (error) => () => Promise.reject(error)],
  ])(
    "%s rejects the emit with that very error, and nothing of it is sent or staged",
    async (_, fail) => {
      const { bus } = await startTestBus();
      const seen = collect(bus);
      const error = new Error("not allowed");
      bus.addInterceptor((event, context) =>
        event.data === 3 ? fail(error)(event, context) : undefined,
      );
      const emit = bus.emit([
        { name: "order.placed", data: 1 },
        { name: "order.placed", data: 2, metadata: { eventGroupId: "g" } },
        { name: "order.placed", data: 3 },
      ]);
      await expect(emit).rejects.toBe(error);
      await bus.settled();
      expect(seen.data).toEqual([]);
      expect(await bus.inspect()).toMatchObject({ groups: [], counters: { emitted: 0 } });
    },
  );

  test("what an interceptor does to the event it sees changes nothing", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    bus.addInterceptor((event) => {
      const { data, metadata } = event as {
        data: { items: number[] };
        metadata: Record<string, unknown>;
      };
      data.items.push(666);
      metadata["correlationId"] = "mine";
      (metadata["created_at"] as Date).setTime(0);
    });
    const sent = { items: [1] };
    const [id] = await bus.emit("order.placed", sent);
    await bus.settled();
    expect(sent).toEqual({ items: [1] });
    expect(seen.events).toMatchObject([
      { data: { items: [1] }, metadata: { correlationId: id, created_at: new Date(clock.now()) } },
    ]);
  });

  test("what is done to a replacement afterwards changes nothing", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    const data = { items: [1] };
    bus.addInterceptor((event) => ({ ...event, data }));
    const emit = bus.emit("order.placed", null);
    await emit;
    data.items.push(666);
    await bus.settled();
    expect(seen.data).toEqual([{ items: [1] }]);
  });

  test("may be added and removed while the bus runs", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const interceptor: Interceptor = (event) => void seen.push(event.data);
    await bus.emit("order.placed", 1);
    expect(bus.addInterceptor(interceptor)).toBe(bus);
    await bus.emit("order.placed", 2);
    expect(bus.removeInterceptor(interceptor)).toBe(bus);
    await bus.emit("order.placed", 3);
    expect(seen).toEqual([2]);
  });

  test("one that is added twice runs once", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const interceptor: Interceptor = (event) => void seen.push(event.data);
    bus.addInterceptor(interceptor).addInterceptor(interceptor);
    await bus.emit("order.placed", 1);
    expect(seen).toEqual([1]);
  });

  test("one that removes itself runs once", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    const once: Interceptor = (event) => {
      seen.push(event.data);
      bus.removeInterceptor(once);
    };
    bus.addInterceptor(once);
    await bus.emit("order.placed", 1);
    await bus.emit("order.placed", 2);
    expect(seen).toEqual([1]);
  });

  test("one that does not answer makes the emit reject in time, and nothing is sent", async () => {
    const { bus, clock } = await startTestBus({ emitTimeoutMs: 1000 });
    const seen = collect(bus);
    const gate = createGate();
    bus.addInterceptor(() => gate.opened);
    const emit = expect(bus.emit("order.placed", 1)).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: { timeoutMs: 1000, accepted: [], unknown: [] },
    });
    await clock.advance(1000);
    await emit;
    gate.open();
    await bus.settled();
    expect(seen.data).toEqual([]);
  });
});
