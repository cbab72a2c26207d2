import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { PermanentError, ReleaseDelivery } from "../../src/errors/errors.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createGate, memoryProvider, startTestBus } from "../support/test-bus.ts";

describe("a subscriber", () => {
  test("may be synchronous", async () => {
    const { bus } = await startTestBus();
    let runs = 0;
    bus.subscribe("a", () => {
      runs++;
    });
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toBe(1);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 0 });
  });

  test("that releases its delivery gets it again later, and no attempt is counted", async () => {
    const { bus, clock } = await startTestBus();
    const attempts: number[] = [];
    bus.subscribe("a", (_, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length === 1) throw new ReleaseDelivery("in hand", { delayMs: 700 });
    });
    await bus.emit("a", 1);
    await clock.advance(699);
    expect(attempts).toEqual([1]);
    await clock.advance(1);
    await bus.settled();
    expect(attempts).toEqual([1, 1]);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 0, dead: 0 });
  });

  test("finds the ordering key of the event in its context", async () => {
    const { bus } = await startTestBus();
    const keys: (string | undefined)[] = [];
    bus.subscribe("a", (_, { orderingKey }) => void keys.push(orderingKey));
    await bus.emit("a", 1, { orderingKey: "order-42" });
    await bus.emit("a", 2);
    await bus.settled();
    expect(keys).toEqual(["order-42", undefined]);
  });

  test("is called with the event and its context", async () => {
    const { bus, logger } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe(
      "a",
      (event, context) => {
        seen.push(event.data, context.attempt, context.subscriberId, context.signal.aborted);
        context.logger.info({ of: "handler" }, "hello");
      },
      { subscriberId: "mail" },
    );
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([1, 1, "mail", false]);
    expect(logger.at("info").at(-1)).toMatchObject({ fields: { of: "handler" }, message: "hello" });
  });

  const looping: Record<string, unknown> = { reason: "gone" };
  looping["self"] = looping;
  test.each<[string, unknown, object]>([
    ["an Error", new RangeError("too far"), { name: "RangeError", message: "too far" }],
    ["a frozen Error", Object.freeze(new Error("cold")), { name: "Error", message: "cold" }],
    ["a string", "no paper", { name: "NonError", message: "no paper" }],
    ["undefined", undefined, { name: "NonError", message: "undefined" }],
    ["null", null, { name: "NonError", message: "null" }],
    ["a number", 42, { name: "NonError", message: "42" }],
    ["a symbol", Symbol("no"), { name: "NonError", message: "Symbol(no)" }],
    ["an object", { code: 42 }, { name: "NonError", message: "{ code: 42 }" }],
    [
      "an object that holds itself",
      looping,
      { name: "NonError", message: expect.stringContaining("gone") },
    ],
    [
      "an object that cannot be shown",
      {
        [Symbol.for("nodejs.util.inspect.custom")]() {
          throw new Error("secret");
        },
      },
      { name: "NonError", message: "[object Object]" },
    ],
    [
      "an Error with members that are no strings",
      Object.assign(new Error("x"), {
        name: 7,
        message: 8n,
        stack: [{}],
        code: Object.create(null),
      }),
      { name: "Error", message: "8n", stack: undefined, code: undefined },
    ],
  ])("that throws %s has failed, and that is kept", async (_, thrown, expected) => {
    const { bus } = await startTestBus();
    let runs = 0;
    const fail = () => {
      runs++;
      throw thrown;
    };
    bus.subscribe("a", fail, { subscriberId: "sync", attempts: 2 });
    bus.subscribe("a", async () => fail(), { subscriberId: "async", attempts: 2 });
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toBe(4);
    const { items } = await bus.deadLetters.list();
    expect(items).toHaveLength(2);
    for (const { reason, attempts, errors } of items) {
      expect({ reason, attempts }).toEqual({ reason: "failed", attempts: 2 });
      expect(errors).toMatchObject([expected, expected]);
      expect(() => JSON.stringify(errors)).not.toThrow();
    }
  });

  test("may return a thenable that is no Promise", async () => {
    const { bus } = await startTestBus();
    const thenable = {
      // oxlint-disable-next-line unicorn/no-thenable
      then(_: unknown, reject: (error: Error) => void) {
        reject(new Error("late"));
      },
    };
    bus.subscribe("a", () => thenable as unknown as Promise<void>);
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toMatchObject([{ errors: [{ message: "late" }] }]);
  });
});

