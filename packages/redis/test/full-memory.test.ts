// A Redis at its maxmemory, with noeviction: what drains it must be able to start.
import { createEventBus, type EventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess, type TestProcess } from "./support/process.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const LIMIT = { timeout: 60_000 };
const SOON = { lockDurationMs: 1_000, stalledCheckMs: 300 };
const EVENTS = 600;

let server: RedisServer;
let admin: Redis;
let closing: (() => Promise<unknown>)[];

beforeEach(async () => {
  closing = [];
  server = await startRedisServer({ config: { "maxmemory-policy": "noeviction" } });
  admin = new Redis(server.url);
});
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
  admin.disconnect();
  await server.stop();
});

/** Names what it handles in `handled`, each as often as it does. */
function createBus(
  handled: string[],
  settings: {
    readonly role?: "server";
    readonly emitTimeoutMs?: number;
    readonly lanes?: Readonly<Record<string, readonly string[]>>;
  },
): EventBus {
  const { lanes, ...options } = settings;
  const provider = redisProvider({ redisUrl: server.url, ...SOON, lanes });
  const bus = createEventBus({ name: "shop", provider, ...options });
  closing.push(() => bus.stop({ graceMs: 0 }));
  for (const subscriberId of ["quick", "slow"]) {
    bus.subscribe("order.placed", ({ id }) => void handled.push(`${subscriberId} ${id}`), {
      subscriberId,
    });
  }
  bus.subscribe("order.placed", ({ id }) => void handled.push(`keyed ${id}`), {
    subscriberId: "keyed",
    ordering: "key",
  });
  return bus;
}

async function fill(): Promise<readonly string[]> {
  const emitter = createBus([], { role: "server" });
  await emitter.start();
  const ids: string[] = [];
  for (let from = 0; from < EVENTS; from += 100) {
    const messages = Array.from({ length: 100 }, (_, index) => ({
      name: "order.placed",
      data: { text: "x".repeat(300) },
      options: { orderingKey: `k${(from + index) % 7}` },
    }));
    ids.push(...(await emitter.emit(messages)));
  }
  await emitter.stop();
  return ids;
}

describe("while Redis is full", () => {
  test("a worker starts, takes over from one that has died, and drains", LIMIT, async () => {
    const ids = await fill();
    const dead: TestProcess = await startProcess("hanging-worker.ts", {
      name: "shop",
      redisUrl: server.url,
    });
    closing.push(() => dead.kill());
    await dead.saw("slow", 20);
    await dead.kill();
    await admin.config("SET", "maxmemory", "1mb");
    const handled: string[] = [];
    const worker = createBus(handled, {});
    await worker.start();
    const wanted = (id: string) => ids.map((event) => `${id} ${event}`);
    await eventually(() => {
      for (const id of ["slow", "keyed"]) {
        expect(new Set(handled.filter((it) => it.startsWith(id)))).toEqual(new Set(wanted(id)));
      }
    }, 30_000);
    await eventually(async () => {
      const { subscriptions } = await worker.inspect();
      expect(
        subscriptions.map(({ ready, delayed, inFlight }) => ready + delayed + inFlight),
      ).toEqual([0, 0, 0]);
    });
  });

  test(
    "a process that only emits starts, and its emits say what is the matter",
    LIMIT,
    async () => {
      await fill();
      await admin.config("SET", "maxmemory", "1mb");
      const emitter = createBus([], { role: "server", emitTimeoutMs: 1_000 });
      await emitter.start();
      // On a slow machine the time may be over while Redis is asked once more.
      await eventually(() =>
        expect(emitter.emit("order.placed", {})).rejects.toMatchObject({
          code: "BUSBAR_UNAVAILABLE",
          message: expect.stringContaining("maxmemory"),
        }),
      );
      await admin.config("SET", "maxmemory", "0");
      await emitter.emit("order.placed", {});
    },
  );

  test("a handler that takes longer than its lock keeps its delivery", LIMIT, async () => {
    const handed: number[] = [];
    let finish: () => void = () => {};
    const worker = createBus([], {});
    const other = createBus([], {});
    for (const [index, bus] of [worker, other].entries()) {
      const handle = (): Promise<void> => {
        handed.push(index);
        return new Promise((resolve) => (finish = resolve));
      };
      bus.subscribe("report.asked", handle, { subscriberId: "report" });
      await bus.start();
    }
    await worker.emit("report.asked", {});
    await eventually(() => expect(handed).toHaveLength(1));
    await admin.config("SET", "maxmemory", "1mb");
    // Only time can show that a lock is renewed.
    await sleep(3 * SOON.lockDurationMs);
    expect(handed).toHaveLength(1);
    finish();
    await eventually(async () => {
      const { subscriptions } = await worker.inspect();
      expect(subscriptions.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0, 0]);
    });
  });

  test("a release that changes queues starts, and the former ones are let go", LIMIT, async () => {
    const ids = await fill();
    await admin.config("SET", "maxmemory", "1mb");
    const handled: string[] = [];
    const worker = createBus(handled, { lanes: { small: ["quick", "keyed"] } });
    await worker.start();
    await eventually(() => expect(handled).toHaveLength(3 * ids.length), 30_000);
  });
});
