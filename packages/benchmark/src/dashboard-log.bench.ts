import { dashboard } from "@busbar/dashboard";
import type { Budget, Contestant, Metric, Question, Sample } from "./question.ts";
import { fillLog, makeLogPlace, openLog, rebuildIndex, shopLog } from "./webhook-log.ts";
import type { Database } from "./webhook-shop.ts";

/** Attempts for each millisecond that is to be measured: a million for `--measure 10000`. */
const PER_MS = 100;
/** Requests of each kind. The slowest counts. */
const REQUESTS = 10;

/** What a page of the dashboard asks for. */
interface Asked extends Metric {
  readonly path: (log: ReturnType<typeof shopLog>, deliveryId: string) => string;
}

const asks = (resource: string, query: string): string =>
  `${resource}?limit=50&query=${encodeURIComponent(query)}`;

const REQUESTED: readonly Asked[] = [
  { id: "grid", label: "the grid", path: () => "subscriptions?limit=50" },
  { id: "failing", label: "failing endpoints", path: () => "endpoints/failing" },
  { id: "deliveries", label: "deliveries", path: () => "deliveries?limit=50" },
  { id: "attempts", label: "attempts", path: () => "attempts?limit=50" },
  {
    id: "failed",
    label: "customer.* AND success: false",
    path: () => asks("deliveries", "event_name: customer.* AND success: false"),
  },
  {
    id: "customer",
    label: "one customer",
    path: ({ customer }) => asks("deliveries", `data.customer_email: ${customer}`),
  },
  {
    id: "order",
    label: "one order",
    path: ({ order }) => asks("deliveries", `data.increment_id: ${order}`),
  },
  { id: "trace", label: "a trace", path: (_, id) => `deliveries/${id}` },
];

/** Fills a log, and asks for it as the pages of the dashboard do. */
async function measureRequests(database: Database, { measureMs }: Budget): Promise<Sample> {
  const attempts = measureMs * PER_MS;
  const { place, remove } = await makeLogPlace(database);
  try {
    const unindexed = await openLog(place, false);
    await fillLog(unindexed, attempts);
    await unindexed.close();
    await rebuildIndex(place);
    const board = dashboard({ authenticate: () => ({ name: "bench" }) });
    const { store, hooks, close } = await openLog(place, true, [board]);
    // PostgreSQL does so by itself within a minute.
    if (database === "postgres") await store.execute("ANALYZE");
    const { items } = await hooks.log.deliveries({}, { limit: 1 });
    const log = shopLog(attempts);
    const slowest: Record<string, number> = {};
    for (const { id, path } of REQUESTED) {
      const url = `http://localhost/api/webhooks/${path(log, items[0]!.id)}`;
      const times: number[] = [];
      for (let request = 0; request < REQUESTS; request++) {
        const start = performance.now();
        const response = await board.fetch(new Request(url));
        await response.text();
        times.push(performance.now() - start);
        if (!response.ok) throw new Error(`${id} is answered with ${response.status}`);
      }
      slowest[id] = Math.max(...times);
    }
    await close();
    return slowest;
  } finally {
    await remove();
  }
}

const contestants: readonly Contestant[] = [
  { id: "sqlite", label: "SQLite", measure: (budget) => measureRequests("sqlite", budget) },
  { id: "postgres", label: "PostgreSQL", measure: (budget) => measureRequests("postgres", budget) },
];

/** How long does the dashboard wait for the pages about webhooks? */
export const question: Question = {
  title:
    "Requests of the dashboard to a log of 100 000 attempts, or as --measure says: the slowest of ten",
  unit: { type: "ms" },
  metrics: REQUESTED.map(({ id, label }) => ({ id, label })),
  contestants,
  limits: contestants.map(({ id: of }) => ({ of, below: 300 })),
  needs: ["peers", "postgres"],
  maxRounds: 1,
};