describe("anonymous subscribers of one event", () => {
  test("all run though one fails, and all run again", async () => {
    const { bus } = await startTestBus();
    const runs = { first: 0, failing: 0, last: 0 };
    bus.subscribe("a", () => void runs.first++, { attempts: 3 });
    bus.subscribe("a", async () => {
      if (++runs.failing < 3) throw new Error("not yet");
    });
    bus.subscribe("a", async () => void runs.last++);
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toEqual({ first: 3, failing: 3, last: 3 });
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 2 });
  });

  test("that fail together are one failure which names each", async () => {
    const { bus } = await startTestBus();
    const thrown = [new Error("no paper"), "no ink", Symbol("no hands"), undefined];
    for (const value of thrown) {
      bus.subscribe("a", () => {
        throw value;
      });
    }
    bus.subscribe("a", () => {});
    await bus.emit("a", 1);
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    expect(items).toMatchObject([
      {
        subscriberId: "a#anonymous",
        attempts: 1,
        errors: [
          {
            name: "AggregateError",
            message:
              "4 handlers failed: no paper; no ink; Not an error but a value of the type symbol; Not an error but a value of the type undefined",
          },
        ],
      },
    ]);
  });

  test("of which one alone fails leave its own error", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {});
    bus.subscribe("a", () => Promise.reject(new RangeError("mine")));
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.deadLetters.list()).items[0]?.errors).toMatchObject([
      { name: "RangeError", message: "mine" },
    ]);
  });

  test.each([
    ["all of them", [new PermanentError("a"), new PermanentError("b")], 1, "permanent"],
    ["one of them", [new PermanentError("a"), new Error("b")], 3, "failed"],
  ] as const)("are dead at once if a retry can mend none: %s", async (_, errors, runs, reason) => {
    const { bus } = await startTestBus();
    for (const error of errors) {
      bus.subscribe("a", () => Promise.reject(error), { attempts: 3 });
    }
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toMatchObject([{ reason, attempts: runs }]);
  });
});

describe("concurrency", () => {
  test.each([
    [1, 1],
    [3, 3],
    [undefined, 10],
  ])("of %o runs %d deliveries at the same time, and never more", async (concurrency, expected) => {
    const { bus, clock } = await startTestBus();
    let [running, most, ran] = [0, 0, 0];
    bus.subscribe(
      "a",
      async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 10));
        running--;
        ran++;
      },
      { subscriberId: "mail", concurrency },
    );
    await bus.emit(Array.from({ length: 35 }, () => ({ name: "a", data: 1 })));
    await clock.advance(10);
    expect(ran).toBe(expected);
    await clock.advance(1000);
    expect([ran, most]).toEqual([35, expected]);
  });

  test("is each subscription's own: a slow one does not hold the others up", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    const seen: unknown[] = [];
    bus.subscribe("a", () => gate.opened, { subscriberId: "slow", concurrency: 1 });
    const lastOne = createGate();
    bus.subscribe("a", ({ data }) => void (seen.push(data) === 100 && lastOne.open()), {
      subscriberId: "fast",
      concurrency: 1,
    });
    await bus.emit(Array.from({ length: 100 }, (_, data) => ({ name: "a", data })));
    await lastOne.opened;
    expect(seen).toHaveLength(100);
    gate.open();
    await bus.settled();
  });
});

