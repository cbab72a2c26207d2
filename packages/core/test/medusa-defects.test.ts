// What goes wrong with the event bus of Medusa 2.21.2, and must not go wrong here.
import { describe, expect, test } from "vitest";
import type { ConsumerHandle, Delivery, Settlement } from "../src/contract/provider.ts";
import { createTestBus, memoryProvider, providerLike, startTestBus } from "./support/test-bus.ts";

describe("D1: with attempts: 1, the default, a failing subscriber", () => {
  test("leaves a dead letter with the real error, which can be replayed", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    let isBroken = true;
    bus.subscribe(
      "order.placed",
      ({ id, data }) => {
        if (isBroken) throw new RangeError("card declined");
        seen.push([id, data]);
      },
      { subscriberId: "charge" },
    );
    const [id] = await bus.emit("order.placed", { orderId: 1 });
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toMatchObject([
      {
        subscriberId: "charge",
        event: { id, name: "order.placed", data: { orderId: 1 } },
        reason: "failed",
        attempts: 1,
        errors: [{ name: "RangeError", message: "card declined" }],
      },
    ]);
    isBroken = false;
    expect(await bus.deadLetters.replay("charge")).toBe(1);
    await bus.settled();
    expect(seen).toEqual([[id, { orderId: 1 }]]);
    expect((await bus.deadLetters.list()).items).toEqual([]);
  });
});

describe("D3: a retry", () => {
  test("never runs the subscribers again that have ids and have finished", async () => {
    const { bus, clock } = await startTestBus();
    const calls: Record<string, number[]> = { mail: [], stock: [], search: [] };
    for (const [subscriberId, seen] of Object.entries(calls)) {
      bus.subscribe<number>(
        "order.placed",
        async ({ data }, { attempt }) => {
          seen.push(data);
          if (subscriberId === "stock" && data % 2 === 0 && attempt < 3) throw new Error("no");
        },
        { subscriberId },
      );
    }
    const events = Array.from({ length: 20 }, (_, data) => ({ name: "order.placed", data }));
    await bus.emit(events, { attempts: 3, backoff: 10 });
    await clock.advance(1000);
    await bus.settled();
    expect(calls["mail"]).toHaveLength(20);
    expect(calls["search"]).toHaveLength(20);
    expect(calls["stock"]).toHaveLength(40);
  });

  test("on another instance does not either: what is finished is known by id, not by process", async () => {
    // Two buses on one provider, as two processes are on one broker.
    const inner = memoryProvider();
    let started = false;
    const share = () =>
      providerLike(inner, {
        start: async (context) => {
          if (started) return;
          started = true;
          await inner.start(context);
        },
        stop: async () => {},
      });
    const one = createTestBus({ provider: share() });
    const other = createTestBus({ provider: share() });
    const calls: string[] = [];
    for (const [instance, { bus }] of Object.entries({ one, other })) {
      bus.subscribe("order.placed", () => void calls.push(`mail ${instance}`), {
        subscriberId: "mail",
      });
      bus.subscribe(
        "order.placed",
        (_, { attempt }) => {
          calls.push(`stock ${attempt} ${instance}`);
          if (attempt === 1) throw new Error("no");
        },
        { subscriberId: "stock", attempts: 2 },
      );
    }
    await one.bus.start();
    await other.bus.start();
    await one.bus.emit("order.placed", 1);
    await one.clock.advance(0);
    expect(calls.filter((call) => call.startsWith("mail"))).toHaveLength(1);
    const stock = calls.filter((call) => call.startsWith("stock"));
    expect(stock.map((call) => call.slice(0, 7))).toEqual(["stock 1", "stock 2"]);
    expect(new Set(stock.map((call) => call.slice(8)))).toEqual(new Set(["one", "other"]));
  });
});

describe("D10: a synchronous subscriber", () => {
  const run = async (deliverLater: boolean) => {
    const inner = memoryProvider();
    const later = (deliver: (delivery: Delivery) => Promise<Settlement>) => async (d: Delivery) => {
      await new Promise((resolve) => setImmediate(resolve));
      return deliver(structuredClone(d));
    };
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, payload: deliverLater ? "fresh" : "shared" },
      consume: (spec, deliver): Promise<ConsumerHandle> =>
        inner.consume(spec, deliverLater ? later(deliver) : deliver),
    });
    const { bus } = await startTestBus({ provider });
    bus.subscribe("a", () => {}, { subscriberId: "good" });
    bus.subscribe(
      "a",
      () => {
        throw new Error("no");
      },
      { subscriberId: "bad" },
    );
    await bus.emit("a", 1);
    await bus.settled();
    const { acknowledged, failed, dead } = (await bus.inspect()).counters;
    return { acknowledged, failed, dead };
  };

  test("that returns has succeeded and one that throws has failed, on every kind of provider", async () => {
    expect(await run(false)).toEqual({ acknowledged: 1, failed: 1, dead: 1 });
    expect(await run(true)).toEqual({ acknowledged: 1, failed: 1, dead: 1 });
  });
});

