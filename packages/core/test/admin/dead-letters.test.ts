import { describe, expect, test } from "vitest";
import type { EventBus } from "../../src/event-bus.ts";
import type { DeadLetter } from "../../src/admin/dead-letter.ts";
import type { ProviderAdmin } from "../../src/contract/provider.ts";
import { isBusbarError } from "../../src/errors/errors.ts";
import { createTestBus, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";

const DAY_MS = 86_400_000;

/** Makes a subscription that fails until it is told to work, and notes what it handled. */
function breakable(bus: EventBus, subscriberId: string, event = "a", attempts = 1) {
  const subscriber = { isBroken: true, handled: [] as unknown[], attempts: [] as number[] };
  bus.subscribe(
    event,
    ({ data }, { attempt }) => {
      subscriber.attempts.push(attempt);
      if (subscriber.isBroken) throw new Error(`no ${String(data)}`);
      subscriber.handled.push(data);
    },
    { subscriberId, attempts, concurrency: 1 },
  );
  return subscriber;
}

async function emitEach(bus: EventBus, ...data: readonly unknown[]): Promise<void> {
  for (const one of data) await bus.emit("a", one);
  await bus.settled();
}

const dataOf = (items: readonly DeadLetter[]) => items.map(({ event }) => event.data);

/** All pages of a list, each as the data of its events. */
async function pages(bus: EventBus, limit: number, subscriberId?: string) {
  const found: unknown[][] = [];
  let cursor: string | undefined;
  do {
    const page = await bus.deadLetters.list({ limit, cursor, subscriberId });
    found.push(page.items.map((item) => `${item.subscriberId}:${String(item.event.data)}`));
    cursor = page.cursor;
  } while (cursor !== undefined && found.length < 100);
  return found;
}

describe("a dead letter", () => {
  test("has the event whole, the reason, the attempts, and each error with its time", async () => {
    const { bus, clock } = await startTestBus();
    const began = clock.now();
    const coded = Object.assign(new Error("no disk"), { code: "ENOSPC" });
    bus.subscribe(
      "order.placed",
      (_, { attempt }) => {
        if (attempt === 1) throw new RangeError("too far");
        if (attempt === 2) throw "no paper";
        throw coded;
      },
      { subscriberId: "mail", attempts: 3, backoff: 100 },
    );
    const data = { orderId: 1, lines: [{ sku: "A" }] };
    const [id] = await bus.emit({ name: "order.placed", data, metadata: { tenant: { id: 7 } } });
    await clock.advance(1000);
    const { items, ...rest } = await bus.deadLetters.list();
    expect(rest.cursor).toBeUndefined();
    expect(items).toStrictEqual([
      {
        id: expect.any(String),
        subscriberId: "mail",
        subscriptionId: "mail",
        event: {
          id,
          name: "order.placed",
          data,
          metadata: {
            createdAt: new Date(began),
            created_at: new Date(began),
            publishedAt: new Date(began),
            published_at: new Date(began),
            correlationId: id,
            tenant: { id: 7 },
          },
        },
        reason: "failed",
        attempts: 3,
        errors: [
          {
            at: new Date(began),
            name: "RangeError",
            message: "too far",
            stack: expect.stringContaining("dead-letters.test.ts"),
            code: undefined,
          },
          { at: new Date(began + 100), name: "NonError", message: "no paper" },
          {
            at: new Date(began + 200),
            name: "Error",
            message: "no disk",
            stack: expect.any(String),
            code: "ENOSPC",
          },
        ],
        diedAt: new Date(began + 200),
      },
    ]);
  });

  test("of more than 20 errors has the first and the last 19", async () => {
    const { bus, clock } = await startTestBus();
    bus.subscribe(
      "a",
      (_, { attempt }) => {
        throw new Error(`attempt ${attempt}`);
      },
      { subscriberId: "mail", attempts: 50, backoff: 10 },
    );
    await bus.emit("a", 1);
    await clock.advance(1000);
    const [dead] = (await bus.deadLetters.list()).items;
    expect(dead?.attempts).toBe(50);
    expect(dead?.errors.map(({ message }) => message)).toEqual([
      "attempt 1",
      ...Array.from({ length: 19 }, (_, index) => `attempt ${index + 32}`),
    ]);
  });

  test.each<[string, (attempt: number) => Error]>([
    ["messages", (attempt) => new Error(`${attempt}: ${"x".repeat(1_000_000)}`)],
    ["messages that JSON escapes", (attempt) => new Error(`${attempt}: ${"\0".repeat(100_000)}`)],
    [
      "names, codes and stacks",
      (attempt) =>
        Object.assign(new Error(`${attempt}: `), {
          name: "N".repeat(1_000_000),
          code: "C".repeat(1_000_000),
          stack: "s\n    at ".repeat(1_000_000),
        }),
    ],
    ["causes", (attempt) => new Error(`${attempt}: `, { cause: new Error("c".repeat(1_000_000)) })],
    [
      "errors within",
      (attempt) =>
        new AggregateError(
          Array.from({ length: 9 }, () => new Error("e".repeat(9999))),
          `${attempt}: `,
        ),
    ],
  ])(
    "has at most 8 kB of errors with endless %s, and the first and the latest",
    async (_, fail) => {
      const { bus, clock } = await startTestBus();
      bus.subscribe(
        "a",
        (_event, { attempt }) => {
          throw fail(attempt);
        },
        { subscriberId: "mail", attempts: 10, backoff: 10 },
      );
      await bus.emit("a", 1);
      await clock.advance(1000);
      const [dead] = (await bus.deadLetters.list()).items;
      const errors = dead?.errors ?? [];
      expect(Buffer.byteLength(JSON.stringify(errors))).toBeLessThan(8_500);
      expect(errors[0]?.message).toMatch(/^1: /);
      expect(errors.at(-1)?.message).toMatch(/^10: /);
      expect(errors.at(-1)?.stack).toBeDefined();
      expect(dead?.attempts).toBe(10);
    },
  );

  test("keeps where an error was thrown also when its message is long", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {
      throw new Error("x".repeat(100_000));
    });
    await bus.emit("a", 1);
    await bus.settled();
    const [error] = (await bus.deadLetters.list()).items[0]?.errors ?? [];
    expect(error?.stack).toMatch(/^Error: x{100,200}…\n {4}at .*dead-letters\.test\.ts/);
  });

  test("says what caused an error, also when that is the error itself", async () => {
    const { bus } = await startTestBus();
    const cause = Object.assign(new Error("no route"), { name: "NetError" });
    const circle: Error = new Error("circle", { cause: new Error("inner", { cause }) });
    cause.cause = circle;
    bus.subscribe("a", () => {
      throw circle;
    });
    bus.subscribe("b", () => {
      throw new AggregateError([new Error("1"), "2"], "both", { cause: "3" });
    });
    await bus.emit("a", 1);
    await bus.emit("b", 1);
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    expect(items.map(({ errors }) => errors[0]?.cause)).toEqual([
      "Error: inner; NetError: no route",
      "Error: 1; 2; 3",
    ]);
  });

  test("has well-formed text only, whatever was thrown", async () => {
    const { bus } = await startTestBus();
    const half = "\ud83d";
    bus.subscribe("a", () => {
      throw Object.assign(new Error(`m${half}`, { cause: new Error(`c${half}`) }), {
        name: `n${half}`,
        code: `k${half}`,
        stack: `s${half}\n    at f${half}`,
      });
    });
    bus.subscribe("b", () => {
      throw new Error("😀".repeat(5_000));
    });
    bus.subscribe("c", () => {
      throw `x${half}`;
    });
    for (const name of ["a", "b", "c"]) await bus.emit(name, 1);
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    const texts = items.flatMap(({ errors }) => errors.flatMap((error) => Object.values(error)));
    const strings = texts.filter((text): text is string => typeof text === "string");
    expect(strings.length).toBe(10);
    expect(strings.filter((text) => !text.isWellFormed())).toEqual([]);
  });
});

