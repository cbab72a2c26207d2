import { describe, expect, test } from "vitest";
import type { EventBus } from "../../src/event-bus.ts";
import type { ProviderAdmin } from "../../src/contract/provider.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { PermanentError } from "../../src/errors/errors.ts";
import { createEventBus } from "../../src/event-bus.ts";
import {
  memoryProvider,
  providerLike,
  startTestBus,
  type TestBusOptions,
} from "../support/test-bus.ts";
import { z } from "zod";

/** A bus with two subscriptions that fail with an error made of the data. */
async function failingBus(options?: TestBusOptions) {
  const made = await startTestBus(options);
  const { bus } = made;
  const handled: unknown[] = [];
  const mail = { isBroken: true };
  bus.subscribe(
    ["order.placed", "order.paid"],
    ({ data }) => {
      if (mail.isBroken) throw new RangeError(`no ${JSON.stringify(data)}`);
      handled.push(data);
    },
    { subscriberId: "mail", attempts: 1 },
  );
  bus.subscribe(
    "stock.low",
    () => {
      throw new PermanentError("no shelf");
    },
    { subscriberId: "stock" },
  );
  return { ...made, mail, handled };
}

async function emitMany(bus: EventBus, count: number, name = "order.placed"): Promise<void> {
  const messages = Array.from({ length: count }, (_, n) => ({ name, data: { n } }));
  await bus.emit(messages);
  await bus.settled();
}

/** A provider that counts the calls of its admin part, and the dead letters that it has listed. */
function countingProvider() {
  const inner = memoryProvider();
  const calls = { listDead: 0, listed: 0, getDead: 0, replayDead: 0, discardDead: 0 };
  const { admin } = inner;
  const counted: ProviderAdmin = {
    ...admin,
    listDead: async (...args) => {
      const page = await admin.listDead(...args);
      calls.listDead += 1;
      calls.listed += page.items.length;
      return page;
    },
    getDead: async (...args) => {
      calls.getDead += 1;
      return (await admin.getDead?.(...args)) ?? [];
    },
    replayDead: (...args) => {
      calls.replayDead += 1;
      return admin.replayDead(...args);
    },
    discardDead: (...args) => {
      calls.discardDead += 1;
      return admin.discardDead(...args);
    },
  };
  return { provider: providerLike(inner, { admin: counted }), calls };
}

describe("a search", () => {
  test("finds by each condition, and by all of them at once", async () => {
    const { bus, clock } = await failingBus();
    const began = clock.now();
    const [first] = await bus.emit({
      name: "order.placed",
      data: { email: "Ada@example.com", orderId: 42 },
      metadata: { tenant: "North" },
    });
    await clock.advance(1000);
    const [second] = await bus.emit("order.paid", { orderId: 7 });
    await clock.advance(1000);
    const [third] = await bus.emit("stock.low", { sku: "A" });
    await clock.advance(1);

    const found = async (where: Parameters<typeof bus.deadLetters.search>[0]) => {
      const { items, cursor } = await bus.deadLetters.search(where);
      expect(cursor).toBeUndefined();
      return items.map(({ event }) => event.id);
    };
    expect(await found({})).toEqual([first, second, third]);
    expect(await found({ subscriberId: "stock" })).toEqual([third]);
    expect(await found({ eventName: "order.*" })).toEqual([first, second]);
    expect(await found({ eventName: "order.paid" })).toEqual([second]);
    expect(await found({ reason: "permanent" })).toEqual([third]);
    expect(await found({ error: "rangeerror: no" })).toEqual([first, second]);
    expect(await found({ error: "SHELF" })).toEqual([third]);
    expect(await found({ text: "ada@EXAMPLE" })).toEqual([first]);
    expect(await found({ text: '"orderId":7' })).toEqual([second]);
    expect(await found({ text: "north" })).toEqual([first]);
    expect(await found({ text: second ?? "" })).toEqual([second]);
    expect(await found({ diedAfter: new Date(began + 1000) })).toEqual([second, third]);
    expect(await found({ diedBefore: new Date(began + 1000) })).toEqual([first]);
    expect(await found({ eventName: "order.**", text: "orderId", error: "42" })).toEqual([first]);
    expect(await found({ text: "nowhere" })).toEqual([]);
  });

  test.each([1, 7, 100, 150, 1000])("pages by %d without a gap or a repeat", async (limit) => {
    const { bus } = await failingBus();
    await emitMany(bus, 250);
    await emitMany(bus, 150, "stock.low");
    const numbers: string[] = [];
    let looked = 0;
    let cursor: string | undefined;
    do {
      const page = await bus.deadLetters.search({ text: "7" }, { limit, cursor });
      expect(page.items.length).toBeLessThanOrEqual(limit);
      numbers.push(
        ...page.items.map(
          ({ subscriberId, event }) => `${subscriberId} ${JSON.stringify(event.data)}`,
        ),
      );
      looked += page.looked;
      cursor = page.cursor;
    } while (cursor !== undefined);
    const all = await bus.deadLetters.list({ limit: 1000 });
    const expected = all.items.filter(({ id, event }) =>
      [id, event.id, JSON.stringify(event.data), JSON.stringify({ ...event.metadata })].some((it) =>
        it.includes("7"),
      ),
    );
    expect(numbers.length).toBeGreaterThan(30);
    expect(numbers.length).toBeLessThanOrEqual(expected.length);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(looked).toBe(400);
  });

  test("ends with its budget, and goes on from its cursor", async () => {
    const { provider, calls } = countingProvider();
    const { bus } = await failingBus({ provider });
    await emitMany(bus, 350);
    const pages: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await bus.deadLetters.search(
        { subscriberId: "mail", text: "nowhere" },
        { budgetMs: 0, cursor },
      );
      expect(page.items).toEqual([]);
      pages.push(page.looked);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([100, 100, 100, 50]);
    expect(calls.listDead).toBe(4);
  });

  test("names the nearest subscription, and what is malformed", async () => {
    const { bus } = await failingBus();
    await expect(bus.deadLetters.search({ subscriberId: "mial" })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      message: 'Nobody knows subscription "mial", did you mean "mail"?',
    });
    await expect(bus.deadLetters.search({ eventName: "a**" })).rejects.toThrow(
      "deadLetters.search(): option eventName must be the name of an event, or a pattern such as order.*",
    );
    await expect(bus.deadLetters.search({ diedAfter: "2026" as unknown as Date })).rejects.toThrow(
      "option diedAfter must be a Date",
    );
    await expect(bus.deadLetters.search({}, { cursor: "x" })).rejects.toThrow(
      "cursor must be the cursor of the page before: x",
    );
    await expect(bus.deadLetters.replayWhere({ names: "a" } as object)).rejects.toThrow(
      'deadLetters.replayWhere() has no option "names"',
    );
  });

  test("rejects with the reason of its signal", async () => {
    const { bus } = await failingBus();
    await emitMany(bus, 1);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(bus.deadLetters.search({}, { signal })).rejects.toThrow("enough");
  });
});

