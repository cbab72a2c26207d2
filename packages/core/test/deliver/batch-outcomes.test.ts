import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Event } from "../../src/contract/event.ts";
import type { BatchContext } from "../../src/contract/subscriber.ts";
import { isBusbarError, PermanentError, ReleaseDelivery } from "../../src/errors/errors.ts";
import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { deadData, durableProvider, emitMany, numbers, watchBatches } from "../support/batches.ts";
import { idle } from "../support/manual-clock.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

describe("what becomes of each event", () => {
  test("a handler that throws fails what it has not acknowledged, and only that is retried", async () => {
    const it = await startTestBus();
    const attempts: number[][] = [];
    const batches = watchBatches(it, { maxEvents: 4 }, { attempts: 2 }, (events, context) => {
      attempts.push(events.map((event) => context.attempt(event)));
      if (attempts.length > 1) return;
      context.ack(events[1]!);
      throw new Error("no");
    });
    await emitMany(it, numbers(4));
    await it.bus.settled();
    expect(batches).toEqual([
      [0, 1, 2, 3],
      [0, 2, 3],
    ]);
    expect(attempts).toEqual([
      [1, 1, 1, 1],
      [2, 2, 2],
    ]);
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 4, failed: 3 });
  });

  test("one of fifty fails, and only that one is retried", async () => {
    const it = await startTestBus();
    const options = { attempts: 3, backoff: 1_000 };
    const batches = watchBatches(it, { maxEvents: 50 }, options, (events, context) => {
      const bad = events.find(({ data }) => data === 17);
      if (bad && context.attempt(bad) === 1) context.fail(bad, new Error("no"));
    });
    await emitMany(it, numbers(50));
    await idle();
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 49, failed: 1 });
    await it.clock.advance(1_000);
    expect(batches).toEqual([numbers(50), [17]]);
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 50, failed: 1 });
  });

  test("what failed keeps its own error when the handler throws another", async () => {
    const it = await startTestBus();
    watchBatches(it, { maxEvents: 3 }, {}, (events, { fail }) => {
      fail(events[0]!, new Error("its own"));
      throw new Error("of all");
    });
    await emitMany(it, numbers(2));
    await it.bus.settled();
    const { items } = await it.bus.deadLetters.list();
    expect(items.map(({ errors }) => errors[0]?.message)).toEqual(["its own", "of all"]);
  });

  test("the first word on an event counts, and a word that comes late is ignored", async () => {
    const it = await startTestBus();
    let context: BatchContext | undefined;
    let events: readonly Event[] = [];
    watchBatches(it, { maxEvents: 3 }, {}, (given, { ...its }) => {
      [events, context] = [given, its];
      its.ack(given[0]!);
      its.fail(given[0]!, new Error("too late"));
      its.fail(given[1]!, new Error("no"));
      its.ack(given[1]!);
    });
    await emitMany(it, numbers(3));
    await it.bus.settled();
    context?.fail(events[2]!, new Error("too late"));
    expect(await deadData(it)).toEqual([[1, "failed"]]);
  });

  test("a PermanentError or a ReleaseDelivery concerns the event that it is given for", async () => {
    const it = await startTestBus();
    const options = { attempts: 3 };
    const batches = watchBatches(it, { maxEvents: 3 }, options, (events, { fail, attempt }) => {
      for (const event of events) {
        if (event.data === 0) fail(event, new PermanentError("never"));
        if (event.data === 1 && batches.length === 1) {
          fail(event, new ReleaseDelivery("later", { delayMs: 500 }));
        } else expect(attempt(event)).toBe(1);
      }
    });
    await emitMany(it, numbers(3));
    await it.clock.advance(500);
    expect(batches).toEqual([[0, 1, 2], [1]]);
    expect(await deadData(it)).toEqual([[0, "permanent"]]);
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 2, failed: 1 });
  });

  test("an event that is acknowledged is acknowledged at once", async () => {
    const it = await startTestBus();
    const gate = createGate();
    watchBatches(it, { maxEvents: 3 }, {}, (events, { ack }) => {
      ack(events[0]!);
      return gate.opened;
    });
    await emitMany(it, numbers(3));
    await idle();
    expect((await it.bus.inspect()).counters.acknowledged).toBe(1);
    gate.open();
    await it.bus.settled();
    expect((await it.bus.inspect()).counters.acknowledged).toBe(3);
  });

  test("a context takes only the events of its batch", async () => {
    const it = await startTestBus();
    const errors: unknown[] = [];
    watchBatches(it, { maxEvents: 3 }, {}, (events, { ack }) => {
      try {
        ack({ ...events[0]! });
      } catch (error) {
        errors.push(error);
      }
    });
    await emitMany(it, [1]);
    await it.bus.settled();
    expect(errors).toEqual([
      new TypeError(
        `ack() of subscriber "mail" needs an event of the batch: the object that the handler was given`,
      ),
    ]);
  });

  test("a handler may throw anything, at once or later", async () => {
    for (const thrown of [undefined, "text", Object.create(null)]) {
      for (const handle of [
        () => {
          throw thrown;
        },
        async () => {
          throw thrown;
        },
      ]) {
        const it = await startTestBus();
        watchBatches(it, { maxEvents: 2 }, {}, handle);
        await emitMany(it, numbers(2));
        await it.bus.settled();
        expect(await deadData(it)).toEqual([
          [0, "failed"],
          [1, "failed"],
        ]);
      }
    }
  });
});