describe("deadLetters.list", () => {
  test("is empty where nothing is dead, and for a subscription that nobody knows", async () => {
    const { bus } = await startTestBus();
    breakable(bus, "mail");
    expect(await bus.deadLetters.list()).toEqual({ items: [] });
    expect(await bus.deadLetters.list({ subscriberId: "mail" })).toEqual({ items: [] });
    await expect(bus.deadLetters.list({ subscriberId: "nobody" })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      details: { kind: "subscription", id: "nobody" },
    });
  });

  test("lists those of all subscriptions, or of one, the oldest first", async () => {
    const { bus } = await startTestBus();
    breakable(bus, "stock");
    breakable(bus, "mail");
    await emitEach(bus, 1, 2, 3);
    const { items } = await bus.deadLetters.list();
    expect(items.map((item) => [item.subscriberId, item.event.data])).toEqual([
      ["mail", 1],
      ["mail", 2],
      ["mail", 3],
      ["stock", 1],
      ["stock", 2],
      ["stock", 3],
    ]);
    expect(dataOf((await bus.deadLetters.list({ subscriberId: "stock" })).items)).toEqual([
      1, 2, 3,
    ]);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 100])(
    "in pages of %d shows each once, in order, through many subscriptions",
    async (limit) => {
      const { bus } = await startTestBus();
      for (const id of ["a1", "b2", "c3"]) breakable(bus, id);
      bus.subscribe("a", () => {}, { subscriberId: "b0 has none" });
      await emitEach(bus, 1, 2);
      const found = await pages(bus, limit);
      expect(found.flat()).toEqual(["a1:1", "a1:2", "b2:1", "b2:2", "c3:1", "c3:2"]);
      for (const page of found.slice(0, -1)) expect(page).toHaveLength(limit);
      expect(await pages(bus, limit, "b2")).toHaveLength(limit === 1 ? 2 : 1);
    },
  );

  test("goes on in the right place when letters leave between two pages", async () => {
    const { bus } = await startTestBus();
    breakable(bus, "mail");
    await emitEach(bus, 1, 2, 3, 4);
    const first = await bus.deadLetters.list({ limit: 2 });
    expect(dataOf(first.items)).toEqual([1, 2]);
    await bus.deadLetters.discard("mail", [first.items[1]?.id as string]);
    const second = await bus.deadLetters.list({ limit: 2, cursor: first.cursor });
    expect(dataOf(second.items)).toEqual([3, 4]);
  });

  test("has pages of 100 by default", async () => {
    const { bus } = await startTestBus();
    breakable(bus, "mail");
    await bus.emit(Array.from({ length: 101 }, (_, data) => ({ name: "a", data })));
    await bus.settled();
    const first = await bus.deadLetters.list();
    expect(first.items).toHaveLength(100);
    expect((await bus.deadLetters.list({ cursor: first.cursor })).items).toHaveLength(1);
  });

  test("gives the provider its own cursors only, and none for a first page", async () => {
    const inner = memoryProvider();
    const cursors: unknown[] = [];
    const admin: ProviderAdmin = {
      ...inner.admin,
      listDead(subscriptionId, page) {
        cursors.push([subscriptionId, page.cursor]);
        return inner.admin.listDead(subscriptionId, page);
      },
    };
    const { bus } = await startTestBus({ provider: providerLike(inner, { admin }) });
    for (const id of ["mail", "stock"]) breakable(bus, id);
    await emitEach(bus, 1);
    await pages(bus, 1);
    expect(cursors).toEqual([
      ["mail", undefined],
      ["stock", undefined],
    ]);
  });

  test.each([0, -1, 1.5, Number.NaN])("refuses a limit of %d with a TypeError", async (limit) => {
    const { bus } = await startTestBus();
    await expect(bus.deadLetters.list({ limit })).rejects.toThrow(TypeError);
    await expect(bus.deadLetters.list({ subscriberId: "mail", limit })).rejects.toThrow(
      "limit must be a whole number from 1",
    );
  });

  test.each(["{", "null", "3", `"mail"`, "[]", "[7]"])(
    "refuses the cursor %s, which it never gave, with a TypeError",
    async (cursor) => {
      const { bus } = await startTestBus();
      await expect(bus.deadLetters.list({ cursor })).rejects.toThrow(TypeError);
    },
  );

  test("is refused before start", async () => {
    const { bus } = createTestBus();
    await expect(bus.deadLetters.list()).rejects.toThrow(/start\(\)/);
  });
});

