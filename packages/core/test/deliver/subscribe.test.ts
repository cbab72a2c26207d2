import { describe, expect, test } from "vitest";
import type { EventSelector } from "../../src/deliver/subscriptions.ts";
import type { Event } from "../../src/contract/event.ts";
import type { Subscriber, SubscriberContext } from "../../src/contract/subscriber.ts";
import { createTestBus, startTestBus } from "../support/test-bus.ts";

const NAMES = ["order", "order.placed", "order.line.added", "order.42.paid", "user.created"];

async function startEmitting() {
  const started = await startTestBus();
  const seen: string[] = [];
  return {
    ...started,
    seen,
    see: (event: { readonly name: string }) => void seen.push(event.name),
    async emitAll() {
      seen.length = 0;
      await started.bus.emit(NAMES.map((name) => ({ name, data: 1 })));
      await started.bus.settled();
      return [...seen];
    },
  };
}

describe("subscribe", () => {
  test.each<[EventSelector, readonly string[]]>([
    ["order.placed", ["order.placed"]],
    [Symbol("order.placed"), ["order.placed"]],
    [
      ["order.placed", "user.created"],
      ["order.placed", "user.created"],
    ],
    [["order.placed", "order.placed"], ["order.placed"]],
    ["order.*", ["order.placed"]],
    ["order.**", ["order.placed", "order.line.added", "order.42.paid"]],
    ["order.*.paid", ["order.42.paid"]],
    ["*.created", ["user.created"]],
    ["*.*", ["order.placed", "user.created"]],
    ["*", NAMES],
    ["**", NAMES],
    ["Order.placed", []],
    ["constructor", []],
  ])("to %o gets what fits it", async (selector, expected) => {
    const { bus, see, emitAll } = await startEmitting();
    bus.subscribe(selector, see, { subscriberId: "mail" });
    expect(await emitAll()).toEqual(expected);
  });

  test.each<[string, unknown]>([
    ["or*der", "or*der"],
    ["order.**.paid", "order.**.paid"],
    ["order.pl*", "order.pl*"],
    ["order.***", "order.***"],
    ["an empty name", ""],
    ["a name with spaces", "order placed"],
    ["a name with a control character", "order.\u0007"],
    ["a name that is too long", "o".repeat(256)],
    ["a symbol without a description", Symbol()],
    ["nothing", undefined],
    ["null", null],
    ["a number", 42],
    ["no events", []],
    ["an object", { event: "a" }],
    ["one malformed pattern among others", ["order.placed", "order.**.paid"]],
    ["a symbol in an array", ["order.placed", Symbol("order.paid")]],
  ])("refuses %s and leaves nothing behind", async (_, selector) => {
    const { bus, see, emitAll } = await startEmitting();
    const subscribe = (): unknown => bus.subscribe(selector as string, see);
    expect(subscribe).toThrow(TypeError);
    expect(subscribe).not.toThrow(/cannot read|is not a function|not iterable/i);
    expect(await emitAll()).toEqual([]);
    expect((await bus.inspect()).subscriptions).toEqual([]);
  });

  test("refuses what is no function", async () => {
    const { bus } = createTestBus();
    for (const subscriber of [undefined, null, {}, "handle"]) {
      expect(() => bus.subscribe("a", subscriber as unknown as Subscriber)).toThrow(
        new TypeError("A subscriber must be a function"),
      );
    }
  });

  test("returns the bus, and so does unsubscribe", () => {
    const { bus } = createTestBus();
    const handler = () => {};
    expect(bus.subscribe("a", handler).subscribe("b", handler)).toBe(bus);
    expect(bus.unsubscribe("a", handler).unsubscribe("never.seen", handler)).toBe(bus);
  });

  test("is ended by its id alone, with all its events, and by nothing else", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    for (const subscriberId of ["mail", "stock"]) {
      const see = ({ name }: Event): void => void seen.push(`${subscriberId} ${name}`);
      bus.subscribe(["a", "b.*"], see, { subscriberId });
    }
    expect(bus.unsubscribe({ subscriberId: "mail" })).toBe(bus);
    bus.unsubscribe({ subscriberId: "nobody" });
    await bus.emit([
      { name: "a", data: 1 },
      { name: "b.c", data: 2 },
    ]);
    await bus.settled();
    expect(seen.toSorted()).toEqual(["stock a", "stock b.c"]);
    expect((await bus.inspect()).subscriptions.map(({ subscriberId }) => subscriberId)).toEqual([
      "stock",
    ]);
    expect(() => bus.unsubscribe({} as { subscriberId: string })).toThrow(TypeError);
  });

  test("does not touch the function or its context", async () => {
    const { bus } = await startTestBus();
    let runs = 0;
    const handler = Object.freeze(() => void runs++);
    const events = Object.freeze(["a", "b"]);
    const context = Object.freeze({ subscriberId: "mail", attempts: 2 });
    bus.subscribe(events, handler, context);
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toBe(1);
    expect(new Set(Reflect.ownKeys(handler))).toEqual(new Set(["length", "name"]));
  });

  test("does not keep the caller's context", async () => {
    const { bus, clock } = await startTestBus();
    let runs = 0;
    const backoff = { type: "fixed" as const, delay: 10 };
    bus.subscribe(
      "a",
      () => {
        runs++;
        throw new Error("no");
      },
      { subscriberId: "mail", attempts: 2, backoff },
    );
    backoff.delay = 1_000_000;
    await bus.emit("a", 1);
    await clock.advance(10);
    expect(runs).toBe(2);
  });

  test("under one id on a name and a pattern that fits is one delivery that runs both", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    const context = { subscriberId: "mail" };
    bus.subscribe("order.*", ({ id }) => void seen.push(`pattern ${id}`), context);
    bus.subscribe("order.placed", ({ id }) => void seen.push(`name ${id}`), context);
    await bus.emit({ name: "order.placed", data: 1, id: "1" });
    await bus.emit({ name: "order.paid", data: 1, id: "2" });
    await bus.settled();
    expect(seen).toEqual(["pattern 1", "name 1", "pattern 2"]);
    const { subscriptions, counters } = await bus.inspect();
    expect(subscriptions.map(({ subscriberId }) => subscriberId)).toEqual(["mail"]);
    expect(subscriptions[0]?.events).toEqual(["order.*", "order.placed"]);
    expect(counters.acknowledged).toBe(2);
  });

  test("with one function on events that overlap runs it once per delivery", async () => {
    const { bus, see, seen } = await startEmitting();
    bus.subscribe(["order.*", "order.placed", "*"], see, { subscriberId: "mail" });
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(seen).toEqual(["order.placed"]);
  });

  test("without an id makes one subscription per event, named after it", async () => {
    const { bus, see } = await startEmitting();
    bus.subscribe(["order.placed", "order.*"], see);
    bus.subscribe("order.placed", () => {});
    const { subscriptions } = await bus.inspect();
    expect(subscriptions.map(({ subscriberId }) => subscriberId)).toEqual([
      "order.*#anonymous",
      "order.placed#anonymous",
    ]);
  });
});