describe("context.container", () => {
  test("of a bus without one throws a TypeError that says what to do", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", (_, { container }) => void container.resolve("mailer"));
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.deadLetters.list()).items[0]?.errors).toMatchObject([
      {
        name: "TypeError",
        message: `Cannot resolve "mailer": the bus was made without a container; pass one to createEventBus, or use createApp`,
      },
    ]);
  });

  test("is the bus's own where it makes no scopes", async () => {
    const container = { resolve: () => "the mailer" as never };
    const { bus } = await startTestBus({ container });
    const seen: unknown[] = [];
    bus.subscribe("a", (_, context) => void seen.push(context.container));
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([container]);
  });

  function scoping() {
    const log: string[] = [];
    let scopes = 0;
    const container = {
      resolve: (): never => {
        throw new Error("not in a scope");
      },
      createScope() {
        const number = ++scopes;
        log.push(`made ${number}`);
        return {
          resolve: () => number as never,
          dispose: async () => {
            await Promise.resolve();
            log.push(`disposed ${number}`);
          },
        };
      },
    };
    return { container, log };
  }

  test("is a scope of the run, made when it is first read and disposed after the run", async () => {
    const { container, log } = scoping();
    const { bus } = await startTestBus({ container });
    bus.subscribe("unread", () => void log.push("unread"));
    bus.subscribe("read", async (_, context) => {
      log.push("before");
      const first = context.container;
      await Promise.resolve();
      log.push(`resolved ${context.container.resolve("number")} ${first === context.container}`);
    });
    await bus.emit("unread", 1);
    await bus.settled();
    await bus.emit("read", 1);
    await bus.settled();
    await bus.emit("read", 1);
    await bus.settled();
    expect(log).toEqual([
      "unread",
      "before",
      "made 1",
      "resolved 1 true",
      "disposed 1",
      "before",
      "made 2",
      "resolved 2 true",
      "disposed 2",
    ]);
  });

  test("is disposed when the run fails or runs out of time, too", async () => {
    const { container, log } = scoping();
    const { bus, clock } = await startTestBus({ container });
    bus.subscribe(
      "a",
      (_, context) => {
        context.container.resolve("number");
        if (context.attempt === 1) throw new Error("no");
        return new Promise(() => {});
      },
      { subscriberId: "mail", attempts: 2, timeoutMs: 100 },
    );
    await bus.emit("a", 1);
    await clock.advance(100);
    await bus.settled();
    expect(log).toEqual(["made 1", "disposed 1", "made 2", "disposed 2"]);
  });

  test("that cannot be disposed is logged, and the delivery stays acknowledged", async () => {
    const container = {
      resolve: (): never => 1 as never,
      createScope: () => ({
        resolve: () => 1 as never,
        dispose: () => Promise.reject(new Error("stuck")),
      }),
    };
    const { bus, logger } = await startTestBus({ container });
    bus.subscribe("a", (_, context) => void context.container.resolve("number"));
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 0 });
    expect(logger.at("error")).toMatchObject([{ fields: { err: { message: "stuck" } } }]);
  });
});

describe("a catalogue that validates at consume", () => {
  const events = defineEvents(
    { "order.placed": z.object({ orderId: z.coerce.number(), note: z.string().default("none") }) },
    { validateAtConsume: true },
  );

  async function startCatalogued() {
    const bus = createEventBus({ provider: memoryProvider(), events, clock: createManualClock() });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    await bus.start();
    return bus;
  }

  test("gives every subscriber the schema's output, and data of unknown names as it is", async () => {
    const bus = await startCatalogued();
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data));
    bus.subscribe("order.placed", ({ data }) => void seen.push(data));
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.emit("order.placed", { orderId: "42" });
    await bus.settled();
    const output = { orderId: 42, note: "none" };
    expect(seen).toEqual([output, output, output]);
  });

  test("makes data that does not match dead at once, without running the handler", async () => {
    // Emitted by a release whose schema was another.
    const earlier = {
      schemas: {},
      check: () => undefined,
      parse: () => ({ issues: [{ path: "orderId", reason: "must be a number" }] }),
    };
    const bus = createEventBus({
      provider: memoryProvider(),
      events: earlier as unknown as typeof events,
      clock: createManualClock(),
    });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    await bus.start();
    let runs = 0;
    bus.subscribe("order.placed", () => void runs++, { subscriberId: "mail", attempts: 5 });
    await bus.emit("order.placed", { orderId: "x" });
    await bus.settled();
    expect(runs).toBe(0);
    expect((await bus.deadLetters.list()).items).toMatchObject([
      {
        reason: "invalid",
        attempts: 1,
        errors: [
          {
            code: "BUSBAR_INVALID_EVENT",
            message:
              'Event "order.placed" does not match its schema at consume: orderId: must be a number',
          },
        ],
      },
    ]);
  });
});