describe("deadLetters.get", () => {
  test("resolves with the one, also of a later page", async () => {
    const { bus } = await startTestBus();
    breakable(bus, "mail");
    await bus.emit(Array.from({ length: 150 }, (_, data) => ({ name: "a", data })));
    await bus.settled();
    const { cursor } = await bus.deadLetters.list({ subscriberId: "mail" });
    const [, wanted] = (await bus.deadLetters.list({ subscriberId: "mail", cursor })).items;
    expect(await bus.deadLetters.get("mail", wanted?.id as string)).toEqual(wanted);
  });

  test.each([
    ["mail", "42"],
    ["nobody", "1"],
  ])("of subscription %s and id %s rejects with BUSBAR_NOT_FOUND", async (subscription, id) => {
    const { bus } = await startTestBus();
    breakable(bus, "mail");
    await emitEach(bus, 1);
    const error: unknown = await bus.deadLetters.get(subscription, id).catch((reason) => reason);
    expect(isBusbarError(error, "BUSBAR_NOT_FOUND") && error.details).toEqual({
      kind: "dead letter",
      id,
    });
  });
});

test("a delivery that waits for its next run keeps its errors when it is retired", async () => {
  const { bus } = await startTestBus();
  bus.subscribe("a", () => Promise.reject(new Error("no luck")), {
    subscriberId: "mail",
    attempts: 2,
    backoff: 1000,
  });
  await bus.emit("a", 1);
  await idle();

  await bus.retire("mail");

  const { items } = await bus.deadLetters.list();
  expect(items).toMatchObject([
    { reason: "retired", attempts: 1, errors: [{ message: "no luck" }] },
  ]);
});

