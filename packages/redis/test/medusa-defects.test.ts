// What goes wrong with the event bus of Medusa 2.21.2 on Redis, and must not go wrong here.
import {
  type BusOptions,
  createEventBus,
  type EventBus,
  isBusbarError,
  type Role,
} from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { redisProvider, type RedisProviderOptions } from "../src/index.ts";
import { startProcess } from "./support/process.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";
import { eventually } from "./support/eventually.ts";

let redis: RedisServer;
let client: Redis;
let buses: EventBus[];
let count = 0;
let name: string;

beforeAll(async () => {
  redis = await startRedisServer();
  client = new Redis(redis.url);
});
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});
beforeEach(() => {
  buses = [];
  count += 1;
  name = `defects-${count}`;
});
afterEach(async () => {
  await Promise.all(buses.map((bus) => bus.stop({ graceMs: 0 })));
});

type Extra = BusOptions & { readonly role?: Role; readonly redis?: RedisProviderOptions };

/** A bus as one more process would have it. */
function createBus({ redis: options, ...rest }: Extra = {}): EventBus {
  const provider = redisProvider({
    redisUrl: redis.url,
    lockDurationMs: 1_000,
    stalledCheckMs: 300,
    ...options,
  });
  const bus = createEventBus({ name, provider, ...rest });
  buses.push(bus);
  return bus;
}

