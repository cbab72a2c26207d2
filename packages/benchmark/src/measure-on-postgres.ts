import { openPool, type Pool } from "./contestants/pg.ts";
import type { OpenQueue, TransactionalQueue } from "./contestants/transactional-queue.ts";
import { Deliveries } from "./deliveries.ts";
import { OrderTally } from "./order-tally.ts";
import { startPostgresServer } from "./postgres-server.ts";
import type { Budget, Contestant, Sample } from "./question.ts";

/** What a measurement on PostgreSQL has at hand: a server of its own, and queues on it. */
export interface PostgresRun {
  readonly budget: Budget;
  readonly pool: Pool;
  readonly deliveries: Deliveries;
  /** The one who measures closes it. */
  readonly open: () => Promise<TransactionalQueue>;
}

/**
 * Measures once, and tells how many numbered orders, from 0 on, should have been handed over. Its run
 * fails unless each of them was, and once.
 */
export type MeasureOnPostgres = (
  run: PostgresRun,
) => Promise<{ readonly sample: Sample; readonly orders: number }>;

/** A contestant that adds events in transactions of the caller's. */
export function contestantOnPostgres(
  id: string,
  label: string,
  openQueue: OpenQueue,
  measure: MeasureOnPostgres,
): Contestant {
  return { id, label, measure: (budget) => measureOnPostgres(openQueue, budget, measure) };
}

async function measureOnPostgres(
  openQueue: OpenQueue,
  budget: Budget,
  measure: MeasureOnPostgres,
): Promise<Sample> {
  const { url, close } = await startPostgresServer();
  const pool = openPool(url);
  try {
    const deliveries = new Deliveries(1);
    const tally = new OrderTally();
    const [count] = deliveries.handlers;
    const { sample, orders } = await measure({
      budget,
      pool,
      deliveries,
      open: () =>
        openQueue({
          url,
          pool,
          async handler(order) {
            tally.add(order);
            await count?.(order);
          },
        }),
    });
    tally.verify(orders);
    return sample;
  } finally {
    await pool.end();
    await close();
  }
}
