import { EventEmitter } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RegisteredSubscription } from "../../src/contract/provider.ts";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";
import { createManualClock, idle, type ManualClock } from "../support/manual-clock.ts";
import { createRecordingLogger, type RecordingLogger } from "../support/recording-logger.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { watch } from "../support/watch.ts";

/** What several buses share of a durable list: what is paused. */
interface SharedList {
  readonly paused: Set<string>;
  isDown: boolean;
  /** The list answers what it was when it was asked, once this is settled. */
  answer: Promise<unknown>;
  /** What `answer` becomes when a pause is recorded. */
  answerAfterPause?: Promise<unknown>;
}

/** A bus on a queue of its own, whose list of subscriptions is durable and shared. */
function createBusOn(
  shared: SharedList,
  clock: ManualClock,
  logger: RecordingLogger | false = false,
): EventBus {
  const inner = createMemoryProvider({ name: "shared", channel: new EventEmitter() });
  const provider = providerLike(inner, {
    capabilities: { ...inner.capabilities, durable: true },
    subscriptions: {
      ...inner.subscriptions,
      async list() {
        if (shared.isDown) throw new Error("The list is down");
        const { answer } = shared;
        const registered = await inner.subscriptions.list();
        const listed = registered.map((it): RegisteredSubscription => {
          const ids = [it.subscriptionId, ...it.aliases];
          return { ...it, paused: ids.some((id) => shared.paused.has(id)) };
        });
        await answer;
        return listed;
      },
      async setPaused(id, paused) {
        shared.answer = shared.answerAfterPause ?? shared.answer;
        if (paused) shared.paused.add(id);
        else shared.paused.delete(id);
      },
    },
  });
  const bus = createEventBus({ provider, clock, logger });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  return bus;
}

function createShared(): SharedList {
  return { paused: new Set(), isDown: false, answer: Promise.resolve() };
}

function collect(bus: EventBus, subscriberId: string): readonly unknown[] {
  const seen: unknown[] = [];
  bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId });
  return seen;
}

describe("pause() with everywhere", () => {
  test("stops a subscription in every process within 5 seconds, until resume()", async () => {
    const clock = createManualClock();
    const shared = createShared();
    const [one, other] = [createBusOn(shared, clock), createBusOn(shared, clock)];
    const seen = collect(other, "mail");
    collect(one, "mail");
    await one.start();
    await other.start();
    await one.pause("mail", { everywhere: true });
    await clock.advance(5_000);
    await other.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
    const [inspected] = (await other.inspect()).subscriptions;
    expect(inspected).toMatchObject({ paused: false, pausedEverywhere: true, ready: 1 });
    await one.resume("mail", { everywhere: true });
    await clock.advance(5_000);
    expect(seen).toEqual([1]);
  });

  test("holds in a process that starts later, and for an earlier id of the subscription", async () => {
    const clock = createManualClock();
    const shared = createShared();
    shared.paused.add("mail");
    const later = createBusOn(shared, clock);
    const seen = collect(later, "mail");
    await later.start();
    await later.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
    await later.resume("mail", { everywhere: true });
    await idle();
    expect(seen).toEqual([1]);
  });

  test("is apart from the pause of one process", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, "mail");
    await bus.pause("mail");
    await bus.pause("mail", { everywhere: true });
    await bus.emit("order.placed", 1);
    await bus.resume("mail", { everywhere: true });
    await idle();
    expect(seen).toEqual([]);
    await bus.pause("mail", { everywhere: true });
    await bus.resume("mail");
    await idle();
    expect(seen).toEqual([]);
    await bus.resume("mail", { everywhere: true });
    await idle();
    expect(seen).toEqual([1]);
  });

  test("waits for the runs in flight here, but not for the run that asks", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    let hasPaused = false;
    bus.subscribe("slow", () => gate.opened, { subscriberId: "slow" });
    bus.subscribe("self", () => bus.pause("self", { everywhere: true }), { subscriberId: "self" });
    await bus.emit("slow", 1);
    await idle();
    const paused = bus.pause("slow", { everywhere: true }).then(() => (hasPaused = true));
    await idle();
    expect(hasPaused).toBe(false);
    gate.open();
    await paused;
    await bus.emit("self", 1);
    await bus.settled();
  });

  test("keeps what it knows while the list cannot be read", async () => {
    const clock = createManualClock();
    const shared = createShared();
    const bus = createBusOn(shared, clock);
    const seen = collect(bus, "mail");
    await bus.start();
    await bus.pause("mail", { everywhere: true });
    shared.isDown = true;
    shared.paused.delete("mail");
    await clock.advance(10_000);
    await bus.emit("order.placed", 1);
    expect(seen).toEqual([]);
    shared.isDown = false;
    await clock.advance(5_000);
    expect(seen).toEqual([1]);
  });

  test("follows the pause under the present id from the code of an earlier release", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, "post");
    bus.subscribe("other", () => {}, { subscriberId: "mail", aliases: ["post"] });
    await bus.pause("mail", { everywhere: true });
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
  });

  test("is forgotten when the subscription is retired, and moves to a new id", async () => {
    const { bus } = await startTestBus();
    collect(bus, "mail");
    await bus.pause("mail", { everywhere: true });
    bus.subscribe("order.placed", () => {}, { subscriberId: "post", aliases: ["mail"] });
    await idle();
    const paused = async (): Promise<readonly (readonly [string, boolean])[]> =>
      (await bus.inspect()).subscriptions.map((it) => [it.subscriberId, it.pausedEverywhere]);
    expect(await paused()).toContainEqual(["post", true]);
    await bus.retire("post");
    const seen = collect(bus, "post");
    await bus.emit("order.placed", 1);
    await idle();
    expect(await paused()).toContainEqual(["post", false]);
    expect(seen).toEqual([1]);
  });

  test("refuses a subscription that nobody knows, and a provider that cannot keep a pause", async () => {
    const { bus } = await startTestBus();
    collect(bus, "mail");
    await expect(bus.pause("mial", { everywhere: true })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      message: expect.stringContaining('did you mean "mail"?') as string,
    });
    const inner = memoryProvider();
    const { setPaused: _, ...subscriptions } = inner.subscriptions;
    const { bus: other } = await startTestBus({ provider: providerLike(inner, { subscriptions }) });
    collect(other, "mail");
    await expect(other.pause("mail", { everywhere: true })).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
    });
    await expect(bus.pause("mail", { everywhere: 1 as never })).rejects.toThrow(TypeError);
  });
});

