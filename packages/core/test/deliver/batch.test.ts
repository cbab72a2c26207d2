import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Event } from "../../src/contract/event.ts";
import type { BatchOptions, BatchSubscriber } from "../../src/contract/subscriber.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { crashingProvider, deadData, emitMany, numbers, watchBatches } from "../support/batches.ts";
import { idle } from "../support/manual-clock.ts";
import { createGate, createTestBus, startTestBus, type TestBus } from "../support/test-bus.ts";

describe("which events come together", () => {
  test("without maxWaitMs, those that are there, in order, and maxEvents at most", async () => {
    const it = await startTestBus();
    const batches = watchBatches(it, { maxEvents: 4 });
    await emitMany(it, numbers(6));
    await it.bus.settled();
    await emitMany(it, [6]);
    await it.bus.settled();
    expect(batches).toEqual([[0, 1, 2, 3], [4, 5], [6]]);
  });

  test("with maxWaitMs, the first event of a batch waits for others", async () => {
    const it = await startTestBus();
    const batches = watchBatches(it, { maxEvents: 4, maxWaitMs: 100 });
    await emitMany(it, [0]);
    await it.clock.advance(60);
    await emitMany(it, [1]);
    await it.clock.advance(39);
    expect(batches).toEqual([]);
    await it.clock.advance(1);
    expect(batches).toEqual([[0, 1]]);
    await emitMany(it, numbers(4, 2));
    await idle();
    expect(batches).toEqual([
      [0, 1],
      [2, 3, 4, 5],
    ]);
    expect(it.clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("an event that stays behind a full batch waits no longer than maxWaitMs in all", async () => {
    const it = await startTestBus();
    const from = it.clock.monotonic();
    const starts: number[] = [];
    const gate = createGate();
    const batch = { maxEvents: 3, maxWaitMs: 300 };
    const batches = watchBatches(it, batch, { concurrency: 2 }, () => {
      starts.push(it.clock.monotonic() - from);
      return starts.length > 2 ? undefined : gate.opened;
    });
    for (const data of [0, 1]) {
      await emitMany(it, [data]);
      await it.clock.advance(300);
    }
    await emitMany(it, numbers(4, 2));
    await it.clock.advance(200);
    gate.open();
    await it.clock.advance(1_000);
    expect(batches).toEqual([[0], [1], [2, 3, 4], [5]]);
    expect(starts).toEqual([300, 600, 800, 900]);
  });

  test("one batch runs at a time, or as many as concurrency says", async () => {
    for (const concurrency of [undefined, 2]) {
      const it = await startTestBus();
      const gate = createGate();
      const options = concurrency === undefined ? {} : { concurrency };
      const batches = watchBatches(it, { maxEvents: 2 }, options, () => gate.opened);
      await emitMany(it, numbers(7));
      await idle();
      expect(batches).toHaveLength(concurrency ?? 1);
      const [mail] = (await it.bus.inspect()).subscriptions;
      expect(mail?.inFlight).toBe(2 * (concurrency ?? 1));
      gate.open();
      await it.bus.settled();
      expect(batches.flat()).toEqual(numbers(7));
    }
  });

  test("the events of two handlers of one subscription come apart", async () => {
    const it = await startTestBus();
    const batches = watchBatches(it, { maxEvents: 2 });
    const others: unknown[][] = [];
    it.bus.subscribe("b", (events) => void others.push(events.map(({ data }) => data)), {
      subscriberId: "mail",
      batch: { maxEvents: 2 },
    });
    const message = (name: string, data: number) => ({ name, data });
    await it.bus.emit([message("a", 1), message("b", 1), message("a", 2), message("b", 2)]);
    await it.bus.settled();
    expect([batches, others].map((each) => each.flat())).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test("one handler gets events of several names together", async () => {
    const it = await startTestBus();
    const batches: string[][] = [];
    const handler = (events: readonly Event[]): void =>
      void batches.push(events.map(({ name }) => name));
    it.bus.subscribe(["order.*", "ping"], handler, {
      subscriberId: "mail",
      batch: { maxEvents: 5 },
    });
    await it.bus.emit(["order.a", "ping", "order.b"].map((name) => ({ name, data: 1 })));
    await it.bus.settled();
    expect(batches).toEqual([["order.a", "ping", "order.b"]]);
  });

  test("with ordering by key, a batch has one event of each key", async () => {
    const it = await startTestBus();
    const batches = watchBatches(it, { maxEvents: 10 }, { ordering: "key" });
    await it.bus.emit(
      ["x1", "x2", "y1", "x3", "y2"].map((data) => ({
        name: "a",
        data,
        options: { orderingKey: data[0] as string },
      })),
    );
    await it.bus.settled();
    expect(batches).toEqual([["x1", "y1"], ["x2", "y2"], ["x3"]]);
  });

  test("an event that was in flight when a process ended comes alone", async () => {
    const it = await startTestBus({
      provider: crashingProvider((data) => (data === 2 || data === 3 ? 1 : 0)),
    });
    const batches = watchBatches(it, { maxEvents: 10 });
    await emitMany(it, numbers(5));
    await it.bus.settled();
    expect(batches).toEqual([[0, 1, 4], [2], [3]]);
  });

  test("an event that has crashed too often does not come at all", async () => {
    const it = await startTestBus({
      maxCrashes: 1,
      provider: crashingProvider((data) => (data === 1 ? 2 : 0)),
    });
    const batches = watchBatches(it, { maxEvents: 10 });
    await emitMany(it, numbers(3));
    await it.bus.settled();
    expect(batches).toEqual([[0, 2]]);
    expect(await deadData(it)).toEqual([[1, "crashed"]]);
  });

  test("an event that is there twice comes twice", async () => {
    for (const isolation of ["copy", "none"] as const) {
      const it = await startTestBus({ isolation });
      const seen: [string, number][] = [];
      watchBatches(it, { maxEvents: 10 }, { attempts: 2 }, (events, context) => {
        for (const event of events) seen.push([event.id, context.attempt(event)]);
        context.ack(events[0]!);
        throw new Error("no");
      });
      await it.bus.emit("a", 1, {});
      await it.bus.settled();
      seen.length = 0;
      await it.bus.emit([
        { name: "a", data: 1, id: "same" },
        { name: "a", data: 2, id: "same" },
      ]);
      await it.bus.settled();
      expect(seen).toEqual([
        ["same", 1],
        ["same", 1],
        ["same", 2],
      ]);
    }
  });
});

describe("batch and other options", () => {
  const subscribe =
    (context: object, handler: BatchSubscriber = () => {}) =>
    (bus: TestBus["bus"]): unknown =>
      bus.subscribe("a", handler, context as { readonly batch: BatchOptions });

  test.each([
    [{ maxEvents: 0 }, "option batch.maxEvents must be a whole number from 1 to 1000"],
    [{ maxEvents: 1_001 }, "option batch.maxEvents must be a whole number from 1 to 1000"],
    [{ maxWaitMs: 5 }, "option batch.maxEvents is missing"],
    [{ maxEvents: 5, maxWaitMs: -1 }, "option batch.maxWaitMs must be a number of milliseconds"],
    [{ maxEvent: 5 }, `has no option "batch.maxEvent", did you mean "maxEvents"?`],
  ])("%j is refused", (batch, message) => {
    const { bus } = createTestBus();
    expect(() => subscribe({ subscriberId: "mail", batch })(bus)).toThrow(message);
  });

  test("needs a subscriberId", () => {
    const { bus } = createTestBus();
    expect(() => subscribe({ batch: { maxEvents: 2 } })(bus)).toThrow(
      `The anonymous subscriber of "a#anonymous" has a batch: give it a subscriberId`,
    );
  });

  test(`is refused with ordering "all", also where that is the default`, () => {
    const batch = { maxEvents: 2 };
    const message = `Subscriber "mail" has a batch and ordering "all"`;
    const context = { subscriberId: "mail", batch, ordering: "all" };
    expect(() => subscribe(context)(createTestBus().bus)).toThrow(message);
    const { bus } = createTestBus({ subscriptionDefaults: { ordering: "all" } });
    expect(() => subscribe({ subscriberId: "mail", batch })(bus)).toThrow(message);
  });

  test("is refused on a bus with an inbox", () => {
    const middleware = (_: unknown, next: () => Promise<void>): Promise<void> => next();
    const inbox = { createInbox: () => ({ name: "inbox", middleware }) };
    const { bus } = createTestBus({ inbox });
    expect(() => subscribe({ subscriberId: "mail", batch: { maxEvents: 2 } })(bus)).toThrow(
      `Subscriber "mail" has a batch, and the bus has an inbox, which gives each event a transaction of its own`,
    );
  });

  test("is no default of subscriptions", () => {
    const subscriptionDefaults = { batch: { maxEvents: 2 } };
    expect(() => createTestBus({ subscriptionDefaults: subscriptionDefaults as object })).toThrow(
      `"subscriptionDefaults.batch"`,
    );
  });

  test("one id has one batch, and each of its calls says so", () => {
    const { bus } = createTestBus();
    const batch = { maxEvents: 2 };
    bus.subscribe("a", () => {}, { subscriberId: "mail", batch });
    bus.subscribe("b", () => {}, { subscriberId: "mail", batch });
    expect(() => bus.subscribe("c", () => {}, { subscriberId: "mail" })).toThrow(
      `batch is {"maxEvents":2} and not given`,
    );
    expect(() =>
      bus.subscribe("c", () => {}, { subscriberId: "mail", batch: { maxEvents: 3 } }),
    ).toThrow(`batch is {"maxEvents":2} and {"maxEvents":3}`);
  });

  test("unsubscribe takes the handler", async () => {
    const it = await startTestBus();
    const handler = (): void => {};
    it.bus.subscribe("a", handler, { subscriberId: "mail", batch: { maxEvents: 2 } });
    it.bus.unsubscribe("a", handler);
    expect((await it.bus.inspect()).subscriptions).toEqual([]);
  });

  test("inspect() and explain() show it, with the number of batches", async () => {
    const it = await startTestBus();
    watchBatches(it, { maxEvents: 20, maxWaitMs: 5 }, { concurrency: 3 });
    const policy = { batch: { maxEvents: 20, maxWaitMs: 5 }, concurrency: 3 };
    const [instance] = (await it.bus.inspect()).instances;
    expect(instance?.subscriptions[0]?.policy).toMatchObject(policy);
    const [explained] = (await it.bus.explain("a")).subscriptions;
    expect(explained?.policy).toMatchObject(policy);
  });

  test("a handler made by a catalogue, or of a file, takes one argument", async () => {
    const it = await startTestBus();
    const seen: unknown[] = [];
    const events = defineEvents({ a: z.number() });
    const handler = events.subscriber(
      "a",
      ({ events: given, attempt, ack, subscriberId, signal, container, logger }) => {
        seen.push([given.map((event) => [event.data + 1, attempt(event)]), subscriberId]);
        ack(given[0]!);
        expect([signal.aborted, container, logger]).toEqual([
          false,
          expect.anything(),
          expect.anything(),
        ]);
        throw new Error("no");
      },
      { subscriberId: "mail", batch: { maxEvents: 5 } },
    );
    it.bus.subscribe(...handler.subscription);
    await emitMany(it, [1, 2]);
    await it.bus.settled();
    expect(seen).toEqual([
      [
        [
          [2, 1],
          [3, 1],
        ],
        "mail",
      ],
    ]);
    expect(await deadData(it)).toEqual([[2, "failed"]]);
  });
});
