// One event that thousands of subscriptions want, each with a queue of its own.
// BUSBAR_CONFORMANCE=stress has a process consume them all, which opens as many connections.
import { createEventBus, type EventBus, isBusbarError } from "@busbar/core";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";
import {
  createTestSession,
  envelope,
  inTime,
  subscription,
  type TestSession,
  type TestSessionOptions,
} from "./support/test-session.ts";

const isStress = process.env["BUSBAR_CONFORMANCE"] === "stress";
const MANY = 5_000;
const LIMIT = { timeout: 60_000 };

let redis: RedisServer;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.stop());
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function open(options: Partial<TestSessionOptions> = {}): Promise<TestSession> {
  const prefix = `{busbar:${randomUUID()}}`;
  const session = await createTestSession({ url: redis.url, prefix, ...options });
  closing.push(() => session.close());
  return session;
}

/** A bus on the keys of a session that emits only. */
async function startEmitter({ keys }: TestSession, emitTimeoutMs?: number): Promise<EventBus> {
  const bus = createEventBus({
    name: keys.prefix.slice("{busbar:".length, -1),
    provider: redisProvider({ redisUrl: redis.url }),
    role: "server",
    emitTimeoutMs,
  });
  closing.push(() => bus.stop({ graceMs: 0 }));
  await bus.start();
  return bus;
}

function ids(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `s-${index}`);
}

/** How many deliveries wait, by subscription. */
async function waitingOf(bus: EventBus): Promise<ReadonlyMap<string, number>> {
  const { subscriptions } = await bus.inspect();
  return new Map(subscriptions.map((it) => [it.subscriberId, it.ready]));
}

test(
  "an event for 5 000 subscriptions is emitted, counted and retired in time",
  LIMIT,
  async () => {
    const session = await open();
    await session.registry.declare(ids(MANY).map((id) => subscription(id)));
    const bus = await startEmitter(session);
    await bus.emit("order.placed", { first: true });
    await Promise.all(Array.from({ length: 100 }, (_, at) => bus.emit("order.placed", { at })));
    for (let at = 0; at < 10; at += 1) {
      await bus.emit({ name: "order.placed", data: { at }, metadata: { eventGroupId: "cart" } });
    }
    await bus.releaseGroupedEvents("cart");
    const waiting = await waitingOf(bus);
    expect(waiting.size).toBe(MANY);
    expect(new Set(waiting.values())).toEqual(new Set([111]));
    const retired = await Promise.all(ids(5).map((id) => bus.retire(id, { backlog: "discard" })));
    expect(retired).toEqual(ids(5).map(() => 111));
    expect((await waitingOf(bus)).size).toBe(MANY - 5);
    const from = performance.now();
    await bus.stop();
    expect(performance.now() - from).toBeLessThan(1_000);
  },
);

describe("events of which each is a job for each of many subscriptions", () => {
  const ordered = (count: number) => ids(count).map((id) => subscription(id, { ordering: "all" }));

  test("are several requests, between which Redis does other things", LIMIT, async () => {
    const requests: number[] = [];
    const session = await open({
      wrapScripts: (scripts) => ({
        ...scripts,
        publish(key, request, texts) {
          requests.push(request.lanes.length);
          return scripts.publish(key, request, texts);
        },
      }),
    });
    await session.registry.declare(ordered(3_000));
    const batch = Array.from({ length: 9 }, (_, index) => envelope(`${index}`));
    const results = await session.publisher.publish(batch, inTime());
    expect(results).toEqual(batch.map(() => ({ status: "accepted", subscriptions: 3_000 })));
    expect(requests).toEqual([12_000, 12_000, 3_000]);
    const { keys } = session;
    const lane = await session.redis.lrange(`${keys.own}lane:${keys.queue("s-7")}s-7:`, 0, -1);
    expect(lane.map((text) => /"id":"(\d)"/.exec(text)?.[1])).toEqual(batch.map(({ id }) => id));
  });

  test(
    "end at the time limit: what was left out is refused, and nothing overtakes",
    LIMIT,
    async () => {
      const session = await open();
      await session.registry.declare(ordered(2_000));
      const bus = await startEmitter(session, 1_000);
      const messages = Array.from({ length: 200 }, (_, at) => ({
        id: `event-${at}`,
        name: "order.placed",
        data: null,
      }));
      const from = performance.now();
      const error = await bus.emit(messages).catch((caught: unknown) => caught);
      // A request that has begun is a second of Redis' time, and on a busy machine more.
      expect(performance.now() - from).toBeLessThan(5_000);
      if (!isBusbarError(error) || !("accepted" in error.details)) throw error;
      expect(["BUSBAR_EMIT_TIMEOUT", "BUSBAR_UNAVAILABLE"]).toContain(error.code);
      const { accepted = [], unknown = [], rejected = [] } = error.details;
      expect(accepted.length + unknown.length + rejected.length).toBe(200);
      // It is not sent later, in secret.
      const count = async (): Promise<number> => (await waitingOf(bus)).get("s-0") ?? 0;
      const afterwards = await eventually(async () => {
        const first = await count();
        await sleep(200);
        expect(await count()).toBe(first);
        return first;
      });
      expect(afterwards).toBeLessThan(200);
    },
  );
});

if (isStress) {
  test(
    "5 000 subscriptions of one process handle 100 events each, and stop in time",
    { timeout: 300_000 },
    async () => {
      let handled = 0;
      const bus = createEventBus({
        name: randomUUID(),
        provider: redisProvider({ redisUrl: redis.url }),
      });
      closing.push(() => bus.stop({ graceMs: 0 }));
      for (const subscriberId of ids(MANY)) {
        bus.subscribe("order.placed", () => void (handled += 1), { subscriberId });
      }
      await bus.start();
      const times: number[] = [];
      let refused = 0;
      // To open thousands of connections keeps the process busy for as long as its machine takes.
      while (times.length < 100 + refused) {
        const from = performance.now();
        await bus.emit("order.placed", {}).catch((error: unknown) => {
          if (!isBusbarError(error) || !("unknown" in error.details)) throw error;
          refused += 1;
        });
        times.push(performance.now() - from);
      }
      expect(Math.max(...times)).toBeLessThan(13_000);
      await eventually(() => expect(handled).toBeGreaterThanOrEqual(100 * MANY), 250_000);
      const from = performance.now();
      await bus.stop({ graceMs: 20_000 });
      console.log({ slowestEmitMs: Math.max(...times), refused, stopMs: performance.now() - from });
      expect(performance.now() - from).toBeLessThan(20_000);
    },
  );
}
