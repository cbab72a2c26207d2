import { setTimeout } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { atRate, eventsWithin, PERCENTILES, percentiles } from "./latency.ts";
import { EVENT_NAME, type Order, orderAt } from "./order.ts";
import type { Budget, Contestant, Question, Sample } from "./question.ts";
import { startRedisServer } from "./redis-server.ts";

const EVENTS_PER_SECOND = 50;
/** More than ten of these a process cannot do at a time, so a backlog grows beside the fast one. */
const SLOW_MS = 500;
/** A percentile needs many events: it takes that many times as long as others. */
const TIMES_AS_LONG = 10;
/** For the last events. */
const WAIT_MS = 10;
const MOST_WAITS = 2_000;

interface TimedOrder extends Order {
  readonly emittedAt: number;
}

/** Emits one event every 20 ms, in the process that handles it. */
async function measureFastOne(
  budget: Budget,
  neighbour: "none" | "queue" | "lane",
): Promise<Sample> {
  const { redisProvider } = await import("@busbar/redis");
  const server = await startRedisServer();
  const lanes = neighbour === "lane" ? { shared: ["fast", "slow"] } : {};
  const bus = createEventBus({ provider: redisProvider({ redisUrl: server.url, lanes }) });
  let latencies: number[] = [];
  bus.subscribe<TimedOrder>(
    EVENT_NAME,
    ({ data }) => void latencies.push(performance.now() - data.emittedAt),
    { subscriberId: "fast", concurrency: 10 },
  );
  if (neighbour !== "none") {
    bus.subscribe(EVENT_NAME, () => setTimeout(SLOW_MS), {
      subscriberId: "slow",
      concurrency: 10,
    });
  }
  await bus.start();
  const runFor = async (durationMs: number): Promise<void> => {
    latencies = [];
    const events = eventsWithin(durationMs, EVENTS_PER_SECOND);
    await atRate(EVENTS_PER_SECOND, events, (index) => {
      const order: TimedOrder = { ...orderAt(index), emittedAt: performance.now() };
      return bus.emit(EVENT_NAME, order);
    });
    for (let waits = 0; latencies.length < events && waits < MOST_WAITS; waits++)
      await setTimeout(WAIT_MS);
    if (latencies.length !== events) {
      throw new Error(`The fast one was handed ${latencies.length} events, not ${events}`);
    }
  };
  await runFor(budget.warmUpMs);
  await runFor(budget.measureMs * TIMES_AS_LONG);
  // The slow one's backlog is left.
  await bus.stop({ graceMs: 0 });
  await server.close();
  return percentiles(latencies);
}

const beside: Contestant = {
  id: "beside",
  label: "Busbar, beside a subscriber that takes 500 ms",
  measure: (budget) => measureFastOne(budget, "queue"),
};
const lane: Contestant = {
  id: "lane",
  label: "Busbar, in one lane with it",
  measure: (budget) => measureFastOne(budget, "lane"),
};
const alone: Contestant = {
  id: "alone",
  label: "Busbar, alone",
  measure: (budget) => measureFastOne(budget, "none"),
};

/** Does a slow subscriber with a growing backlog hold up a fast one? */
export const question: Question = {
  title: "Redis: from emit to the start of a fast handler, 50 events per second",
  unit: { type: "ms" },
  metrics: PERCENTILES,
  contestants: [beside, lane, alone],
  limits: [{ of: beside.id, below: 50 }],
  needs: ["redis-server"],
  maxRounds: 3,
};
