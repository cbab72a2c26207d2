import { setTimeout } from "node:timers/promises";
import { type RedisRun, redisSides } from "./contestants/redis-contestants.ts";
import { type Order, orderAt } from "./order.ts";
import type { Question, Sample } from "./question.ts";

const EVENTS_PER_SECOND = 200;
/** A percentile needs many events: it takes that many times as long as others. */
const TIMES_AS_LONG = 5;

interface TimedOrder extends Order {
  /** As `performance.now` tells it, in the process that handles it, too. */
  readonly emittedAt: number;
}

/** Emits one event every 5 ms, in the process that handles it. */
async function measureLatency({ budget, deliveries, open }: RedisRun): Promise<Sample> {
  let latencies: number[] = [];
  deliveries.onDelivery = (order) => {
    latencies.push(performance.now() - (order as TimedOrder).emittedAt);
  };
  const bus = await open("shared");
  const runFor = async (durationMs: number): Promise<void> => {
    latencies = [];
    const events = Math.ceil((durationMs / 1_000) * EVENTS_PER_SECOND);
    const handled = deliveries.expect(events);
    const emits: Promise<unknown>[] = [];
    const start = performance.now();
    for (let index = 0; index < events; index++) {
      const dueAt = start + (index * 1_000) / EVENTS_PER_SECOND;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await setTimeout(waitMs);
      const order: TimedOrder = { ...orderAt(index), emittedAt: performance.now() };
      emits.push(bus.emitOne(order));
    }
    await Promise.all([handled, ...emits]);
  };
  await runFor(budget.warmUpMs);
  await runFor(budget.measureMs * TIMES_AS_LONG);
  await bus.close();
  const sorted = latencies.toSorted((left, right) => left - right);
  const percentile = (part: number) => sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
  return { p50: percentile(0.5), p99: percentile(0.99) };
}

/** How long is an event on its way when there is little to do? */
export const question: Question = {
  title: "Redis: from emit to the start of the handler, 200 events per second, one subscriber",
  unit: { type: "ms" },
  metrics: [
    { id: "p50", label: "p50" },
    { id: "p99", label: "p99" },
  ],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "one",
    [{ label: "", subscribers: 1, concurrency: 10, atLeast: 0.9 }],
    measureLatency,
  ),
};
