import type { Webhooks } from "@busbar/webhooks";
import type { Budget, Contestant, Metric, Question, Sample } from "./question.ts";
import { fillLog, makeLogPlace, openLog, rebuildIndex, shopLog } from "./webhook-log.ts";
import type { Database } from "./webhook-shop.ts";

/** Attempts for each millisecond that is to be measured: a million for `--measure 10000`. */
const PER_MS = 100;
/** Searches of each query. The median counts. */
const SEARCHES = 15;

/** A query, as a log of a certain size needs it. */
interface Searched extends Metric {
  readonly query: (log: ReturnType<typeof shopLog>) => string;
}

const QUERIES: readonly Searched[] = [
  { id: "names", label: "event_name: customer.*", query: () => "event_name: customer.*" },
  { id: "created", label: "*.created", query: () => "*.created" },
  {
    id: "failed",
    label: "customer.* AND success: false",
    query: () => "customer.* AND success: false",
  },
  {
    id: "customer",
    label: "data.data.customer_email: …",
    query: ({ customer }) => `data.data.customer_email: ${customer}`,
  },
  {
    id: "orders",
    label: "data.data.increment_id: CK* AND success: true",
    query: () => "data.data.increment_id: CK* AND success: true",
  },
  { id: "exact", label: "one order", query: ({ order }) => `data.increment_id:${order}` },
  { id: "prefix", label: "a prefix of ten", query: ({ orders }) => `data.increment_id:${orders}` },
  { id: "member", label: "a member of an array", query: () => "data.items.sku:24-MB77" },
  { id: "days", label: "seven days", query: ({ days }) => `created:${days}` },
  { id: "nothing", label: "a value that is nowhere", query: () => "data.increment_id:nowhere" },
];

/** Fills a log, indexes it in another process, and searches it. */
async function measureSearches(database: Database, { measureMs }: Budget): Promise<Sample> {
  const attempts = measureMs * PER_MS;
  const { place, remove } = await makeLogPlace(database);
  try {
    const unindexed = await openLog(place, false);
    await fillLog(unindexed, attempts);
    await unindexed.close();
    const { rows, elapsedMs, peakMb } = await rebuildIndex(place);
    const { store, hooks, close } = await openLog(place, true);
    // PostgreSQL does so by itself within a minute.
    if (database === "postgres") await store.execute("ANALYZE");
    const searched = await searchAll(hooks, attempts);
    await close();
    return { ...searched, peak: peakMb, row: (elapsedMs * 1_000_000) / rows };
  } finally {
    await remove();
  }
}

async function searchAll({ log }: Webhooks, attempts: number): Promise<Sample> {
  const sample: Record<string, number> = {};
  for (const { id, query } of QUERIES) {
    const times: number[] = [];
    for (let search = 0; search < SEARCHES; search++) {
      const start = performance.now();
      const { items } = await log.attempts({ query: query(shopLog(attempts)) });
      times.push(performance.now() - start);
      if ((items.length === 0) !== (id === "nothing")) {
        throw new Error(`${id} has found ${items.length} attempts`);
      }
    }
    sample[id] = times.toSorted((a, b) => a - b)[Math.floor(SEARCHES / 2)]!;
  }
  return sample;
}

const contestants: readonly Contestant[] = [
  { id: "sqlite", label: "SQLite", measure: (budget) => measureSearches("sqlite", budget) },
  { id: "postgres", label: "PostgreSQL", measure: (budget) => measureSearches("postgres", budget) },
];

/** How long does a search of the delivery log take, and what does its index cost? */
export const question: Question = {
  title: "Searches of a log of 100 000 attempts, or as --measure says: the first 50 that match",
  unit: { type: "ms" },
  metrics: [
    ...QUERIES.map(({ id, label }) => ({ id, label })),
    { id: "peak", label: "index made anew: peak memory", unit: { type: "MB" } },
    { id: "row", label: "index made anew: row", unit: { type: "ns", per: "row" } },
  ],
  contestants,
  limits: contestants.flatMap(({ id: of }) => [
    { of, below: 50, metric: QUERIES.map(({ id }) => id) },
    { of, below: 256, metric: "peak" },
  ]),
  needs: ["peers", "postgres"],
  maxRounds: 1,
};
