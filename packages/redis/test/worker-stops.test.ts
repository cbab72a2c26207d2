// A deployment under load: one worker after the other stops, while its handlers emit in every way there is.
import { createEventBus, type EventBus } from "@busbar/core";
import { createWorkflow, emitEventStep, type WorkflowData } from "@busbar/core/workflows";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { Load } from "./support/load.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const STOPS = 10;
const GRACE_MS = 3_000;
/** What a stop may take beyond its grace: timers that are late on a busy machine. */
const LATE_MS = 1_000;
/** How many orders at least come in between two stops. */
const ORDERS = 25;

let redis: RedisServer;
let name: string;
/** The one that started first is the first. */
const workers: EventBus[] = [];
let emitter: EventBus;
/** Ids of the orders that were handled, and for which a receipt came. */
const handled = new Set<string>();
const receipts = new Map<string, number>();
const failures: unknown[] = [];

beforeAll(async () => {
  redis = await startRedisServer();
  name = `stops-${randomUUID()}`;
});
afterEach(async () => {
  await Promise.all([emitter, ...workers].map((bus) => bus.stop({ graceMs: 0 })));
});
afterAll(() => redis.stop());

const send = createWorkflow("send-receipt", (order: WorkflowData<{ id: string }>) => {
  emitEventStep({ eventName: "receipt.sent", data: { order: order.id } });
});

/** Emits at once, by a workflow, or in a group, by turns. */
async function sendReceipt(bus: EventBus, id: string, way: number): Promise<void> {
  const data = { order: id };
  if (way === 0) {
    await bus.emit("receipt.sent", data);
  } else if (way === 1) {
    await send({ resolve: () => bus as never }).run({ input: { id } });
  } else {
    const eventGroupId = randomUUID();
    await bus.emit({ name: "receipt.sent", data, metadata: { eventGroupId } });
    await bus.releaseGroupedEvents(eventGroupId);
  }
}

async function startWorker(): Promise<void> {
  const provider = redisProvider({ redisUrl: redis.url });
  const bus = createEventBus({ name, provider });
  let count = 0;
  bus.subscribe(
    "order.placed",
    async ({ id }) => {
      const way = (count += 1) % 3;
      await sleep(5 + (count % 20));
      try {
        await sendReceipt(bus, id, way);
        handled.add(id);
      } catch (error) {
        failures.push(error);
        throw error;
      }
    },
    { subscriberId: "orders" },
  );
  bus.subscribe<{ order: string }>(
    "receipt.sent",
    ({ data: { order } }) => void receipts.set(order, (receipts.get(order) ?? 0) + 1),
    { subscriberId: "mail" },
  );
  await bus.start();
  workers.push(bus);
}

test(
  "ten workers stop one after the other: nothing is lost, nothing fails, and each stops in time",
  { timeout: 90_000 },
  async () => {
    await startWorker();
    await startWorker();
    emitter = createEventBus({
      name,
      provider: redisProvider({ redisUrl: redis.url }),
      role: "server",
    });
    await emitter.start();
    const load = new Load(emitter, "order.placed");
    load.start(10);
    const times: number[] = [];
    for (let stop = 0; stop < STOPS; stop += 1) {
      await load.more(ORDERS);
      await startWorker();
      const from = performance.now();
      await workers.shift()?.stop({ graceMs: GRACE_MS });
      times.push(performance.now() - from);
    }
    await load.stop();
    const ids = load.accepted.map(({ id }) => id);
    await eventually(() => {
      expect(ids.filter((id) => !receipts.has(id))).toEqual([]);
    }, 30_000);
    expect(Math.max(...times)).toBeLessThan(GRACE_MS + LATE_MS);
    expect(failures).toEqual([]);
    const { subscriptions, groups } = await emitter.inspect();
    expect(subscriptions.map(({ dead }) => dead)).toEqual([0, 0]);
    expect(groups).toEqual([]);
    // Nothing had to be handed back, so nothing came twice.
    expect([...receipts.values()].filter((times) => times > 1)).toEqual([]);
    expect(handled.size).toBe(ids.length);
  },
);
