import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import type { SharedRates } from "../../src/contract/rates.ts";
import type { SubscriberContext } from "../../src/contract/subscriber.ts";
import { isBusbarError } from "../../src/errors/errors.ts";
import { crashingProvider, durableProvider, emitMany, numbers } from "../support/batches.ts";
import { idle } from "../support/manual-clock.ts";
import { createGate, createTestBus, startTestBus, type TestBus } from "../support/test-bus.ts";

/** Notes when each run starts, in milliseconds since the test began. */
function watchStarts({ bus, clock }: TestBus, context: SubscriberContext = {}) {
  const from = clock.monotonic();
  const starts: number[] = [];
  const data: unknown[] = [];
  const noted = (event: { readonly data: unknown }): void => {
    starts.push(clock.monotonic() - from);
    data.push(event.data);
  };
  bus.subscribe("a", noted, { subscriberId: "mail", ...context });
  return { starts, data };
}

function emitCount(it: TestBus, count: number, from = 0): Promise<unknown> {
  return emitMany(it, numbers(count, from));
}

describe("rate in memory", () => {
  test("no more than max runs start in any perMs, in the order of the events", async () => {
    const it = await startTestBus();
    const { starts, data } = watchStarts(it, { rate: { max: 3, perMs: 1_000 } });
    await emitCount(it, 2);
    await it.clock.advance(600);
    await emitCount(it, 6, 2);
    await it.clock.advance(5_000);
    expect(starts).toEqual([0, 0, 600, 1_000, 1_000, 1_600, 2_000, 2_000]);
    expect(data).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(it.clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("holds no more deliveries than it may run at the same time", async () => {
    const it = await startTestBus();
    watchStarts(it, { rate: { max: 1, perMs: 1_000 }, concurrency: 4 });
    await emitCount(it, 20);
    await idle();
    const [mail] = (await it.bus.inspect()).subscriptions;
    expect(mail).toMatchObject({ inFlight: 4, ready: 15 });
  });

  test("a retry is a run, and waits for its start after its delay", async () => {
    const it = await startTestBus();
    const from = it.clock.monotonic();
    const runs: [number, number][] = [];
    const fail = (_: unknown, { attempt }: { readonly attempt: number }): void => {
      runs.push([attempt, it.clock.monotonic() - from]);
      throw new Error("no");
    };
    it.bus.subscribe("a", fail, {
      subscriberId: "mail",
      attempts: 3,
      backoff: 100,
      rate: { max: 2, perMs: 1_000 },
    });
    await it.bus.emit("a", 1);
    await it.clock.advance(5_000);
    expect(runs).toEqual([
      [1, 0],
      [2, 100],
      [3, 1_000],
    ]);
  });

  test("timeoutMs counts from the start", async () => {
    const it = await startTestBus();
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 1_000 }, timeoutMs: 500 });
    await emitCount(it, 3);
    await it.clock.advance(3_000);
    expect(starts).toEqual([0, 1_000, 2_000]);
    expect((await it.bus.inspect()).counters).toMatchObject({ acknowledged: 3, failed: 0 });
  });

  test("a held delivery keeps its key, and others of the key wait behind it", async () => {
    const it = await startTestBus();
    const { starts, data } = watchStarts(it, { rate: { max: 1, perMs: 100 }, ordering: "key" });
    const message = (key: string) => ({ name: "a", data: key, options: { orderingKey: key } });
    await it.bus.emit(["x", "x", "y"].map(message));
    await it.clock.advance(1_000);
    expect(data).toEqual(["x", "y", "x"]);
    expect(starts).toEqual([0, 100, 200]);
  });

  test("an urgent event waits behind those that are held already", async () => {
    const it = await startTestBus();
    const { data } = watchStarts(it, { rate: { max: 1, perMs: 100 }, concurrency: 2 });
    await emitCount(it, 5);
    await idle();
    await it.bus.emit("a", "urgent", { priority: "high" });
    await it.clock.advance(1_000);
    expect(data).toEqual([0, 1, 2, "urgent", 3, 4]);
  });

  test("subscriptions do not share their rate", async () => {
    const it = await startTestBus({ subscriptionDefaults: { rate: { max: 1, perMs: 1_000 } } });
    const { starts } = watchStarts(it);
    const other: number[] = [];
    it.bus.subscribe("a", () => void other.push(it.clock.monotonic()), { subscriberId: "log" });
    await emitCount(it, 1);
    await idle();
    expect([starts.length, other.length]).toEqual([1, 1]);
  });

  test("a delivery without a handler, or with too many crashes, takes no start", async () => {
    const it = await startTestBus({
      maxCrashes: 0,
      provider: crashingProvider((data) => (data === "crashed" ? 1 : 0)),
    });
    const { data } = watchStarts(it, { rate: { max: 1, perMs: 1_000_000 } });
    await it.bus.emit("a", "crashed");
    await it.bus.emit("a", "fine");
    await idle();
    expect(data).toEqual(["fine"]);
    expect((await it.bus.inspect()).counters.dead).toBe(1);
  });

  test("pause hands back what is held, and the starts before it still count", async () => {
    const it = await startTestBus();
    const { starts } = watchStarts(it, { rate: { max: 2, perMs: 1_000 } });
    await emitCount(it, 5);
    await it.clock.advance(100);
    await it.bus.pause("mail");
    const [mail] = (await it.bus.inspect()).subscriptions;
    expect(mail).toMatchObject({ inFlight: 0, ready: 3 });
    await it.clock.advance(500);
    await it.bus.resume("mail");
    await it.clock.advance(5_000);
    expect(starts).toEqual([0, 0, 1_000, 1_000, 2_000]);
  });

  test("unsubscribe hands back what is held", async () => {
    const it = await startTestBus();
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 1_000 } });
    await emitCount(it, 3);
    await idle();
    it.bus.unsubscribe({ subscriberId: "mail" });
    await it.clock.advance(5_000);
    expect(starts).toEqual([0]);
  });

  test("stop delivers what may start within graceMs, and waits for nothing else", async () => {
    const it = await startTestBus();
    const { starts } = watchStarts(it, { rate: { max: 2, perMs: 1_000 }, concurrency: 3 });
    await emitCount(it, 10);
    await idle();
    let stopped: number | undefined;
    const from = it.clock.monotonic();
    const stopping = it.bus
      .stop({ graceMs: 2_500 })
      .then(() => (stopped = it.clock.monotonic() - from));
    await it.clock.advance(10_000);
    await stopping;
    expect(starts).toEqual([0, 0, 1_000, 1_000, 2_000, 2_000]);
    expect(stopped).toBe(2_000);
    expect(it.logger.at("warn")).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ count: 4 }) }),
    );
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("a run that hangs while others are held is cut short at the end of the grace", async () => {
    const it = await startTestBus();
    const starts: number[] = [];
    const hang = (): Promise<void> => {
      starts.push(it.clock.monotonic());
      return new Promise(() => {});
    };
    it.bus.subscribe("a", hang, { subscriberId: "mail", rate: { max: 1, perMs: 1_000 } });
    await emitCount(it, 3);
    await idle();
    const stopping = it.bus.stop({ graceMs: 500 });
    await it.clock.advance(10_000);
    await stopping;
    expect(starts).toHaveLength(1);
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("a held delivery runs in no other delivery's async context", async () => {
    const it = await startTestBus();
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const handler = (): void => {
      seen.push(storage.getStore());
    };
    it.bus.subscribe("a", handler, { subscriberId: "mail", rate: { max: 1, perMs: 100 } });
    await storage.run("request", () => emitCount(it, 3));
    await it.clock.advance(1_000);
    expect(seen).toEqual([undefined, undefined, undefined]);
  });
});

