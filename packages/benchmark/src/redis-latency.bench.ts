import { type RedisRun, redisSides } from "./contestants/redis-contestants.ts";
import { atRate, eventsWithin, PERCENTILES, percentiles } from "./latency.ts";
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
    const events = eventsWithin(durationMs, EVENTS_PER_SECOND);
    const handled = deliveries.expect(events);
    await atRate(EVENTS_PER_SECOND, events, (index) => {
      const order: TimedOrder = { ...orderAt(index), emittedAt: performance.now() };
      return bus.emitOne(order);
    });
    await handled;
  };
  await runFor(budget.warmUpMs);
  await runFor(budget.measureMs * TIMES_AS_LONG);
  await bus.close();
  return percentiles(latencies);
}

/** How long is an event on its way when there is little to do? */
export const question: Question = {
  title: "Redis: from emit to the start of the handler, 200 events per second, one subscriber",
  unit: { type: "ms" },
  metrics: PERCENTILES,
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "one",
    [{ label: "", subscribers: 1, concurrency: 10, atLeast: 0.9 }],
    measureLatency,
  ),
};