describe("timeoutMs", () => {
  test("counts from the call, and fails what is not settled", async () => {
    const it = await startTestBus();
    const batch = { maxEvents: 3, maxWaitMs: 1_000 };
    const signals: AbortSignal[] = [];
    watchBatches(it, batch, { timeoutMs: 500 }, (events, context) => {
      signals.push(context.signal);
      context.ack(events[0]!);
      return new Promise(() => {});
    });
    await emitMany(it, numbers(2));
    await it.clock.advance(1_499);
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 0 });
    await it.clock.advance(1);
    const [dead, ...others] = (await it.bus.deadLetters.list()).items;
    expect(others).toEqual([]);
    expect(dead).toMatchObject({ event: { data: 1 }, errors: [{ code: "BUSBAR_TIMEOUT" }] });
    expect(isBusbarError(signals[0]?.reason, "BUSBAR_TIMEOUT")).toBe(true);
  });

  test("frees the slot of a handler that ignores its signal, and throws its result away", async () => {
    const it = await startTestBus();
    const gate = createGate();
    const batches = watchBatches(
      it,
      { maxEvents: 2 },
      { timeoutMs: 500, attempts: 2 },
      async (events, { fail }) => {
        if (batches.length > 1) return;
        await gate.opened;
        fail(events[0]!, new Error("too late"));
      },
    );
    await emitMany(it, numbers(2));
    await it.clock.advance(500);
    await it.bus.settled();
    expect(batches).toEqual([
      [0, 1],
      [0, 1],
    ]);
    gate.open();
    await idle();
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 2, failed: 2 });
    expect(it.logger.at("warn").map(({ message }) => message)).toContain(
      `Subscriber "mail" ended 500 ms after its start, past its time limit; its result is thrown away`,
    );
  });
});

