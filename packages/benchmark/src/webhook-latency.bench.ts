import { atRate, eventsWithin, PERCENTILES, percentiles } from "./latency.ts";
import type { Budget, Contestant, Question, Sample } from "./question.ts";
import { monotonicMs, WebhookEndpoints } from "./webhook-endpoints.ts";
import { type Database, eventName, longOrder, openDatabase, openShop } from "./webhook-shop.ts";

const EVENTS_PER_SECOND = 500;
/** A percentile needs many events: it takes that many times as long as others. */
const TIMES_AS_LONG = 5;
/** Deliveries that wait at an endpoint that hangs, for each millisecond that is to be measured. */
const WAITING_PER_MS = 20;
const QUICK = 0;
const HANGING = 1;

/** Publishes to a quick endpoint, with deliveries waiting for another endpoint if `waits`. */
async function measureLatency(
  database: Database,
  waits: boolean,
  { warmUpMs, measureMs }: Budget,
): Promise<Sample> {
  const own = await openDatabase(database);
  const endpoints = await WebhookEndpoints.start();
  try {
    const filling = await openShop(own, { dispatch: false });
    await filling.subscribe(QUICK, endpoints.url("quick"));
    if (waits) {
      await filling.subscribe(HANGING, endpoints.url("hangs"));
      const count = measureMs * WAITING_PER_MS;
      await filling.emit(count, HANGING);
      await filling.filled(count);
    }
    await filling.close();
    const shop = await openShop(own);
    const runFor = async (durationMs: number): Promise<readonly number[]> => {
      const events = eventsWithin(durationMs, EVENTS_PER_SECOND);
      const all = endpoints.expect(events);
      await atRate(EVENTS_PER_SECOND, events, (index) =>
        shop.hooks.publish(eventName(QUICK), longOrder(index, monotonicMs())),
      );
      return all;
    };
    await runFor(warmUpMs);
    const sample = percentiles(await runFor(measureMs * TIMES_AS_LONG));
    await shop.close();
    return sample;
  } finally {
    endpoints.close();
    await own.close();
  }
}

const contestant = (id: string, label: string, database: Database, waits: boolean): Contestant => ({
  id,
  label,
  measure: (budget) => measureLatency(database, waits, budget),
});

/** How long is a webhook on its way, and does it wait for those of an endpoint that hangs? */
export const question: Question = {
  title: "From publish to the first byte at the endpoint, 500 events per second",
  unit: { type: "ms" },
  metrics: PERCENTILES,
  contestants: [
    contestant("sqlite", "SQLite", "sqlite", false),
    contestant("sqlite-beside", "SQLite, next to an endpoint that hangs", "sqlite", true),
    contestant("postgres", "PostgreSQL", "postgres", false),
    contestant("postgres-beside", "PostgreSQL, next to an endpoint that hangs", "postgres", true),
  ],
  comparisons: [
    { of: "sqlite-beside", to: "sqlite", atLeast: 0.9 },
    { of: "postgres-beside", to: "postgres", atLeast: 0.9 },
  ],
  limits: [
    { of: "sqlite", below: 50, metric: "p99" },
    { of: "postgres", below: 50, metric: "p99" },
  ],
  needs: ["peers", "postgres"],
  maxRounds: 5,
};