describe("deadLetters.replay", () => {
  test("delivers to that subscription only, as if for the first time", async () => {
    const { bus } = await startTestBus();
    const mail = breakable(bus, "mail", "a", 2);
    const stock = breakable(bus, "stock");
    let audited = 0;
    bus.subscribe("a", () => void audited++, { subscriberId: "audit" });
    await emitEach(bus, 1);
    expect(mail.attempts).toEqual([1, 2]);
    expect(await bus.deadLetters.replay("mail")).toBe(1);
    await bus.settled();
    expect(mail.attempts).toEqual([1, 2, 1, 2]);
    const [dead] = (await bus.deadLetters.list({ subscriberId: "mail" })).items;
    expect(dead).toMatchObject({ attempts: 2 });
    expect(dead?.errors).toHaveLength(2);
    mail.isBroken = false;
    await bus.deadLetters.replay("mail");
    await bus.settled();
    expect(mail.handled).toEqual([1]);
    expect([stock.attempts.length, audited]).toEqual([1, 1]);
    expect((await bus.deadLetters.list()).items.map((item) => item.subscriberId)).toEqual([
      "stock",
    ]);
  });

  test("delivers the event that it was: id, metadata and all", async () => {
    const { bus, clock } = await startTestBus();
    const seen: unknown[] = [];
    let isBroken = true;
    bus.subscribe("a", (event) => {
      seen.push(event);
      if (isBroken) throw new Error("no");
    });
    await bus.emit({ name: "a", data: { deep: [1] }, metadata: { tenant: 7 } });
    await bus.settled();
    isBroken = false;
    await clock.advance(DAY_MS);
    await bus.deadLetters.replay("a#anonymous");
    await bus.settled();
    expect(seen).toHaveLength(2);
    expect(seen[1]).toStrictEqual(seen[0]);
  });

  test("takes those that are named, and resolves with how many there were", async () => {
    const { bus } = await startTestBus();
    const mail = breakable(bus, "mail");
    await emitEach(bus, 1, 2, 3);
    mail.isBroken = false;
    const ids = (await bus.deadLetters.list()).items.map(({ id }) => id);
    expect(await bus.deadLetters.replay("mail", [ids[2], ids[0], "unknown"] as string[])).toBe(2);
    await bus.settled();
    expect(mail.handled).toEqual([1, 3]);
    expect(dataOf((await bus.deadLetters.list()).items)).toEqual([2]);
  });

  test("of unknown ids and of none is 0, of an unknown subscription it rejects", async () => {
    const { bus } = await startTestBus();
    breakable(bus, "mail");
    await emitEach(bus, 1);
    expect(await bus.deadLetters.replay("mail", ["unknown"])).toBe(0);
    expect(await bus.deadLetters.replay("mail", [])).toBe(0);
    const notFound = { code: "BUSBAR_NOT_FOUND", details: { kind: "subscription", id: "mial" } };
    await expect(bus.deadLetters.replay("mial")).rejects.toMatchObject({
      ...notFound,
      message: 'Nobody knows subscription "mial", did you mean "mail"?',
    });
    await expect(bus.deadLetters.replay("mial", ["1"])).rejects.toMatchObject(notFound);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toHaveLength(1);
  });

  test("of all takes hundreds, and what dies again is not taken twice", async () => {
    const { bus } = await startTestBus();
    const mail = breakable(bus, "mail");
    await bus.emit(Array.from({ length: 250 }, (_, data) => ({ name: "a", data })));
    await bus.settled();
    expect(await bus.deadLetters.replay("mail")).toBe(250);
    await bus.settled();
    expect(mail.attempts).toHaveLength(500);
    mail.isBroken = false;
    expect(await bus.deadLetters.replay("mail")).toBe(250);
    await bus.settled();
    expect(mail.handled).toEqual(Array.from({ length: 250 }, (_, data) => data));
  });

  test("is waited for by settled", async () => {
    const { bus, clock } = await startTestBus();
    const mail = breakable(bus, "mail", "a", 2);
    await emitEach(bus, 1);
    mail.isBroken = false;
    const replayed = bus.deadLetters.replay("mail");
    expect(mail.handled).toEqual([]);
    await replayed;
    await bus.settled();
    expect(mail.handled).toEqual([1]);
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("carries causality on", async () => {
    const { bus } = await startTestBus();
    let isBroken = true;
    const seen: unknown[] = [];
    bus.subscribe("a", async () => {
      if (isBroken) throw new Error("no");
      await bus.emit("b", 1);
    });
    bus.subscribe("b", ({ metadata }) => {
      seen.push(metadata.correlationId, metadata.causationId);
    });
    const [id] = await bus.emit("a", 1);
    await bus.settled();
    isBroken = false;
    await bus.deadLetters.replay("a#anonymous");
    await bus.settled();
    expect(seen).toEqual([id, id]);
  });
});

describe("deadLetters.discard", () => {
  test("deletes one, many or all, and resolves with how many there were", async () => {
    const { bus } = await startTestBus();
    const mail = breakable(bus, "mail");
    breakable(bus, "stock");
    await emitEach(bus, 1, 2, 3, 4);
    const list = async (subscriberId: string) =>
      (await bus.deadLetters.list({ subscriberId })).items;
    const [first, second] = await list("mail");
    expect(await bus.deadLetters.discard("mail", [first?.id as string])).toBe(1);
    expect(await bus.deadLetters.discard("mail", [first?.id as string])).toBe(0);
    expect(await bus.deadLetters.discard("mail", [second?.id as string, "unknown"])).toBe(1);
    expect(dataOf(await list("mail"))).toEqual([3, 4]);
    expect(await bus.deadLetters.discard("mail")).toBe(2);
    await expect(bus.deadLetters.discard("nobody")).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
    });
    expect(await list("mail")).toEqual([]);
    expect(await list("stock")).toHaveLength(4);
    mail.isBroken = false;
    expect(await bus.deadLetters.replay("mail")).toBe(0);
    await bus.settled();
    expect(mail.handled).toEqual([]);
  });
});