describe("a subscription that was paused everywhere", () => {
  test.each([
    ["retire()", (bus: EventBus) => bus.retire("mail")],
    ["unsubscribe()", (bus: EventBus) => bus.unsubscribe({ subscriberId: "mail" })],
  ])("gets events if it is subscribed again after %s in memory", async (_, end) => {
    const { bus } = await startTestBus();
    collect(bus, "mail");
    await bus.pause("mail", { everywhere: true });
    await end(bus);
    const seen = collect(bus, "mail");
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([1]);
    expect((await bus.inspect()).subscriptions).toMatchObject([{ pausedEverywhere: false }]);
  });

  test("follows the flag of the provider at once if it is subscribed again", async () => {
    const clock = createManualClock();
    const shared = createShared();
    const bus = createBusOn(shared, clock);
    collect(bus, "mail");
    await bus.start();
    await bus.pause("mail", { everywhere: true });
    bus.unsubscribe({ subscriberId: "mail" });
    const stillPaused = collect(bus, "mail");
    await bus.emit("order.placed", 1);
    await idle();
    expect(stillPaused).toEqual([]);
    bus.unsubscribe({ subscriberId: "mail" });
    // As another process does it.
    shared.paused.delete("mail");
    const seen = collect(bus, "mail");
    await idle();
    expect(seen).toEqual([1]);
  });

  test("is not consumed if it is subscribed after another process has paused it", async () => {
    const shared = createShared();
    const bus = createBusOn(shared, createManualClock());
    collect(bus, "other");
    await bus.start();
    shared.paused.add("mail");
    const seen = collect(bus, "mail");
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
  });

  test("is resumed in one process only as far as it is resumed everywhere", async () => {
    const shared = createShared();
    const bus = createBusOn(shared, createManualClock());
    const seen = collect(bus, "mail");
    await bus.start();
    await bus.pause("mail");
    shared.paused.add("mail");
    await bus.resume("mail");
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
  });
});