describe("rate on a durable provider", () => {
  test("is refused at subscribe where the provider has no rates", () => {
    const { bus } = createTestBus({ provider: durableProvider({ rates: undefined }) });
    const subscribe = (): unknown =>
      bus.subscribe("a", () => {}, { subscriberId: "mail", rate: { max: 1, perMs: 1_000 } });
    expect(subscribe).toThrow(
      `Provider "memory" does not support the option "rate" of subscriber "mail": leave it out, or choose a provider that has "rates"`,
    );
    const error = thrownBy(subscribe);
    expect(isBusbarError(error, "BUSBAR_UNSUPPORTED") && error.details).toEqual({
      provider: "memory",
      option: "rate",
    });
  });

  test("asks once at a time for all that wait, and starts each when it is due", async () => {
    const rates = fakeRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 2, perMs: 100 }, concurrency: 4 });
    await emitCount(it, 4);
    await idle();
    expect(rates.calls).toEqual([{ max: 2, perMs: 100, count: 1, horizonMs: 1_000 }]);
    expect(starts).toEqual([]);
    rates.answer({ waitsMs: [0] });
    await idle();
    expect(starts).toEqual([0]);
    expect(rates.calls.slice(1)).toEqual([{ max: 2, perMs: 100, count: 3, horizonMs: 1_000 }]);
    rates.answer({ waitsMs: [0, 100, 100] });
    await it.clock.advance(99);
    expect(starts).toEqual([0, 0]);
    await it.clock.advance(1);
    expect(starts).toEqual([0, 0, 100, 100]);
    expect(rates.calls).toHaveLength(2);
  });

  test("asks again no earlier than the provider says", async () => {
    const rates = fakeRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 60_000 } });
    await emitCount(it, 1);
    await idle();
    rates.answer({ waitsMs: [], retryAfterMs: 30_000 });
    await emitCount(it, 3);
    await it.clock.advance(29_999);
    expect(rates.calls).toHaveLength(1);
    await it.clock.advance(1);
    expect(rates.calls).toHaveLength(2);
    rates.answer({ waitsMs: [500], retryAfterMs: 60_000 });
    await it.clock.advance(500);
    expect(starts).toEqual([30_500]);
  });

  test("a provider that is away loses nothing and begins nothing: the bus asks again", async () => {
    const rates = fakeRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 100 } });
    await emitCount(it, 1);
    await idle();
    rates.fail(new Error("connect ECONNREFUSED"));
    await it.clock.advance(999);
    expect(rates.calls).toHaveLength(1);
    await it.clock.advance(1);
    rates.fail(new Error("connect ECONNREFUSED"));
    await it.clock.advance(1_000);
    expect(starts).toEqual([]);
    expect(rates.calls).toHaveLength(3);
    expect(it.logger.at("warn")).toHaveLength(1);
    expect(it.logger.at("warn")[0]?.message).toBe(
      `The rate of subscriber "mail" cannot be counted at the moment; its deliveries wait, and the bus asks again every second`,
    );
    rates.answer({ waitsMs: [0] });
    await idle();
    expect(starts).toEqual([2_000]);
  });

  test("a provider that does not answer is asked again after 5 seconds, and its late answer is ignored", async () => {
    const rates = silentRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 100 } });
    await emitCount(it, 2);
    await it.clock.advance(4_999);
    expect(rates.answers).toHaveLength(1);
    expect(it.logger.at("warn")).toEqual([]);
    await it.clock.advance(1_001);
    expect(rates.answers).toHaveLength(2);
    expect(it.logger.at("warn")).toMatchObject([
      { fields: { err: new Error("The provider has not answered for 5000 ms") } },
    ]);
    rates.answers[0]?.({ waitsMs: [0] });
    await idle();
    expect(starts).toEqual([]);
    rates.answers[1]?.({ waitsMs: [0, 100] });
    await it.clock.advance(100);
    expect(starts).toEqual([6_000, 6_100]);
  });

  test("after a pause, a provider that did not answer is asked at once", async () => {
    const rates = silentRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 100 } });
    await emitCount(it, 1);
    await idle();
    await it.bus.pause("mail");
    await it.bus.resume("mail");
    await idle();
    expect(rates.answers).toHaveLength(2);
    rates.answers[1]?.({ waitsMs: [0] });
    await idle();
    expect(starts).toEqual([0]);
    await it.bus.stop();
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("a provider that reserves less than it was asked for, and says nothing else, is not asked in a loop", async () => {
    const rates = fakeRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    watchStarts(it, { rate: { max: 1, perMs: 100 } });
    await emitCount(it, 1);
    await idle();
    rates.answer({ waitsMs: [] });
    await it.clock.advance(999);
    expect(rates.calls).toHaveLength(1);
    await it.clock.advance(1);
    expect(rates.calls).toHaveLength(2);
  });

  test("pause hands back what is held, also while the provider is asked", async () => {
    const rates = fakeRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 100 } });
    await emitCount(it, 2);
    await idle();
    await it.bus.pause("mail");
    expect((await it.bus.inspect()).subscriptions).toMatchObject([{ inFlight: 0, ready: 2 }]);
    // The answer belongs to runs that were handed back.
    rates.answer({ waitsMs: [0] });
    await it.clock.advance(1_000);
    expect(starts).toEqual([]);
    await it.bus.resume("mail");
    await idle();
    rates.answer({ waitsMs: [0] });
    await idle();
    expect(starts).toEqual([1_000]);
  });

  test("stop hands back what is held at once", async () => {
    const rates = fakeRates();
    const it = await startTestBus({ provider: durableProvider({ rates }) });
    const { starts } = watchStarts(it, { rate: { max: 1, perMs: 100 } });
    await emitCount(it, 2);
    await idle();
    rates.answer({ waitsMs: [50] });
    await idle();
    const from = it.clock.monotonic();
    await it.bus.stop();
    expect(it.clock.monotonic()).toBe(from);
    expect(starts).toEqual([]);
    expect(it.clock.pendingTimers()).toBe(0);
  });
});

