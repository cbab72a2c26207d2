import { describe, expect, test } from "vitest";
import type { EmitOptions, EventMessage } from "../../src/contract/event.ts";
import type { Envelope } from "../../src/contract/provider.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
  type TestBusOptions,
} from "../support/test-bus.ts";

/** A bus whose provider shows what it was given. */
async function startObserved(options: TestBusOptions = {}) {
  const inner = memoryProvider();
  const published: Envelope[] = [];
  const provider = providerLike(inner, {
    publish(batch, publishOptions) {
      published.push(...batch);
      return inner.publish(batch, publishOptions);
    },
  });
  return { ...(await startTestBus({ provider, ...options })), published };
}

async function startListening() {
  const seen: { name: string; data: unknown }[] = [];
  const started = await startTestBus();
  started.bus.subscribe("*", ({ name, data }) => void seen.push({ name, data }));
  return { ...started, seen };
}

describe("emit", () => {
  test("takes a name and data", async () => {
    const { bus, seen } = await startListening();
    await bus.emit("order.placed", { orderId: 1 });
    await bus.settled();
    expect(seen).toEqual([{ name: "order.placed", data: { orderId: 1 } }]);
  });

  test("takes a name, data and options", async () => {
    const { bus, clock, seen } = await startListening();
    await bus.emit("order.placed", 1, { delay: 100 });
    await clock.advance(99);
    expect(seen).toEqual([]);
    await clock.advance(1);
    expect(seen).toEqual([{ name: "order.placed", data: 1 }]);
  });

  test("takes one message, and options behind it", async () => {
    const { bus, clock, seen } = await startListening();
    await bus.emit({ name: "order.placed", data: 1 });
    await bus.emit({ name: "order.placed", data: 2 }, { delay: 100 });
    await clock.advance(0);
    expect(seen).toEqual([{ name: "order.placed", data: 1 }]);
    await clock.advance(100);
    expect(seen.at(-1)).toEqual({ name: "order.placed", data: 2 });
  });

  test("takes an array of messages, and delivers them in order", async () => {
    const { bus, seen } = await startListening();
    const messages = [1, 2, 3].map((data) => ({ name: `order.${data}`, data }));
    await bus.emit(messages);
    await bus.settled();
    expect(seen).toEqual(messages);
  });

  test("takes an empty array, and emits nothing", async () => {
    const { bus, published } = await startObserved();
    expect(await bus.emit([])).toEqual([]);
    expect(published).toEqual([]);
  });

  test("takes a symbol, which stands for its description", async () => {
    const { bus, seen } = await startListening();
    await bus.emit(Symbol("order.placed"), 1);
    await bus.settled();
    expect(seen).toEqual([{ name: "order.placed", data: 1 }]);
  });

  test("rejects a symbol without a description", async () => {
    const { bus } = await startTestBus();
    await expect(bus.emit(Symbol(), 1)).rejects.toThrow(TypeError);
  });

  test("resolves with the ids of the events in order, own ids among them", async () => {
    const { bus } = await startTestBus();
    const received = new Map<unknown, string>();
    bus.subscribe("order.placed", ({ id, data }) => void received.set(data, id));
    const ids = await bus.emit([
      { name: "order.placed", data: "a" },
      { name: "order.placed", data: "b", id: "own id/42" },
      { name: "order.placed", data: "c" },
    ]);
    await bus.settled();
    expect(ids).toEqual([received.get("a"), "own id/42", received.get("c")]);
    expect(new Set(ids).size).toBe(3);
  });

  test("gives events of the same own id to subscribers twice: ids do not deduplicate", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    bus.subscribe("order.placed", ({ id }) => void seen.push(id));
    await bus.emit({ name: "order.placed", data: 1, id: "42" });
    await bus.emit({ name: "order.placed", data: 1, id: "42" });
    await bus.settled();
    expect(seen).toEqual(["42", "42"]);
  });

  test("delivers a second event with the same deduplicationId once, and counts it", async () => {
    const { bus, seen } = await startListening();
    await bus.emit("order.placed", 1, { deduplicationId: "order 1" });
    await bus.emit("order.placed", 2, { deduplicationId: "order 1" });
    await bus.settled();
    expect(seen.map(({ data }) => data)).toEqual([1]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1, duplicates: 1 });
  });

  test("resolves while handlers run, and though handlers fail", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    bus.subscribe("order.placed", () => gate.opened, { subscriberId: "slow" });
    bus.subscribe(
      "order.placed",
      () => {
        throw new Error("no receipt");
      },
      { subscriberId: "broken" },
    );
    expect(await bus.emit("order.placed", 1)).toHaveLength(1);
    gate.open();
    await bus.settled();
  });

  test("counts events that nobody wants", async () => {
    const { bus } = await startTestBus();
    await bus.emit("order.placed", 1);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1, unrouted: 1 });
  });

  test("sends what data was when it was called, even if it has to wait", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data));
    const data = { items: [1] };
    const emitted = bus.emit("order.placed", data);
    data.items.push(2);
    await emitted;
    await bus.settled();
    expect(seen).toEqual([{ items: [1] }]);
  });

  test("rejects before start with a TypeError that names start", async () => {
    const { bus } = createTestBus();
    await expect(bus.emit("order.placed", 1)).rejects.toThrow(/start\(\)/);
    await expect(bus.emit("order.placed", 1)).rejects.toThrow(TypeError);
  });

  test("rejects after stop with BUSBAR_NOT_RUNNING", async () => {
    const { bus } = await startTestBus();
    await bus.stop();
    await expect(bus.emit("order.placed", 1)).rejects.toMatchObject({
      code: "BUSBAR_NOT_RUNNING",
      details: { method: "emit" },
    });
  });

  test("delivers the most urgent first, by level and by number", async () => {
    const { bus } = await startTestBus();
    const order: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void order.push(data), {
      subscriberId: "mail",
      concurrency: 1,
    });
    await bus.pause("mail");
    const priorities = ["low", 999, "normal", 101, "high", 9, 1, 2_097_151, 100] as const;
    for (const priority of priorities) await bus.emit("order.placed", priority, { priority });
    await bus.emit("order.placed", "internal", { internal: true });
    await bus.emit("order.placed", "internal but urgent", { internal: true, priority: 5 });
    await bus.resume("mail");
    await bus.settled();
    expect(order).toEqual([
      1,
      "internal but urgent",
      9,
      "high",
      "normal",
      100,
      101,
      999,
      "low",
      "internal",
      2_097_151,
    ]);
  });

  test("logs what goes wrong with an internal event at debug level, until it is dead", async () => {
    const { bus, clock, logger } = await startTestBus();
    const fail = () => {
      throw new Error("no");
    };
    bus.subscribe("order.placed", fail, { subscriberId: "mail", attempts: 2 });
    await bus.emit("order.placed", 1, { internal: true });
    await clock.advance(0);
    await bus.settled();
    expect(logger.at("warn")).toEqual([]);
    expect(logger.at("debug")).toHaveLength(1);
    expect(logger.at("error")).toHaveLength(1);
  });

  test("rejects with BUSBAR_OVERLOADED when a subscription has no room in time", async () => {
    const provider = memoryProvider({ maxPending: 1 });
    const { bus, clock } = await startTestBus({ provider, emitTimeoutMs: 500 });
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await bus.pause("mail");
    const [accepted] = await bus.emit("order.placed", 1);
    const outcome = bus.emit({ name: "order.placed", data: 2, id: "second" }).catch((e) => e);
    await clock.advance(500);
    expect(accepted).toBeDefined();
    expect(await outcome).toMatchObject({
      code: "BUSBAR_OVERLOADED",
      details: { accepted: [], rejected: [{ id: "second" }], unknown: [] },
    });
  });
});

