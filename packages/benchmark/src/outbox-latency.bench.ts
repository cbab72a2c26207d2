import { openOutboxByRedis, openOutboxIntoLocal } from "./contestants/busbar-outbox.ts";
import { openGraphileWorker } from "./contestants/graphile-worker.ts";
import { inTransaction } from "./contestants/pg.ts";
import { openPgBoss } from "./contestants/pg-boss.ts";
import type { OpenQueue } from "./contestants/transactional-queue.ts";
import { atRate, eventsWithin, PERCENTILES, percentiles } from "./latency.ts";
import { contestantOnPostgres, type PostgresRun } from "./measure-on-postgres.ts";
import { numberedOrders, numberOf } from "./order.ts";
import type { Contestant, Question } from "./question.ts";

const EVENTS_PER_SECOND = 100;
/** A percentile needs many events: it takes that many times as long as others. */
const TIMES_AS_LONG = 5;

/** Commits one event every 10 ms, in the process that handles it. */
async function measureLatency({ budget, pool, deliveries, open }: PostgresRun) {
  /** When each COMMIT was sent. */
  const committedAt: number[] = [];
  let latencies: number[] = [];
  deliveries.onDelivery = (order) => {
    latencies.push(performance.now() - (committedAt[numberOf(order)] ?? Number.NaN));
  };
  let orders = 0;
  const queue = await open();
  await queue.start();
  const commit = async (number: number): Promise<void> => {
    await inTransaction(pool, async (client) => {
      await queue.add(client, numberedOrders(number, 1));
      committedAt[number] = performance.now();
    });
    queue.committed?.();
  };
  const runFor = async (durationMs: number): Promise<void> => {
    latencies = [];
    const events = eventsWithin(durationMs, EVENTS_PER_SECOND);
    const handled = deliveries.expect(events);
    await atRate(EVENTS_PER_SECOND, events, () => commit(orders++));
    await handled;
  };
  await runFor(budget.warmUpMs);
  await runFor(budget.measureMs * TIMES_AS_LONG);
  await queue.close();
  return { sample: percentiles(latencies), orders };
}

const contestant = (id: string, label: string, open: OpenQueue): Contestant =>
  contestantOnPostgres(id, label, open, measureLatency);

/** How long is a committed event on its way when there is little to do? */
export const question: Question = {
  title: "PostgreSQL: from COMMIT to the start of the handler, 100 transactions per second",
  unit: { type: "ms" },
  metrics: PERCENTILES,
  contestants: [
    contestant("local", "Busbar into local", openOutboxIntoLocal),
    contestant("redis", "Busbar by way of Redis", openOutboxByRedis),
    contestant("pg-boss", "pg-boss", openPgBoss(false)),
    contestant("pg-boss-told", "pg-boss, told of each commit", openPgBoss(true)),
    contestant("graphile-worker", "graphile-worker", openGraphileWorker),
  ],
  comparisons: [
    { of: "local", to: "pg-boss" },
    { of: "local", to: "pg-boss-told" },
    { of: "local", to: "graphile-worker" },
    { of: "redis", to: "graphile-worker" },
  ],
  limits: [
    { of: "local", below: 20, metric: "p50" },
    { of: "redis", below: 20, metric: "p50" },
  ],
  needs: ["peers", "postgres", "redis-server"],
  maxRounds: 5,
};