describe("D1: with attempts: 1, the default, a failing subscriber", () => {
  test("leaves a dead letter with the real error, which can be replayed", async () => {
    const bus = createBus();
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
    await bus.start();
    const [id] = await bus.emit("order.placed", { orderId: 1 });
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toMatchObject([
      {
        subscriptionId: "charge",
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

describe("D2: the final attempt", () => {
  test("keeps the last error, and dead letters are bounded", async () => {
    const bus = createBus({ deadLetters: { maxPerSubscription: 3 } });
    let attempts = 0;
    bus.subscribe(
      "order.placed",
      () => {
        attempts += 1;
        throw new Error(`attempt ${attempts}`);
      },
      { subscriberId: "charge", attempts: 3, backoff: 1, concurrency: 1 },
    );
    await bus.start();
    await bus.emit("order.placed", {});
    await bus.settled();
    expect(attempts).toBe(3);
    const [letter] = (await bus.deadLetters.list()).items;
    expect(letter).toMatchObject({ attempts: 3, reason: "failed" });
    expect(letter?.errors.at(-1)).toMatchObject({ message: "attempt 3" });

    await bus.emit(Array.from({ length: 20 }, () => ({ name: "order.placed", data: {} })));
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toHaveLength(3);
    expect(await failedJobs()).toEqual([]);
  });
});

describe("D3: a retry", () => {
  test("on another instance never runs what has finished", async () => {
    const calls: Record<string, number[]> = { mail: [], stock: [], search: [] };
    const instances = [createBus(), createBus()];
    for (const bus of instances) {
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
      await bus.start();
    }
    const events = Array.from({ length: 20 }, (_, data) => ({ name: "order.placed", data }));
    await instances[0]?.emit(events, { attempts: 3, backoff: 10 });
    await instances[0]?.settled();
    expect(calls["mail"]).toHaveLength(20);
    expect(calls["search"]).toHaveLength(20);
    expect(calls["stock"]).toHaveLength(40);
  });
});

describe("D4: a process killed with events in flight", () => {
  test("repeats only what was not settled", { timeout: 30_000 }, async () => {
    const emitter = createBus({ role: "server" });
    const worker = await startProcess("hanging-worker.ts", { name, redisUrl: redis.url });
    await emitter.start();
    // `quick` finishes at once. `slow` hangs in the process that is killed.
    const events = Array.from({ length: 20 }, (_, data) => ({ name: "order.placed", data }));
    await emitter.emit(events);
    await worker.saw("quick", 20);
    await worker.saw("slow", 20);
    // Past the checkpoint, what was acknowledged is written down.
    await eventually(async () => expect(await backlog(emitter, "quick")).toBe(0));
    await worker.kill();

    const seen: Record<string, unknown[]> = { quick: [], slow: [] };
    const survivor = createBus();
    for (const [subscriberId, ids] of Object.entries(seen)) {
      survivor.subscribe("order.placed", ({ data }) => void ids.push(data), { subscriberId });
    }
    await survivor.start();
    await survivor.settled({ timeoutMs: 20_000 });
    expect(seen["quick"]).toEqual([]);
    expect(seen["slow"]?.toSorted((a, b) => Number(a) - Number(b))).toEqual(
      events.map(({ data }) => data),
    );
  });
});

describe("D5: emit while Redis is away", () => {
  test("rejects with a code within emitTimeoutMs, and works again by itself", async () => {
    const own = await startRedisServer();
    const bus = createBus({ emitTimeoutMs: 500, redis: { redisUrl: own.url } });
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.start();
    await own.kill();
    const startedAt = performance.now();
    const failure = await bus.emit("order.placed", 1).catch((error: unknown) => error);
    expect(
      isBusbarError(failure, "BUSBAR_UNAVAILABLE") || isBusbarError(failure, "BUSBAR_EMIT_TIMEOUT"),
    ).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(2_000);

    await own.start();
    await eventually(() => bus.emit("order.placed", 2));
    await eventually(() => expect(seen).toContain(2));
    await bus.stop({ graceMs: 0 });
    await own.stop();
  });
});

describe("D6: Redis away when a worker starts", () => {
  test("is reported by health(), and the worker begins when it comes", async () => {
    const own = await startRedisServer();
    await own.kill();
    const bus = createBus({ redis: { redisUrl: own.url } });
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    const started = bus.start();
    await eventually(async () =>
      expect(await bus.health()).toMatchObject({ status: "down", consuming: false }),
    );
    await own.start();
    await started;
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(seen).toEqual([1]);
    expect(await bus.health()).toMatchObject({ status: "up", consuming: true });
    await bus.stop({ graceMs: 0 });
    await own.stop();
  });
});

describe("D7: an emitter without subscribers of its own", () => {
  test("reaches those of others", async () => {
    const worker = createBus({ role: "worker" });
    const seen: unknown[] = [];
    worker.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await worker.start();
    const emitter = createBus({ role: "server" });
    await emitter.start();
    await emitter.emit("order.placed", 1);
    await emitter.settled();
    expect(seen).toEqual([1]);
  });
});

describe("D8: two releases side by side", () => {
  test("lose none of 2 000 events of a subscription that only one knows", async () => {
    const seen = new Set<unknown>();
    const older = [createBus(), createBus()];
    for (const bus of older) {
      bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
      await bus.start();
    }
    const newer = createBus();
    newer.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    newer.subscribe("order.placed", ({ data }) => void seen.add(data), { subscriberId: "search" });
    await newer.start();
    await Promise.all(
      Array.from({ length: 2_000 }, async (_, data) => older[data % 2]?.emit("order.placed", data)),
    );
    await newer.settled({ timeoutMs: 20_000 });
    expect(seen.size).toBe(2_000);
  });
});

describe("D9: a slow subscriber", () => {
  test("holds up no other", async () => {
    const bus = createBus();
    const waits: number[] = [];
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    bus.subscribe("order.placed", () => released, { subscriberId: "slow", concurrency: 1 });
    bus.subscribe<number>("order.placed", ({ data }) => void waits.push(Date.now() - data), {
      subscriberId: "fast",
    });
    await bus.start();
    for (let index = 0; index < 100; index += 1) await bus.emit("order.placed", Date.now());
    // All of `fast` is done while the first of `slow` still runs.
    await eventually(() => expect(waits).toHaveLength(100));
    release();
    await bus.settled();
  });
});

describe("D10: a synchronous subscriber", () => {
  test("that returns has succeeded, and one that throws has failed", async () => {
    const bus = createBus();
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    bus.subscribe(
      "order.placed",
      () => {
        throw new Error("at once");
      },
      { subscriberId: "stock" },
    );
    await bus.start();
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(seen).toEqual([1]);
    expect((await bus.deadLetters.list()).items).toMatchObject([
      { subscriptionId: "stock", errors: [{ message: "at once" }] },
    ]);
  });
});

describe("D11: the release of a group", () => {
  test("by two instances at once publishes each event once", async () => {
    const [first, second] = [createBus(), createBus()];
    const seen: unknown[] = [];
    for (const bus of [first, second]) {
      bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
      await bus.start();
    }
    const metadata = { eventGroupId: "run-1" };
    const events = Array.from({ length: 50 }, (_, data) => ({
      name: "order.placed",
      data,
      metadata,
    }));
    await first.emit(events);
    await Promise.all([first.releaseGroupedEvents("run-1"), second.releaseGroupedEvents("run-1")]);
    await first.settled();
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(events.map(({ data }) => data));
    expect((await first.inspect()).groups).toEqual([]);
  });

  test("loses nothing that joins in between", async () => {
    const bus = createBus();
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.start();
    const metadata = { eventGroupId: "run-1" };
    const joins = Array.from({ length: 40 }, async (_, data) => {
      await bus.emit({ name: "order.placed", data, metadata });
      if (data % 7 === 0) await bus.releaseGroupedEvents("run-1");
    });
    await Promise.all(joins);
    await bus.releaseGroupedEvents("run-1");
    await bus.settled();
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(joins.map((_, data) => data));
  });
});

describe("D12: a group", () => {
  test("has no time to live unless one is asked for", async () => {
    const bus = createBus();
    await bus.start();
    await bus.emit({ name: "order.placed", data: 1, metadata: { eventGroupId: "run-1" } });
    expect((await bus.inspect()).groups).toMatchObject([{ eventGroupId: "run-1", events: 1 }]);
    for (const key of await client.keys(`*${name}*group*`)) {
      expect([key, await client.pttl(key)]).toEqual([key, -1]);
    }
  });
});

describe("D20: a payload", () => {
  test("is isolated, and its dates have the same types from a group and from an emit", async () => {
    const bus = createBus();
    const seen: { data: unknown; dates: boolean[] }[] = [];
    for (const subscriberId of ["mail", "stock"]) {
      bus.subscribe<{ lines: number[] }>(
        "order.placed",
        ({ data, metadata }) => {
          data.lines.push(2);
          const { created_at, published_at } = metadata;
          seen.push({ data, dates: [created_at, published_at].map((at) => at instanceof Date) });
        },
        { subscriberId },
      );
    }
    await bus.start();
    const data = { lines: [1] };
    await bus.emit("order.placed", data);
    await bus.emit({ name: "order.placed", data, metadata: { eventGroupId: "run-1" } });
    await bus.releaseGroupedEvents("run-1");
    await bus.settled();
    expect(data).toEqual({ lines: [1] });
    expect(seen).toEqual(
      Array.from({ length: 4 }, () => ({ data: { lines: [1, 2] }, dates: [true, true] })),
    );
  });
});

describe("D22: options and keys", () => {
  test("are not mutated, and are all under the prefix", async () => {
    const before = new Set(await client.keys("*"));
    const connection = Object.freeze({ host: "127.0.0.1", port: redis.port });
    const options = Object.freeze({ connection, batch: Object.freeze({ maxEvents: 10 }) });
    const bus = createEventBus({ name, provider: redisProvider(options) });
    buses.push(bus);
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail", ordering: "key" });
    bus.subscribe("order.placed", () => Promise.reject(new Error("no")), { subscriberId: "dead" });
    await bus.start();
    const emitOptions = Object.freeze({ attempts: 2, orderingKey: "a", deduplicationId: "b" });
    await bus.emit("order.placed", {}, emitOptions);
    await bus.emit({ name: "order.placed", data: {}, metadata: { eventGroupId: "run-1" } });
    await bus.settled();
    const keys = (await client.keys("*")).filter((key) => !before.has(key));
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.filter((key) => !key.startsWith(`{busbar:${name}}:`))).toEqual([]);
  });

  test("take another prefix", async () => {
    const bus = createBus({ redis: { prefix: `{elsewhere-${name}}` } });
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await bus.start();
    await bus.emit("order.placed", {});
    await bus.settled();
    expect(await client.keys(`{busbar:${name}}*`)).toEqual([]);
    expect(await client.keys(`{elsewhere-${name}}*`)).not.toEqual([]);
  });
});

describe("D23: priority", () => {
  test("levels and the extremes of numbers are in BullMQ's range, and in order", async () => {
    const emitter = createBus({ role: "server" });
    const worker = createBus();
    const seen: unknown[] = [];
    worker.subscribe("order.placed", ({ data }) => void seen.push(data), {
      subscriberId: "mail",
      concurrency: 1,
    });
    await worker.start();
    await worker.pause("mail");
    await emitter.start();
    const priorities = [2_097_151, "low", "normal", "high", 1] as const;
    await emitter.emit(
      priorities.map((priority) => ({
        name: "order.placed",
        data: priority,
        options: { priority },
      })),
    );
    await worker.resume("mail");
    await worker.settled();
    expect(seen).toEqual(priorities.toReversed());
    const tooFar = { priority: 2_097_152 };
    await expect(emitter.emit("order.placed", {}, tooFar)).rejects.toThrow(/2.?097.?151/u);
  });
});

async function backlog(bus: EventBus, subscriberId: string): Promise<number | undefined> {
  const { subscriptions } = await bus.inspect();
  const found = subscriptions.find((each) => each.subscriberId === subscriberId);
  return found && found.ready + found.delayed + found.inFlight;
}

/** Jobs that BullMQ keeps as failed: for ever, if nobody looks. */
async function failedJobs(): Promise<string[]> {
  return client.keys(`{busbar:${name}}:*:failed`);
}