describe("the bound on dead letters", () => {
  test("by number drops the oldest of that subscription, counts and logs them", async () => {
    const { bus, logger } = await startTestBus({ deadLetters: { maxPerSubscription: 2 } });
    breakable(bus, "mail");
    breakable(bus, "stock");
    await emitEach(bus, 1, 2);
    expect((await bus.inspect()).counters.deadLettersDropped).toBe(0);
    await emitEach(bus, 3, 4);
    const { items } = await bus.deadLetters.list();
    expect(dataOf(items)).toEqual([3, 4, 3, 4]);
    expect((await bus.inspect()).counters).toMatchObject({ dead: 8, deadLettersDropped: 4 });
    const dropped = logger.at("warn").filter(({ message }) => /dropped/.test(message));
    expect(dropped).toHaveLength(4);
    expect(dropped[0]).toMatchObject({
      fields: { provider: "memory", subscriberId: "mail", count: 1 },
    });
  });

  test("by age drops them when their time has come, counts and logs them", async () => {
    const { bus, clock, logger } = await startTestBus({ deadLetters: { maxAgeMs: 1000 } });
    breakable(bus, "mail");
    await emitEach(bus, 1);
    await clock.advance(600);
    await emitEach(bus, 2);
    await clock.advance(399);
    expect(dataOf((await bus.deadLetters.list()).items)).toEqual([1, 2]);
    await clock.advance(1);
    expect(dataOf((await bus.deadLetters.list()).items)).toEqual([2]);
    await clock.advance(600);
    expect((await bus.deadLetters.list()).items).toEqual([]);
    expect((await bus.inspect()).counters.deadLettersDropped).toBe(2);
    expect(logger.at("warn").filter(({ message }) => /dropped/.test(message))).toHaveLength(2);
  });

  test("is 10 000 and 30 days by default", { timeout: 30_000 }, async () => {
    const { bus, clock } = await startTestBus();
    breakable(bus, "mail");
    await bus.emit(Array.from({ length: 10_001 }, (_, data) => ({ name: "a", data })));
    await bus.settled();
    expect((await bus.inspect()).subscriptions[0]?.dead).toBe(10_000);
    await clock.advance(30 * DAY_MS - 1);
    expect((await bus.inspect()).subscriptions[0]?.dead).toBe(10_000);
    await clock.advance(1);
    expect((await bus.inspect()).subscriptions[0]?.dead).toBe(0);
  });

  test.each([
    [{ maxPerSubscription: 0 }],
    [{ maxPerSubscription: Number.NaN }],
    [{ maxAgeMs: 0 }],
    [{ maxAgeMs: -1 }],
  ])("of %o is a TypeError", (deadLetters) => {
    expect(() => createTestBus({ deadLetters })).toThrow(TypeError);
  });
});
