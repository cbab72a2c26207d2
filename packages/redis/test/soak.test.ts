// 70 % of the measured rate, with a fault every so often: nothing is lost, and the backlog returns to 0.
// Half a minute, with each fault once; ten minutes with BUSBAR_CONFORMANCE=stress.
import { createFaultProxy, type FaultProxy } from "@busbar/conformance";
import { createEventBus, type EventBus, isBusbarError } from "@busbar/core";
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess, type TestProcess } from "./support/process.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const isStress = process.env["BUSBAR_CONFORMANCE"] === "stress";
const LENGTH_MS = isStress ? 600_000 : 34_000;
const FAULT_EVERY_MS = isStress ? 30_000 : 8_000;
const BULK = 100;
const SUBSCRIPTIONS = ["mail", "stock"];
const NAME = "soak";

let redis: RedisServer;
let tallyServer: RedisServer;
let tally: Redis;
let proxy: FaultProxy;
let emitter: EventBus;
let worker: TestProcess;

beforeAll(async () => {
  [redis, tallyServer] = await Promise.all([startRedisServer(), startRedisServer()]);
  tally = new Redis(tallyServer.url);
  proxy = await createFaultProxy({ port: redis.port });
  const options = { redisUrl: proxiedUrl(), commandTimeoutMs: 2_000 };
  emitter = createEventBus({ name: NAME, provider: redisProvider(options), role: "server" });
  worker = await startWorker();
  await emitter.start();
}, 30_000);
afterAll(async () => {
  await emitter.stop({ graceMs: 0 });
  await worker.kill();
  tally.disconnect();
  await proxy.close();
  await Promise.all([redis.stop(), tallyServer.stop()]);
});

function proxiedUrl(): string {
  return `redis://127.0.0.1:${proxy.port}`;
}

function startWorker(): Promise<TestProcess> {
  return startProcess("tallying-worker.ts", {
    name: NAME,
    redisUrl: proxiedUrl(),
    tallyUrl: tallyServer.url,
    subscriptions: SUBSCRIPTIONS,
  });
}

let emitted = 0;

/** Emits the next events, until they are accepted. */
async function emitBulk(): Promise<void> {
  const first = emitted;
  emitted += BULK;
  const messages = Array.from({ length: BULK }, (_, index) => ({
    id: `event-${first + index}`,
    name: "order.placed",
    data: { number: first + index },
  }));
  for (;;) {
    try {
      await emitter.emit(messages);
      return;
    } catch (error) {
      if (!isBusbarError(error)) throw error;
    }
  }
}

async function handled(): Promise<number> {
  const counts = await Promise.all(SUBSCRIPTIONS.map((id) => tally.bitcount(`handled:${id}`)));
  return Math.min(...counts);
}

const FAULTS: readonly (() => Promise<void>)[] = [
  () => redis.restart(),
  () =>
    proxy
      .cut()
      .then(() => sleep(3_000))
      .then(proxy.heal),
  async () => {
    await worker.kill();
    worker = await startWorker();
  },
  () =>
    proxy
      .halfOpen()
      .then(() => sleep(4_000))
      .then(proxy.heal),
];

/**
 * Waits until all is handled, for as long as it goes on: a machine that has become slower than it was when
 * the rate was measured has a backlog.
 */
async function drain(): Promise<{ readonly backlog: number; readonly seconds: number }> {
  const from = performance.now();
  const backlog = emitted - (await handled());
  for (let before = -1; before < emitted;) {
    const last = before;
    before = await eventually(async () => {
      const now = await handled();
      if (now === last && now < emitted) throw new Error(`${emitted - now} events are not handled`);
      return now;
    }, 60_000);
  }
  return { backlog, seconds: Math.round((performance.now() - from) / 1_000) };
}

test("soak", { timeout: 3 * LENGTH_MS + 180_000 }, async () => {
  // The rate: as fast as it goes, for a while.
  const measuredFrom = performance.now();
  while (performance.now() - measuredFrom < 4_000) {
    if (emitted - (await handled()) < 5_000) await emitBulk();
  }
  await eventually(async () => expect(await handled()).toBe(emitted), 30_000);
  const perSecond = (emitted / (performance.now() - measuredFrom)) * 1_000 * 0.7;

  const startedAt = performance.now();
  const emittedBefore = emitted;
  let faults = 0;
  let fault = Promise.resolve();
  for (;;) {
    const elapsed = performance.now() - startedAt;
    if (elapsed > LENGTH_MS) break;
    if (elapsed > (faults + 1) * FAULT_EVERY_MS - FAULT_EVERY_MS / 2) {
      const index = faults % FAULTS.length;
      faults += 1;
      fault = fault.then(() => FAULTS[index]?.());
    }
    if (emitted - emittedBefore < (elapsed / 1_000) * perSecond) await emitBulk();
    else await sleep(2);
  }
  await fault;
  const drained = await drain();
  await emitter.settled({ timeoutMs: 60_000 });
  const runs = await Promise.all(SUBSCRIPTIONS.map((id) => tally.get(`runs:${id}`)));
  const repeated = runs.map((count) => Number(count) - emitted);
  const seconds = Math.round(LENGTH_MS / 1_000);
  console.log(
    `soak: ${seconds} s at ${Math.round(perSecond)} events/s, ${faults} faults, ${emitted} events, ` +
      `lost 0, repeated ${repeated.join(" and ")}, backlog of ${drained.backlog} drained in ${drained.seconds} s`,
  );
  const { subscriptions } = await emitter.inspect();
  expect(
    subscriptions.map(({ ready, delayed, inFlight, dead }) => ready + delayed + inFlight + dead),
  ).toEqual([0, 0]);
  expect(faults).toBeGreaterThanOrEqual(4);
});