describe("D19: in one process, as with a broker,", () => {
  test("options on the message are honoured, and go before those of the emit", async () => {
    const { bus, clock } = await startTestBus();
    const began = clock.now();
    const times: number[] = [];
    bus.subscribe("a", () => void times.push(clock.now() - began));
    await bus.emit({ name: "a", data: 1, options: { delay: 202 } }, { delay: 1 });
    await clock.advance(201);
    expect(times).toEqual([]);
    await clock.advance(1);
    expect(times).toEqual([202]);
  });

  test("deliveries are retried", async () => {
    const { bus, clock } = await startTestBus();
    let runs = 0;
    bus.subscribe(
      "a",
      () => {
        if (++runs < 3) throw new Error("no");
      },
      { subscriberId: "mail" },
    );
    await bus.emit({ name: "a", data: 1, options: { attempts: 3, backoff: 50 } });
    await clock.advance(100);
    expect(runs).toBe(3);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, dead: 0 });
  });

  test("two buses share nothing", async () => {
    const one = await startTestBus();
    const other = await startTestBus();
    const seen: string[] = [];
    const fail = () => {
      throw new Error("no");
    };
    one.bus.subscribe("a", () => void seen.push("one"), { subscriberId: "mail" });
    other.bus.subscribe("a", () => void seen.push("other"), { subscriberId: "mail" });
    other.bus.subscribe("a", fail, { subscriberId: "broken" });
    one.bus.use(async (_, next) => {
      seen.push("middleware of one");
      await next();
    });
    one.bus.addInterceptor(() => void seen.push("interceptor of one"));
    await other.bus.emit("a", 1, { deduplicationId: "d" });
    await other.bus.settled();
    expect(seen).toEqual(["other"]);
    await one.bus.emit("a", 1, { deduplicationId: "d" });
    await one.bus.settled();
    expect(seen).toEqual(["other", "interceptor of one", "middleware of one", "one"]);
    expect((await one.bus.inspect()).counters).toMatchObject({
      emitted: 1,
      duplicates: 0,
      dead: 0,
    });
    expect((await one.bus.deadLetters.list()).items).toEqual([]);
    await other.bus.stop();
    await one.bus.emit("a", 2);
    await one.bus.settled();
    expect(seen.filter((entry) => entry === "one")).toHaveLength(2);
  });
});

describe("D20: a payload", () => {
  test("is not passed by reference: neither emitter nor subscribers see each other's changes", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    for (const subscriberId of ["one", "two"]) {
      bus.subscribe<{ items: string[] }>(
        "a",
        ({ data }) => {
          seen.push([...data.items]);
          data.items.push(subscriberId);
        },
        { subscriberId },
      );
    }
    const data = { items: ["A"] };
    await bus.emit("a", data);
    await bus.settled();
    expect(seen).toEqual([["A"], ["A"]]);
    expect(data).toEqual({ items: ["A"] });
  });

  test("and its dates have the same types, emitted directly or released from a group", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe<{ at: unknown }>("a", ({ data, metadata }) => {
      seen.push([typeof data.at, metadata.created_at, metadata.published_at]);
    });
    const at = new Date(0);
    const created_at = new Date(1);
    await bus.emit({ name: "a", data: { at }, metadata: { created_at } });
    await bus.emit({ name: "a", data: { at }, metadata: { created_at, eventGroupId: "g" } });
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen).toHaveLength(2);
    expect(seen[0]).toStrictEqual(["string", created_at, expect.any(Date)]);
    expect(seen[1]).toStrictEqual(seen[0]);
  });
});

describe("D21: unsubscribe", () => {
  test("ends what was subscribed to by a symbol", async () => {
    const { bus } = await startTestBus();
    let runs = 0;
    const handler = () => void runs++;
    const event = Symbol("order.placed");
    bus.subscribe(event, handler);
    await bus.emit(event, 1);
    await bus.settled();
    bus.unsubscribe(event, handler);
    await bus.emit(event, 2);
    await bus.settled();
    expect(runs).toBe(1);
  });

  test("ends each of two events that one function is subscribed to, one after the other", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    const handler = ({ name }: { readonly name: string }) => void seen.push(name);
    const emitBoth = async () => {
      seen.length = 0;
      await bus.emit(["a", "b"].map((name) => ({ name, data: 1 })));
      await bus.settled();
      return [...seen];
    };
    bus.subscribe("a", handler).subscribe("b", handler);
    expect(await emitBoth()).toEqual(["a", "b"]);
    bus.unsubscribe("a", handler);
    expect(await emitBoth()).toEqual(["b"]);
    bus.unsubscribe("b", handler);
    expect(await emitBoth()).toEqual([]);
  });
});
