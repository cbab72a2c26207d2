import { openOutboxIntoLocal, openOutboxIntoRedis } from "./contestants/busbar-outbox.ts";
import { openByHand } from "./contestants/by-hand.ts";
import { openGraphileWorker } from "./contestants/graphile-worker.ts";
import { inTransaction } from "./contestants/pg.ts";
import { openPgBoss } from "./contestants/pg-boss.ts";
import type { OpenQueue } from "./contestants/transactional-queue.ts";
import { contestantOnPostgres, type PostgresRun } from "./measure-on-postgres.ts";
import { numberedOrders } from "./order.ts";
import type { Contestant, Question } from "./question.ts";

const EVENTS = 20_000;
/** Events in one transaction. */
const MANY = 1_000;

/**
 * Fills while nothing is handed over, then takes the time from the start to the last one. Again with
 * another queue in the same tables, until the time is over.
 */
async function measureRelay({ budget, pool, deliveries, open }: PostgresRun) {
  let orders = 0;
  const drainFor = async (durationMs: number): Promise<number> => {
    const before = orders;
    let total = 0;
    do {
      const queue = await open();
      for (const end = orders + EVENTS; orders < end; orders += MANY) {
        await inTransaction(pool, (client) => queue.add(client, numberedOrders(orders, MANY)));
      }
      const handedOver = deliveries.expect(EVENTS);
      const start = performance.now();
      await queue.start();
      await handedOver;
      await queue.whenEmpty?.();
      total += performance.now() - start;
      await queue.close();
    } while (total < durationMs);
    return (total * 1_000_000) / (orders - before);
  };
  await drainFor(budget.warmUpMs);
  return { sample: { relayed: await drainFor(budget.measureMs) }, orders };
}

const contestant = (id: string, label: string, open: OpenQueue): Contestant =>
  contestantOnPostgres(id, label, open, measureRelay);

/** How long does an event take to leave the database that waited there with many others? */
export const question: Question = {
  title: "PostgreSQL: drain of 20 000 committed events",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "relayed", label: "until the last is handed over" }],
  contestants: [
    contestant("local", "Busbar into local, handled", openOutboxIntoLocal),
    contestant("redis", "Busbar into Redis, accepted", openOutboxIntoRedis),
    contestant("hand", "By hand, bare deletes", openByHand),
    contestant("pg-boss", "pg-boss, handled", openPgBoss(false)),
    contestant("graphile-worker", "graphile-worker, handled", openGraphileWorker),
  ],
  comparisons: [
    { of: "local", to: "hand" },
    { of: "redis", to: "hand" },
    { of: "local", to: "pg-boss" },
    { of: "local", to: "graphile-worker" },
  ],
  limits: [
    // 30 000 events per second, and 20 000.
    { of: "local", below: 33_333 },
    { of: "redis", below: 50_000 },
  ],
  needs: ["peers", "postgres", "redis-server"],
  maxRounds: 5,
};