describe("emit inside a handler", () => {
  test("never waits for room, which its own slot would have to make", async () => {
    const provider = memoryProvider({ maxPending: 1 });
    const { bus } = await startTestBus({ provider });
    const seen: number[] = [];
    bus.subscribe<number>(
      "step",
      async ({ data }) => {
        seen.push(data);
        if (data === 0) for (const step of [1, 2, 3]) await bus.emit("step", step);
      },
      { subscriberId: "steps", concurrency: 1 },
    );
    await bus.emit("step", 0);
    await bus.settled();
    expect(seen).toEqual([0, 1, 2, 3]);
  });
});

describe("the precedence of options", () => {
  type Layers = {
    readonly message?: EmitOptions;
    readonly emit?: EmitOptions;
    readonly module?: EmitOptions;
  };

  async function envelopeOf({ message, emit, module }: Layers): Promise<Envelope> {
    const { bus, published } = await startObserved({ defaults: module });
    const event: EventMessage = { name: "order.placed", data: 1, options: message };
    await bus.emit([event], emit);
    return published[0] as Envelope;
  }

  const now = Date.UTC(2026, 0, 1);
  const cases: readonly {
    readonly option: string;
    /** Of the message, the emit call and the module. */
    readonly given: readonly [EmitOptions, EmitOptions, EmitOptions];
    readonly read: (envelope: Envelope) => unknown;
    readonly expected: readonly [unknown, unknown, unknown, unknown];
  }[] = [
    {
      option: "attempts",
      given: [{ attempts: 2 }, { attempts: 3 }, { attempts: 4 }],
      read: ({ policy }) => policy?.attempts,
      expected: [2, 3, 4, undefined],
    },
    {
      option: "backoff",
      given: [{ backoff: 0 }, { backoff: { type: "fixed", delay: 3 } }, { backoff: 4 }],
      read: ({ policy }) => policy?.backoff,
      expected: [0, { type: "fixed", delay: 3 }, 4, undefined],
    },
    {
      option: "delay",
      given: [{ delay: 0 }, { delay: 30 }, { delay: 40 }],
      read: ({ delayMs }) => delayMs,
      expected: [undefined, 30, 40, undefined],
    },
    {
      option: "priority",
      given: [{ priority: "high" }, { priority: 30 }, { priority: "low" }],
      read: ({ priority }) => priority,
      expected: [10, 30, 1000, undefined],
    },
    {
      option: "internal",
      given: [{ internal: false }, { internal: true }, { internal: true }],
      read: ({ policy, priority }) => [policy?.internal ?? false, priority],
      expected: [
        [false, undefined],
        [true, 1000],
        [true, 1000],
        [false, undefined],
      ],
    },
    {
      option: "orderingKey",
      given: [{ orderingKey: "a" }, { orderingKey: "b" }, { orderingKey: "c" }],
      read: ({ orderingKey }) => orderingKey,
      expected: ["a", "b", "c", undefined],
    },
    {
      option: "deduplicationId",
      given: [{ deduplicationId: "a" }, { deduplicationId: "b" }, { deduplicationId: "c" }],
      read: ({ deduplicationId }) => deduplicationId,
      expected: ["a", "b", "c", undefined],
    },
  ];

  test.each(cases)(
    "$option of a message goes before that of the emit, the module and the default",
    async ({ given: [message, emit, module], read, expected }) => {
      expect(read(await envelopeOf({ message, emit, module }))).toEqual(expected[0]);
      expect(read(await envelopeOf({ message, module }))).toEqual(expected[0]);
      expect(read(await envelopeOf({ emit, module }))).toEqual(expected[1]);
      expect(read(await envelopeOf({ module }))).toEqual(expected[2]);
      expect(read(await envelopeOf({}))).toEqual(expected[3]);
    },
  );

  test("a priority of the module goes before what internal stands for", async () => {
    const envelope = await envelopeOf({ message: { internal: true }, module: { priority: 7 } });
    expect(envelope.priority).toBe(7);
  });

  test("an option that is undefined says nothing", async () => {
    const envelope = await envelopeOf({
      message: { attempts: undefined },
      emit: { attempts: 3, priority: undefined },
      module: { priority: "high" },
    });
    expect(envelope).toMatchObject({ policy: { attempts: 3 }, priority: 10 });
  });

  test("each message of an array has its own options over those of the emit", async () => {
    const { bus, published } = await startObserved();
    await bus.emit(
      [
        { name: "a", data: 1, options: { priority: "high" } },
        { name: "b", data: 1, options: { attempts: 5 } },
        { name: "c", data: 1 },
      ],
      { priority: "low", attempts: 2 },
    );
    expect(published.map(({ priority, policy }) => [priority, policy?.attempts])).toEqual([
      [10, 2],
      [1000, 5],
      [1000, 2],
    ]);
  });

  test("a provider's own options are merged name by name, and others' are passed over", async () => {
    const envelope = await envelopeOf({
      message: { provider: { memory: { a: "message" }, redis: { z: 1 } } },
      emit: { provider: { memory: { a: "emit", b: "emit" } } },
      module: { provider: { memory: { a: "module", b: "module", c: { d: 1 } } } },
    });
    expect(envelope.providerOptions).toEqual({ a: "message", b: "emit", c: { d: 1 } });
  });

  test("options for other providers only are no options", async () => {
    const envelope = await envelopeOf({ emit: { provider: { redis: { lifo: true } } } });
    expect(envelope.providerOptions).toBeUndefined();
  });

  test("the caller's objects are neither changed nor kept", async () => {
    const backoff = { type: "fixed" as const, delay: 10 };
    const module = Object.freeze({ attempts: 4, provider: Object.freeze({ memory: { a: 1 } }) });
    const emit = Object.freeze({ backoff, provider: Object.freeze({ memory: { b: 1 } }) });
    const message = Object.freeze({ priority: 5, provider: Object.freeze({ memory: { c: 1 } }) });
    const envelope = await envelopeOf({ message, emit, module });
    backoff.delay = 99;
    expect(envelope.policy?.backoff).toEqual({ type: "fixed", delay: 10 });
    expect(module.provider.memory).toEqual({ a: 1 });
  });

  test("attempts and backoff of a subscriber go before all that the emitter says", async () => {
    const { bus, clock } = await startTestBus({ defaults: { attempts: 9, backoff: 9 } });
    const runs: Record<string, number[]> = { own: [], emitters: [] };
    const failing = (name: string) => () => {
      runs[name]?.push(clock.now() - now);
      throw new Error("no");
    };
    bus.subscribe("a", failing("own"), { subscriberId: "own", attempts: 3, backoff: 5 });
    bus.subscribe("a", failing("emitters"), { subscriberId: "emitters" });
    await bus.emit({ name: "a", data: 1, options: { backoff: 7 } }, { attempts: 2, backoff: 8 });
    await clock.advance(1000);
    expect(runs).toEqual({ own: [0, 5, 10], emitters: [0, 7] });
  });

  test("a subscriber without a backoff of its own uses the emitter's", async () => {
    const { bus, clock } = await startTestBus();
    const runs: number[] = [];
    bus.subscribe(
      "a",
      () => {
        runs.push(clock.now() - now);
        throw new Error("no");
      },
      { subscriberId: "own", attempts: 2 },
    );
    await bus.emit("a", 1, { attempts: 5, backoff: 30 });
    await clock.advance(1000);
    expect(runs).toEqual([0, 30]);
  });

  test("without a word from anybody a delivery runs once", async () => {
    const { bus, clock } = await startTestBus();
    let runs = 0;
    bus.subscribe("a", () => {
      runs++;
      throw new Error("no");
    });
    await bus.emit("a", 1);
    await clock.advance(100_000);
    expect(runs).toBe(1);
  });
});