describe("a count", () => {
  test("reads letters only if a condition asks for that", async () => {
    const { provider, calls } = countingProvider();
    const { bus } = await failingBus({ provider });
    await emitMany(bus, 120);
    await emitMany(bus, 2, "stock.low");
    expect(await bus.deadLetters.count()).toBe(122);
    expect(await bus.deadLetters.count({ subscriberId: "mail" })).toBe(120);
    expect(calls.listDead).toBe(0);
    expect(await bus.deadLetters.count({ reason: "failed" })).toBe(120);
    expect(await bus.deadLetters.count({ subscriberId: "mail", text: '"n":119' })).toBe(1);
  });
});

describe("a replay by a filter", () => {
  test("replays what matches, in steps, and says how far it is", async () => {
    const { bus, mail, handled } = await failingBus();
    await emitMany(bus, 250);
    await emitMany(bus, 50, "stock.low");
    mail.isBroken = false;
    const steps: unknown[] = [];
    const result = await bus.deadLetters.replayWhere(
      { text: '"n":1' },
      { onProgress: (progress) => steps.push(progress.looked) },
    );
    await bus.settled();
    // 1, 10 to 19 and 100 to 199 of mail, and 1 and 10 to 19 of stock, which dies again.
    expect(result).toEqual({ total: 300, looked: 300, matched: 122, done: 122 });
    expect(steps).toEqual([100, 200, 250, 300]);
    expect(handled).toHaveLength(111);
    expect(await bus.deadLetters.count()).toBe(300 - 111);
  });

  test("leaves alone what dies again meanwhile", async () => {
    const { bus } = await failingBus();
    await emitMany(bus, 250);
    const { looked, done } = await bus.deadLetters.replayWhere({});
    await bus.settled();
    expect([looked, done]).toEqual([250, 250]);
    expect(await bus.deadLetters.count()).toBe(250);
  });

  test("stops between two steps when its signal aborts, and says what was done", async () => {
    const { bus, mail } = await failingBus();
    await emitMany(bus, 350);
    mail.isBroken = false;
    const controller = new AbortController();
    const result = await bus.deadLetters.replayWhere(
      { subscriberId: "mail" },
      {
        signal: controller.signal,
        onProgress: ({ done }) => {
          if (done === 200) controller.abort();
        },
      },
    );
    expect(result).toEqual({ total: 350, looked: 200, matched: 200, done: 200 });
    expect(await bus.deadLetters.count()).toBe(150);
  });

  test("lets timers run, so that somebody can stop it", async () => {
    const { bus } = await failingBus();
    await emitMany(bus, 1000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 0);
    const { looked } = await bus.deadLetters.discardWhere(
      { text: "nowhere" },
      { signal: controller.signal },
    );
    expect(looked).toBeLessThan(1000);
  });

  test("takes no more than its limit", async () => {
    const { bus } = await failingBus();
    await emitMany(bus, 250);
    const result = await bus.deadLetters.discardWhere({ eventName: "order.*" }, { limit: 130 });
    expect(result).toMatchObject({ matched: 130, done: 130 });
    expect(await bus.deadLetters.count()).toBe(120);
  });

  test("counts the letters itself where numbers lag behind", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, statsLagMs: 60_000 },
      admin: {
        ...inner.admin,
        stats: async () => (await inner.admin.stats()).map((it) => ({ ...it, dead: 1 })),
      },
    });
    const { bus } = await failingBus({ provider });
    await emitMany(bus, 3);
    expect(await bus.deadLetters.discard("mail")).toBe(3);
  });
});