describe("looks at the pauses that overlap", () => {
  /** A bus with a run in flight, whose list answers only when `listed` opens. */
  async function withRun(): Promise<{
    bus: EventBus;
    clock: ManualClock;
    shared: SharedList;
    listed: ReturnType<typeof createGate>;
    run: ReturnType<typeof createGate>;
  }> {
    const clock = createManualClock();
    const shared = createShared();
    const [listed, run, started] = [createGate(), createGate(), createGate()];
    const bus = createBusOn(shared, clock);
    bus.subscribe(
      "slow",
      async () => {
        started.open();
        await run.opened;
      },
      { subscriberId: "slow" },
    );
    await bus.start();
    await bus.emit("slow", 1);
    await started.opened;
    shared.answer = listed.opened;
    return { bus, clock, shared, listed, run };
  }

  test("a pause resolves after the runs in flight, though a later look is answered first", async () => {
    const { bus, clock, shared, listed, run } = await withRun();
    shared.answer = Promise.resolve();
    shared.answerAfterPause = listed.opened;
    const paused = watch(bus.pause("slow", { everywhere: true }));
    await idle();
    shared.answer = Promise.resolve();
    await clock.advance(5_000);
    listed.open();
    await idle();
    expect(paused.isDone).toBe(false);
    run.open();
    await idle();
    expect(paused.isDone).toBe(true);
  });

  test("an answer that is older than another one changes nothing", async () => {
    const { bus, clock, shared, listed, run } = await withRun();
    run.open();
    await clock.advance(5_000);
    shared.answer = Promise.resolve();
    await bus.pause("slow", { everywhere: true });
    listed.open();
    await bus.emit("slow", 2);
    await idle();
    expect((await bus.inspect()).subscriptions).toMatchObject([{ inFlight: 0, ready: 1 }]);
  });

  test.each([
    ["everywhere", { everywhere: true }],
    ["in one process", {}],
  ])("a second pause %s waits for the runs in flight as well", async (_, options) => {
    const { bus, shared, run } = await withRun();
    shared.answer = Promise.resolve();
    const first = watch(bus.pause("slow", options));
    await idle();
    const second = watch(bus.pause("slow", options));
    await idle();
    expect([first.isDone, second.isDone]).toEqual([false, false]);
    run.open();
    await idle();
    expect([first.isDone, second.isDone]).toEqual([true, true]);
  });

  test("a pause waits for the runs of a consumer that is being opened", async () => {
    const inner = memoryProvider();
    const [opened, run] = [createGate(), createGate()];
    const provider = providerLike(inner, {
      async consume(spec, deliver) {
        const handle = await inner.consume(spec, deliver);
        if (spec.subscriptionId === "slow") await opened.opened;
        return handle;
      },
    });
    const { bus } = await startTestBus({ provider });
    bus.subscribe("slow", () => run.opened, { subscriberId: "slow" });
    await bus.pause("slow");
    await bus.emit("slow", 1);
    const resumed = bus.resume("slow");
    await idle();
    const paused = watch(bus.pause("slow"));
    await idle();
    expect(paused.isDone).toBe(false);
    opened.open();
    await resumed;
    await idle();
    expect(paused.isDone).toBe(false);
    run.open();
    await idle();
    expect(paused.isDone).toBe(true);
  });

  test("a pause does not wait for the runs of another subscription", async () => {
    const { bus, shared } = await withRun();
    shared.answer = Promise.resolve();
    collect(bus, "mail");
    void bus.pause("slow", { everywhere: true });
    await idle();
    await bus.pause("mail", { everywhere: true });
  });
});

describe("while the provider does not say what is paused", () => {
  const silent = "has not said which ones are paused";

  /** Starts a bus while the list answers nothing: `fails` or `hangs`. */
  async function startSilent(
    how: "fails" | "hangs",
    ...paused: readonly string[]
  ): Promise<{
    bus: EventBus;
    clock: ManualClock;
    seen: readonly unknown[];
    logger: RecordingLogger;
    speak: () => void;
  }> {
    const clock = createManualClock();
    const logger = createRecordingLogger();
    const shared = createShared();
    const listed = createGate();
    for (const id of paused) shared.paused.add(id);
    shared.isDown = how === "fails";
    if (how === "hangs") shared.answer = listed.opened;
    const bus = createBusOn(shared, clock, logger);
    const seen = collect(bus, "mail");
    const started = bus.start();
    await clock.advance(3_000);
    await started;
    const speak = (): void => {
      shared.isDown = false;
      listed.open();
    };
    return { bus, clock, seen, logger, speak };
  }

  test.each(["fails", "hangs"] as const)(
    "the bus starts and emits, and consumes later: the list %s",
    async (how) => {
      const { bus, clock, seen, logger, speak } = await startSilent(how);
      await bus.emit("order.placed", 1);
      await idle();
      expect(seen).toEqual([]);
      expect(logger.at("warn").map(({ message }) => message)).toContainEqual(
        expect.stringContaining(silent),
      );
      speak();
      await clock.advance(1_000);
      expect(seen).toEqual([1]);
    },
  );

  test.each(["fails", "hangs"] as const)(
    "a subscription that is paused is never consumed: the list %s",
    async (how) => {
      const { bus, clock, seen, speak } = await startSilent(how, "mail");
      await bus.emit("order.placed", 1);
      speak();
      await clock.advance(60_000);
      expect(seen).toEqual([]);
    },
  );

  test("a subscription of a running bus is not consumed, and emits wait a second at most", async () => {
    const clock = createManualClock();
    const shared = createShared();
    const bus = createBusOn(shared, clock);
    await bus.start();
    const listed = createGate();
    shared.answer = listed.opened;
    const seen = collect(bus, "mail");
    const emitted = watch(bus.emit("order.placed", 1));
    await clock.advance(1_000);
    expect([emitted.isDone, seen]).toEqual([true, []]);
    listed.open();
    await clock.advance(1_000);
    expect(seen).toEqual([1]);
  });

  test("the bus stops at once, and leaves no timer", async () => {
    const { bus, clock } = await startSilent("hangs");
    collect(bus, "other");
    await idle();
    await bus.stop();
    expect(clock.pendingTimers()).toBe(0);
  });
});
