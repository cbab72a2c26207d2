import { inTransaction } from "./contestants/pg.ts";
import {
  postgresId,
  postgresSides,
  type PostgresBusRun,
  type PostgresVariant,
} from "./contestants/postgres-contestants.ts";
import { atRate, eventsWithin, PERCENTILES, percentiles } from "./latency.ts";
import { numberedOrders, numberOf, type Order } from "./order.ts";
import type { Question, Sample } from "./question.ts";

const EVENTS_PER_SECOND = 100;
/** A percentile needs many events: it takes that many times as long as others. */
const TIMES_AS_LONG = 5;

interface LatencyVariant extends PostgresVariant {
  /** Whether events are emitted in transactions of the caller. Then the time starts with COMMIT. */
  readonly isTransactional: boolean;
}

/** Emits one event every 10 ms, in the process that handles it. */
async function measureLatency(run: PostgresBusRun & LatencyVariant): Promise<Sample> {
  const { budget, pool, deliveries, open, isTransactional } = run;
  const sentAt: number[] = [];
  let latencies: number[] = [];
  deliveries.onDelivery = (order) => {
    latencies.push(performance.now() - (sentAt[numberOf(order)] ?? Number.NaN));
  };
  const bus = await open("shared");
  async function emit(order: Order): Promise<void> {
    if (!isTransactional) {
      sentAt[numberOf(order)] = performance.now();
      await bus.emitOne(order);
      return;
    }
    await inTransaction(pool, async (client) => {
      await bus.emitWithin(client, order);
      sentAt[numberOf(order)] = performance.now();
    });
    bus.committed?.();
  }
  let emitted = 0;
  async function runFor(durationMs: number): Promise<void> {
    latencies = [];
    const events = eventsWithin(durationMs, EVENTS_PER_SECOND);
    const orders = numberedOrders(emitted, events);
    emitted += events;
    const handled = deliveries.expect(events);
    await atRate(EVENTS_PER_SECOND, events, (index) => emit(orders[index] as Order));
    await handled;
  }
  await runFor(budget.warmUpMs);
  await runFor(budget.measureMs * TIMES_AS_LONG);
  await bus.close();
  return percentiles(latencies);
}

const variants: readonly LatencyVariant[] = [
  { label: "from emit", subscribers: 1, isTransactional: false },
  { label: "from COMMIT", subscribers: 1, isTransactional: true },
];

/** How long is an event on its way when there is little to do? */
export const question: Question = {
  title: "PostgreSQL: from emit or COMMIT to the start of the handler, 100 events per second",
  unit: { type: "ms" },
  metrics: PERCENTILES,
  ...postgresSides(variants, measureLatency),
  limits: variants.map((variant) => ({
    of: postgresId("busbar", variant),
    below: 10,
    metric: "p50",
  })),
  needs: ["peers", "postgres"],
  maxRounds: 5,
};