describe("a subscriberId", () => {
  test.each<[string, unknown]>([
    ["of no characters", ""],
    ["of 201 characters", "i".repeat(201)],
    ["with a line break", "mail\n"],
    ["with a control character", "mail\u0000"],
    ["with a line separator", "mail\u2028"],
    ["with the suffix of anonymous ones", "order.placed#anonymous"],
    ["that is a number", 42],
    ["that is null", null],
  ])("%s is refused", (_, subscriberId) => {
    const { bus } = createTestBus();
    const context = { subscriberId } as SubscriberContext;
    expect(() => bus.subscribe("a", () => {}, context)).toThrow(TypeError);
    expect(() => bus.subscribe("a", () => {}, context)).toThrow(/^A subscriberId must /);
  });

  test.each([
    ["m"],
    ["i".repeat(200)],
    ["Quittung senden: 日本/é"],
    ["__proto__"],
    ["constructor"],
  ])("%s is accepted", async (subscriberId) => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    bus.subscribe("a", (_, context) => void seen.push(context.subscriberId), { subscriberId });
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([subscriberId]);
  });

  test("twice on one event is refused, and leaves nothing behind", async () => {
    const { bus, see, emitAll } = await startEmitting();
    const context = { subscriberId: "mail" };
    bus.subscribe("order.placed", see, context);
    expect(() => bus.subscribe(["user.created", "order.placed"], see, context)).toThrow(
      new TypeError(`Subscriber "mail" is already subscribed to "order.placed"`),
    );
    expect(await emitAll()).toEqual(["order.placed"]);
    expect((await bus.inspect()).subscriptions[0]?.events).toEqual(["order.placed"]);
  });

  test("twice on one event is fine after unsubscribe", async () => {
    const { bus, see, emitAll } = await startEmitting();
    const context = { subscriberId: "mail" };
    bus.subscribe("order.placed", () => {}, context);
    bus.unsubscribe("order.placed", () => {}, context);
    bus.subscribe("order.placed", see, context);
    expect(await emitAll()).toEqual(["order.placed"]);
  });
});