describe("rate and other options", () => {
  test.each([
    [{ max: 0, perMs: 1 }, "option rate.max must be a whole number from 1"],
    [{ max: 1.5, perMs: 1 }, "option rate.max must be a whole number from 1"],
    [{ max: 1, perMs: 0 }, "option rate.perMs must be a number above 0"],
    [{ max: 1 }, "option rate.perMs is missing"],
    [{ max: 1, perMs: 1, burst: 2 }, `has no option "rate.burst"; known are max, perMs`],
    [5, "option rate must be an object, not number"],
  ])("%j is refused", (rate, message) => {
    const { bus } = createTestBus();
    const context = { subscriberId: "mail", rate } as SubscriberContext;
    expect(() => bus.subscribe("a", () => {}, context)).toThrow(message);
  });

  test("one id has one rate", () => {
    const { bus } = createTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail", rate: { max: 1, perMs: 100 } });
    bus.subscribe("b", () => {}, { subscriberId: "mail", rate: { max: 1, perMs: 100 } });
    expect(() =>
      bus.subscribe("c", () => {}, { subscriberId: "mail", rate: { max: 2, perMs: 100 } }),
    ).toThrow(`rate is {"max":1,"perMs":100} and {"max":2,"perMs":100}`);
  });

  test("inspect() and explain() show it", async () => {
    const it = await startTestBus();
    watchStarts(it, { rate: { max: 3, perMs: 1_000 } });
    const [instance] = (await it.bus.inspect()).instances;
    expect(instance?.subscriptions[0]?.policy).toMatchObject({ rate: { max: 3, perMs: 1_000 } });
    const [explained] = (await it.bus.explain("a")).subscriptions;
    expect(explained?.policy).toMatchObject({ rate: { max: 3, perMs: 1_000 } });
  });

  test("stop waits for no run that hangs on its own", async () => {
    const it = await startTestBus();
    const gate = createGate();
    it.bus.subscribe("a", () => gate.opened, {
      subscriberId: "mail",
      rate: { max: 1, perMs: 10_000 },
    });
    await emitCount(it, 2);
    await idle();
    const stopping = it.bus.stop({ graceMs: 1_000 });
    gate.open();
    await stopping;
    expect(it.clock.pendingTimers()).toBe(0);
  });
});

/** Answers each call when the test says so, or never. */
function silentRates() {
  const answers: ((answer: Awaited<ReturnType<SharedRates["reserve"]>>) => void)[] = [];
  const rates: SharedRates = {
    reserve: () => new Promise((resolve) => void answers.push(resolve)),
  };
  return { ...rates, answers };
}

/** Answers when the test says so. */
function fakeRates() {
  type Answer = Awaited<ReturnType<SharedRates["reserve"]>>;
  const calls: object[] = [];
  let settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  return {
    calls,
    reserve: (_: string, options: object) => {
      if (settle) throw new Error("It was asked twice at the same time");
      calls.push(options);
      return new Promise<Answer>((resolve, reject) => (settle = { resolve, reject })).finally(
        () => (settle = undefined),
      );
    },
    answer: (answer: Answer) => settle?.resolve(answer),
    fail: (error: Error) => settle?.reject(error),
  };
}

function thrownBy(callback: () => unknown): unknown {
  try {
    callback();
  } catch (error) {
    return error;
  }
  return undefined;
}