describe("dead letters by their ids", () => {
  test("are found without a look at the others", async () => {
    const { provider, calls } = countingProvider();
    const { bus } = await failingBus({ provider });
    await emitMany(bus, 1000);
    const { items } = await bus.deadLetters.list({ limit: 1000 });
    const ids = items.slice(-150).map(({ id }) => id);
    calls.listed = 0;
    expect((await bus.deadLetters.get("mail", ids[0] ?? "")).event.data).toEqual({ n: 850 });
    expect(await bus.deadLetters.discard("mail", [...ids, ...ids, "no-such-letter"])).toBe(150);
    expect(calls).toMatchObject({ listed: 0, getDead: 3, discardDead: 2 });
  });

  test("are found by a look at the others on a provider that cannot do that", async () => {
    const inner = memoryProvider();
    const { getDead: _, ...admin } = inner.admin;
    const { bus } = await failingBus({ provider: providerLike(inner, { admin }) });
    await emitMany(bus, 250);
    const { items } = await bus.deadLetters.list({ limit: 250 });
    const id = items.at(-1)?.id ?? "";
    expect((await bus.deadLetters.get("mail", id)).event.data).toEqual({ n: 249 });
    await expect(bus.deadLetters.replay("mail", [id], { data: 1 })).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      message: 'Provider "memory" does not support a replay with other data',
    });
    expect(await bus.deadLetters.discard("mail", [id])).toBe(1);
  });
});

describe("a replay with other data", () => {
  async function repairable(maxPayloadBytes?: number) {
    const events = defineEvents({ "order.placed": z.object({ email: z.email() }) });
    const bus = createEventBus({
      events,
      provider: memoryProvider(),
      ...(maxPayloadBytes && { maxPayloadBytes }),
    });
    const seen: unknown[] = [];
    bus.subscribe(
      "order.placed",
      ({ id, data, metadata }, { attempt }) => {
        seen.push({ id, data, tenant: metadata["tenant"], attempt });
        if (data.email === "ada@example.org") throw new Error("bounced");
      },
      { subscriberId: "mail", attempts: 1 },
    );
    await bus.start();
    const [eventId] = await bus.emit({
      name: "order.placed",
      data: { email: "ada@example.org" },
      metadata: { tenant: "north" },
    });
    await bus.settled();
    const [letter] = (await bus.deadLetters.list()).items;
    return { bus, seen, eventId, id: letter?.id ?? "" };
  }

  test("delivers the same event with the new data, as if for the first time", async () => {
    const { bus, seen, eventId, id } = await repairable();
    const data = { email: "ada@example.com" };
    expect(await bus.deadLetters.replay("mail", [id], { data })).toBe(1);
    data.email = "changed@example.com";
    await bus.settled({ eventId: eventId ?? "" });
    expect(seen.at(-1)).toEqual({
      id: eventId,
      data: { email: "ada@example.com" },
      tenant: "north",
      attempt: 1,
    });
    expect(await bus.deadLetters.count()).toBe(0);
    await bus.stop();
  });

  test("refuses data that does not match the schema, is not JSON, or is too large", async () => {
    const { bus, seen, id } = await repairable(300);
    await expect(
      bus.deadLetters.replay("mail", [id], { data: { email: "nobody" } }),
    ).rejects.toMatchObject({
      code: "BUSBAR_INVALID_EVENT",
      details: { event: "order.placed", issues: [{ path: "email" }] },
    });
    await expect(
      bus.deadLetters.replay("mail", [id], { data: { email: 1n } }),
    ).rejects.toMatchObject({
      code: "BUSBAR_INVALID_MESSAGE",
      details: { issues: [{ path: "data.email" }] },
    });
    await expect(
      bus.deadLetters.replay("mail", [id], { data: { email: `${"a".repeat(300)}@example.com` } }),
    ).rejects.toMatchObject({ code: "BUSBAR_INVALID_MESSAGE" });
    expect(seen).toHaveLength(1);
    expect(await bus.deadLetters.count()).toBe(1);
    await bus.stop();
  });

  test("takes exactly one letter, and one that there is", async () => {
    const { bus, id } = await repairable();
    const data = { email: "ada@example.com" };
    for (const ids of [[], [id, id]]) {
      await expect(bus.deadLetters.replay("mail", ids, { data })).rejects.toThrow(
        "deadLetters.replay(): with data, ids must have exactly one id",
      );
    }
    await expect(bus.deadLetters.replay("mail", ["no-such"], { data })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
    });
    await bus.stop();
  });
});
