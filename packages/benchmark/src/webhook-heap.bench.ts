import type { Budget, Contestant, Question, Sample } from "./question.ts";
import { WebhookEndpoints } from "./webhook-endpoints.ts";
import { type Database, ENDPOINTS, openDatabase, openShop } from "./webhook-shop.ts";

/** Deliveries for each millisecond that is to be measured: a million for `--measure 50000`. */
const PER_MS = 20;
/** Events that are emitted before the deliveries of the last ones are awaited. */
const BATCH = 1_000;

/** Emits, delivers and records, and looks at what is left, the bus still open. */
async function measureHeap(database: Database, { warmUpMs, measureMs }: Budget): Promise<Sample> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("Needs node --expose-gc");
  const heapUsed = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const own = await openDatabase(database);
  const endpoints = await WebhookEndpoints.start();
  try {
    const shop = await openShop(own, { search: { index: false } });
    for (let number = 0; number < ENDPOINTS; number++) {
      await shop.subscribe(number, endpoints.url(String(number)));
    }
    const deliver = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += BATCH) {
        const all = endpoints.expect(BATCH);
        await shop.emit(BATCH);
        await all;
      }
      await shop.recorded();
    };
    await deliver(warmUpMs * PER_MS);
    const before = heapUsed();
    await deliver(measureMs * PER_MS);
    const left = (heapUsed() - before) / 1_000_000;
    await shop.close();
    return { left };
  } finally {
    endpoints.close();
    await own.close();
  }
}

const contestants: readonly Contestant[] = [
  { id: "sqlite", label: "SQLite", measure: (budget) => measureHeap("sqlite", budget) },
  { id: "postgres", label: "PostgreSQL", measure: (budget) => measureHeap("postgres", budget) },
];

/** How much memory do recorded deliveries leave behind? */
export const question: Question = {
  title:
    "Heap that recorded webhooks leave behind, collected: 20 000 of them, or as --measure says",
  unit: { type: "MB" },
  metrics: [{ id: "left", label: "left behind" }],
  contestants,
  limits: contestants.map(({ id }) => ({ of: id, below: 10 })),
  nodeFlags: ["--expose-gc"],
  needs: ["peers", "postgres"],
  maxRounds: 3,
};