describe("the policy of a subscriber", () => {
  test.each<[string, unknown, string]>([
    ["attempts", 0, "must be a whole number from 1"],
    ["attempts", "3", "must be a whole number from 1"],
    ["concurrency", 0, "must be a whole number from 1"],
    ["concurrency", 1.5, "must be a whole number from 1"],
    ["backoff", -1, "must be a number of milliseconds from 0"],
    ["backoff", { type: "linear", delay: 1 }, `needs a type: "fixed" or "exponential"`],
    ["timeoutMs", 0, "must be a number of milliseconds above 0"],
    ["timeoutMs", -1, "must be a number of milliseconds above 0"],
    ["timeoutMs", Number.NaN, "must be a number of milliseconds above 0"],
    ["timeoutMs", "5s", "must be a number of milliseconds above 0"],
    ["ordering", "fifo", `must be "none", "key" or "all"`],
    ["onOrderedFailure", "stop", `must be "park" or "block"`],
    ["aliases", "old", "must be an array of subscriber ids"],
    ["aliases", [""], "must be an array of subscriber ids"],
    ["aliases", ["a#anonymous"], "must be an array of subscriber ids"],
  ])("refuses %s of %o and names subscriber and member", async (member, value, reason) => {
    const { bus } = await startTestBus();
    const context = { subscriberId: "mail", [member]: value } as SubscriberContext;
    expect(() => bus.subscribe("a", () => {}, context)).toThrow(
      new TypeError(`Subscriber "mail": option ${member} ${reason}`),
    );
    const anonymous = { [member]: value } as SubscriberContext;
    expect(() => bus.subscribe("a", () => {}, anonymous)).toThrow(
      new TypeError(`Subscriber "a#anonymous": option ${member} ${reason}`),
    );
    expect((await bus.inspect()).subscriptions).toEqual([]);
  });

  test("that differs from one under the same id is refused, and leaves nothing behind", async () => {
    const { bus, see, emitAll } = await startEmitting();
    bus.subscribe("order.placed", see, { subscriberId: "mail", attempts: 3 });
    const differing: SubscriberContext = { subscriberId: "mail", attempts: 4 };
    expect(() => bus.subscribe("user.created", see, differing)).toThrow(
      new TypeError(
        `Subscriber "mail" has two policies: attempts is 3 and 4; give them once, or alike`,
      ),
    );
    const more: SubscriberContext = { subscriberId: "mail", attempts: 3, timeoutMs: 5 };
    expect(() => bus.subscribe("user.created", see, more)).toThrow(TypeError);
    expect(await emitAll()).toEqual(["order.placed"]);
  });

  test.for<[member: string, first: unknown, second: unknown]>([
    ["backoff", { type: "fixed", delay: 1 }, { type: "fixed", delay: 2 }],
    ["backoff", { type: "fixed", delay: 1 }, { type: "fixed", delay: 1, jitter: 0 }],
    ["backoff", { type: "fixed", delay: 1 }, 1],
    ["aliases", ["old"], ["old", "older"]],
    ["aliases", ["old", "older"], ["older", "old"]],
  ])("that differs within %s is refused: %o and %o", ([member, first, second]) => {
    const { bus } = createTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail", [member]: first });
    expect(() => bus.subscribe("b", () => {}, { subscriberId: "mail", [member]: second })).toThrow(
      `Subscriber "mail" has two policies: ${member} is ${JSON.stringify(first)} and ${JSON.stringify(second)}`,
    );
  });

  test("may be given once, or alike", async () => {
    const { bus, see, emitAll } = await startEmitting();
    const backoff = { type: "fixed", delay: 1 } as const;
    bus.subscribe("order.placed", see, { subscriberId: "mail", attempts: 3, backoff });
    bus.subscribe("user.created", see, { subscriberId: "mail" });
    bus.subscribe("order", see, {
      subscriberId: "mail",
      backoff: { delay: 1, type: "fixed" },
      attempts: 3,
    });
    expect(await emitAll()).toEqual(["order", "order.placed", "user.created"]);
  });

  test("of anonymous subscribers of one event is theirs together", () => {
    const { bus } = createTestBus();
    bus.subscribe("a", () => {}, { attempts: 3 });
    bus.subscribe("a", () => {});
    bus.subscribe("b", () => {}, { attempts: 5 });
    expect(() => bus.subscribe("a", () => {}, { attempts: 4 })).toThrow(TypeError);
  });
});