describe("the end of a consumer", () => {
  test("pause hands a batch that is not full to the handler at once, and waits for it", async () => {
    const it = await startTestBus();
    const batches = watchBatches(it, { maxEvents: 10, maxWaitMs: 60_000 });
    await emitMany(it, numbers(3));
    await idle();
    await it.bus.pause("mail");
    expect(batches).toEqual([numbers(3)]);
    await emitMany(it, [3]);
    await it.bus.resume("mail");
    await it.clock.advance(59_999);
    expect(batches).toHaveLength(1);
    await it.clock.advance(1);
    expect(batches).toEqual([numbers(3), [3]]);
  });

  test("stop loses nothing and waits for no maxWaitMs", async () => {
    const it = await startTestBus();
    const gate = createGate();
    const batches = watchBatches(it, { maxEvents: 4, maxWaitMs: 60_000 }, {}, () => gate.opened);
    await emitMany(it, numbers(10));
    await idle();
    expect(batches).toEqual([numbers(4)]);
    const from = it.clock.monotonic();
    const stopping = it.bus.stop();
    gate.open();
    await stopping;
    expect(batches.flat()).toEqual(numbers(10));
    expect(it.clock.monotonic()).toBe(from);
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("a durable provider gets a batch that is not full settled before it closes", async () => {
    const it = await startTestBus({ provider: durableProvider() });
    const batches = watchBatches(it, { maxEvents: 10, maxWaitMs: 60_000 });
    await emitMany(it, numbers(3));
    await idle();
    await it.bus.stop();
    expect(batches).toEqual([numbers(3)]);
  });

  test("a handler that ignores its signal is left to itself after graceMs, and its events are handed back", async () => {
    const it = await startTestBus({ provider: durableProvider() });
    let context: BatchContext | undefined;
    const released: unknown[] = [];
    it.bus.on("released", ({ reason }) => void released.push(reason));
    const batches = watchBatches(it, { maxEvents: 2, maxWaitMs: 60_000 }, {}, (_, given) => {
      context = given;
      return new Promise(() => {});
    });
    await emitMany(it, numbers(3));
    await idle();
    const stopping = it.bus.stop({ graceMs: 1_000 });
    await it.clock.advance(1_000);
    await stopping;
    expect(batches).toEqual([[0, 1]]);
    expect(context?.signal.reason).toEqual(new Error("The bus stops, and 1000 ms have passed"));
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("a call that began before pauses is aborted at the end of graceMs", async () => {
    const it = await startTestBus({ provider: durableProvider() });
    let signal: AbortSignal | undefined;
    watchBatches(it, { maxEvents: 2 }, {}, (_, context) => {
      signal = context.signal;
      return new Promise(() => {});
    });
    await emitMany(it, [0]);
    await idle();
    for (let pauses = 0; pauses < 2; pauses += 1) {
      void it.bus.pause("mail");
      await idle();
      // This consumer has nothing in flight.
      if (pauses === 0) await it.bus.resume("mail");
    }
    const stopping = it.bus.stop({ graceMs: 1_000 });
    await it.clock.advance(1_000);
    await stopping;
    expect(signal?.aborted).toBe(true);
  });

  test("a handler that ends by its signal after graceMs fails nothing", async () => {
    const it = await startTestBus({ provider: durableProvider() });
    watchBatches(it, { maxEvents: 2 }, {}, (_, { signal }) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    });
    await emitMany(it, numbers(2));
    await idle();
    const stopping = it.bus.stop({ graceMs: 1_000 });
    await it.clock.advance(1_000);
    await stopping;
    expect(it.logger.at("error")).toEqual([]);
  });
});

describe("batch with rate", () => {
  test("a batch is one run, and grows until it may start", async () => {
    const it = await startTestBus();
    const from = it.clock.monotonic();
    const starts: number[] = [];
    const options = { rate: { max: 1, perMs: 1_000 } };
    const batches = watchBatches(it, { maxEvents: 3 }, options, () => {
      starts.push(it.clock.monotonic() - from);
    });
    await emitMany(it, [0]);
    await it.clock.advance(100);
    await emitMany(it, [1]);
    await it.clock.advance(100);
    await emitMany(it, numbers(4, 2));
    await it.clock.advance(5_000);
    expect(batches).toEqual([[0], [1, 2, 3], [4, 5]]);
    expect(starts).toEqual([0, 1_000, 2_000]);
  });

  test("pause hands back a batch that may not start", async () => {
    const it = await startTestBus();
    const options = { rate: { max: 1, perMs: 1_000 } };
    const batches = watchBatches(it, { maxEvents: 3 }, options);
    await emitMany(it, [0]);
    await idle();
    await emitMany(it, numbers(2, 1));
    await idle();
    await it.bus.pause("mail");
    expect((await it.bus.inspect()).subscriptions).toMatchObject([{ inFlight: 0, ready: 2 }]);
    await it.bus.resume("mail");
    await it.clock.advance(1_000);
    expect(batches).toEqual([[0], [1, 2]]);
    expect((await it.bus.inspect()).counters.failed).toBe(0);
  });

  test("stop waits for no batch that may not start within graceMs", async () => {
    const it = await startTestBus();
    const options = { rate: { max: 1, perMs: 10_000 } };
    const batches = watchBatches(it, { maxEvents: 2 }, options);
    await emitMany(it, [0]);
    await idle();
    await emitMany(it, numbers(5, 1));
    await idle();
    const from = it.clock.monotonic();
    await it.bus.stop({ graceMs: 5_000 });
    expect(it.clock.monotonic()).toBe(from);
    expect(batches).toEqual([[0]]);
    expect(it.clock.pendingTimers()).toBe(0);
  });
});

describe("what surrounds a batch", () => {
  test("middleware and notices see each event", async () => {
    const it = await startTestBus();
    const seen: unknown[] = [];
    it.bus.use(async ({ event }, next) => {
      await next();
      seen.push(event.data);
    });
    const durations: unknown[] = [];
    it.bus.on("delivered", ({ durationMs }) => void durations.push(durationMs));
    const batch = { maxEvents: 3, maxWaitMs: 500 };
    watchBatches(it, batch, {}, () => it.clock.advance(20));
    await emitMany(it, numbers(2));
    void it.clock.advance(500);
    await it.bus.settled();
    expect(seen).toEqual([0, 1]);
    // The time of the call, without the wait for others.
    expect(durations).toEqual([20, 20]);
  });

  test("middleware that does not call next acknowledges its event, which is in no batch", async () => {
    const it = await startTestBus();
    it.bus.use(async ({ event }, next) => {
      if (event.data !== 1) await next();
    });
    const batches = watchBatches(it, { maxEvents: 3 });
    await emitMany(it, numbers(3));
    await it.bus.settled();
    expect(batches).toEqual([[0, 2]]);
  });

  test("an event that does not match its schema is dead alone", async () => {
    const events = defineEvents({ a: z.number() }, { validateAtConsume: true });
    const provider = memoryProvider();
    // As if another release had emitted it.
    const emitter = createEventBus({ provider, logger: false });
    const batches: number[][] = [];
    const bus = createEventBus({
      events,
      logger: false,
      provider: providerLike(provider, { start: async () => {} }),
    });
    bus.subscribe("a", (given) => void batches.push(given.map(({ data }) => data)), {
      subscriberId: "mail",
      batch: { maxEvents: 5 },
    });
    await emitter.start();
    await bus.start();
    await emitter.emit([1, "no", 3].map((data) => ({ name: "a", data })));
    await idle();
    expect(batches).toEqual([[1, 3]]);
    expect((await bus.deadLetters.list()).items).toMatchObject([
      { event: { data: "no" }, reason: "invalid" },
    ]);
    await bus.stop();
    await emitter.stop();
  });

  test("a handler may change its events: nobody else sees it", async () => {
    const it = await startTestBus();
    const data = { tags: ["a"] };
    const others: unknown[] = [];
    watchBatches(it, { maxEvents: 2 }, {}, (events) => {
      for (const event of events as Event<{ tags: string[] }>[]) event.data.tags.push("changed");
    });
    it.bus.subscribe("a", async (event) => {
      await idle();
      others.push(event.data);
    });
    await emitMany(it, [data, data]);
    await it.bus.settled();
    expect(others).toEqual([{ tags: ["a"] }, { tags: ["a"] }]);
  });

  test("what is emitted in a batch has its first event as the cause, and settled() waits for it", async () => {
    const it = await startTestBus();
    const caused: unknown[] = [];
    it.bus.subscribe("b", ({ metadata }) => void caused.push(metadata["causationId"]), {
      subscriberId: "follow",
    });
    watchBatches(it, { maxEvents: 3 }, {}, async (events, { ack }) => {
      ack(events[0]!);
      await idle();
      await it.bus.emit("b", 1);
    });
    const ids = await emitMany(it, numbers(3));
    await it.bus.settled({ eventId: ids[1]! });
    await it.bus.settled();
    expect(caused).toEqual([ids[0]]);
  });

  test("a batch runs in the async context of the middleware of its first event", async () => {
    const it = await startTestBus();
    const storage = new AsyncLocalStorage<unknown>();
    it.bus.use(({ event }, next) => storage.run(event.data, next));
    const seen: unknown[] = [];
    watchBatches(it, { maxEvents: 2, maxWaitMs: 100 }, {}, () => {
      seen.push(storage.getStore());
    });
    await emitMany(it, numbers(5));
    await it.clock.advance(100);
    expect(seen).toEqual([0, 2, 4]);
  });

  test("a batch has a scope of services of its own, which is disposed after the call", async () => {
    const log: string[] = [];
    const container = {
      resolve: <T>(name: string | symbol): T => String(name) as T,
      createScope: () => ({
        resolve: <T>(name: string | symbol): T => {
          log.push(`resolve ${String(name)}`);
          return name as T;
        },
        dispose: async () => void log.push("dispose"),
      }),
    };
    const it = await startTestBus({ container });
    watchBatches(it, { maxEvents: 2 }, {}, async (_, context) => {
      context.container.resolve("db");
      await idle();
      context.container.resolve("mailer");
      log.push("end");
    });
    await emitMany(it, numbers(2));
    await it.bus.settled();
    await idle();
    expect(log).toEqual(["resolve db", "resolve mailer", "end", "dispose"]);
  });
});
