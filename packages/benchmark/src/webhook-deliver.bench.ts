import type { Budget, Contestant, Question, Sample } from "./question.ts";
import { WebhookEndpoints } from "./webhook-endpoints.ts";
import { type Database, ENDPOINTS, openDatabase, openShop } from "./webhook-shop.ts";

/** Deliveries for each millisecond that is to be measured. */
const PER_MS = 20;

/** What is measured. */
interface Kind {
  readonly database: Database;
  /** Whether the deliveries are there before, or come from `emit` by way of the router. */
  readonly from: "rows" | "emit";
  /** Whether this process keeps the search index meanwhile. */
  readonly index: boolean;
}

/** Delivers to 20 endpoints in another process, each event to one of them, and waits until all is recorded. */
async function measureDeliveries({ database, from, index }: Kind, budget: Budget): Promise<Sample> {
  const own = await openDatabase(database);
  const endpoints = await WebhookEndpoints.start();
  const search = { index };
  try {
    const subscribed = await openShop(own, { dispatch: false, route: false });
    for (let number = 0; number < ENDPOINTS; number++) {
      await subscribed.subscribe(number, endpoints.url(String(number)));
    }
    await subscribed.close();
    const deliver = async (count: number): Promise<Sample> => {
      if (from === "rows") {
        const filling = await openShop(own, { dispatch: false, search });
        await filling.emit(count);
        await filling.filled(count);
        await filling.close();
      }
      const all = endpoints.expect(count);
      const start = performance.now();
      const cpu = process.cpuUsage();
      const shop = await openShop(own, { search });
      if (from === "emit") await shop.emit(count);
      await all;
      await shop.recorded();
      const elapsed = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      await shop.close();
      return { delivered: (elapsed * 1_000_000) / count, cpu: ((user + system) * 1_000) / count };
    };
    await deliver(budget.warmUpMs * PER_MS);
    return await deliver(budget.measureMs * PER_MS);
  } finally {
    endpoints.close();
    await own.close();
  }
}

const contestant = (id: string, label: string, kind: Kind): Contestant => ({
  id,
  label,
  measure: (budget) => measureDeliveries(kind, budget),
});

/** How fast are durable, signed deliveries by HTTP? */
export const question: Question = {
  title: "Signed webhooks of 1 kB by HTTP to 20 endpoints, until they are recorded",
  unit: { type: "ns", per: "delivery" },
  metrics: [
    { id: "delivered", label: "until recorded" },
    { id: "cpu", label: "CPU of the process that delivers" },
  ],
  contestants: [
    contestant("sqlite", "SQLite, rows made before", {
      database: "sqlite",
      from: "rows",
      index: false,
    }),
    contestant("sqlite-emit", "SQLite, from emit on", {
      database: "sqlite",
      from: "emit",
      index: false,
    }),
    contestant("sqlite-index", "SQLite, from emit on, searchable at once", {
      database: "sqlite",
      from: "emit",
      index: true,
    }),
    contestant("postgres", "PostgreSQL, rows made before", {
      database: "postgres",
      from: "rows",
      index: false,
    }),
    contestant("postgres-emit", "PostgreSQL, from emit on", {
      database: "postgres",
      from: "emit",
      index: false,
    }),
    contestant("postgres-index", "PostgreSQL, from emit on, searchable at once", {
      database: "postgres",
      from: "emit",
      index: true,
    }),
  ],
  limits: [
    // 3 000 deliveries per second, and 1 500.
    { of: "sqlite", below: 333_333, metric: "delivered" },
    { of: "postgres", below: 666_667, metric: "delivered" },
  ],
  needs: ["peers", "postgres"],
  maxRounds: 5,
};