describe("unsubscribe", () => {
  test("by function ends what the function was subscribed to under whichever id", async () => {
    const { bus, see, seen, emitAll } = await startEmitting();
    const other = () => void seen.push("other");
    bus.subscribe("order.placed", see);
    bus.subscribe("order.placed", see, { subscriberId: "mail" });
    bus.subscribe("order.placed", other);
    bus.unsubscribe("order.placed", see);
    expect(await emitAll()).toEqual(["other"]);
  });

  test("by id ends that subscription only, whatever the function", async () => {
    const { bus, see, seen, emitAll } = await startEmitting();
    bus.subscribe("order.placed", see, { subscriberId: "mail" });
    bus.subscribe("order.placed", () => void seen.push("stock"), { subscriberId: "stock" });
    bus.unsubscribe("order.placed", () => {}, { subscriberId: "mail" });
    expect(await emitAll()).toEqual(["stock"]);
  });

  test("takes a function that is on two events from the one that is named", async () => {
    const { bus, see, emitAll } = await startEmitting();
    bus.subscribe(["order.placed", "user.created"], see, { subscriberId: "mail" });
    bus.subscribe(["order", "order.42.paid"], see);
    bus.unsubscribe("order.placed", see).unsubscribe("order", see);
    expect(await emitAll()).toEqual(["order.42.paid", "user.created"]);
  });

  test("takes symbols, arrays and patterns as subscribe does", async () => {
    const { bus, see, emitAll } = await startEmitting();
    bus.subscribe(Symbol("order.placed"), see);
    bus.subscribe(["order.*", "user.*", "*"], see);
    bus.unsubscribe(Symbol("order.placed"), see).unsubscribe(["order.*", "*"], see);
    expect(await emitAll()).toEqual(["user.created"]);
  });

  test("does not take what only fits: order.* is not order.placed", async () => {
    const { bus, see, emitAll } = await startEmitting();
    bus.subscribe("order.*", see);
    bus.unsubscribe("order.placed", see);
    expect(await emitAll()).toEqual(["order.placed"]);
  });

  test("of what was never subscribed is passed over", async () => {
    const { bus, see, emitAll } = await startEmitting();
    bus.subscribe("order.placed", see, { subscriberId: "mail" });
    bus.unsubscribe("order.placed", () => {});
    bus.unsubscribe("order.placed", see, { subscriberId: "never seen" });
    bus.unsubscribe("user.created", see, { subscriberId: "mail" });
    expect(await emitAll()).toEqual(["order.placed"]);
  });

  test("before start, nothing of the subscription is left", async () => {
    const { bus } = createTestBus();
    const handler = () => {};
    bus.subscribe("a", handler, { subscriberId: "mail" }).unsubscribe("a", handler);
    await bus.start();
    expect((await bus.inspect()).subscriptions).toEqual([]);
  });
});
