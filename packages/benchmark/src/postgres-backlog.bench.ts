import { openBusbarPostgres } from "./contestants/busbar-postgres.ts";
import { openPool, type Pool } from "./contestants/pg.ts";
import { orderAt } from "./order.ts";
import { startPostgresServer } from "./postgres-server.ts";
import type { Budget, Contestant, Question, Sample } from "./question.ts";

const SHORT = 1_000;
/** Rows of the long backlog for each millisecond of `--measure`: a million usually, and ten million with 10 s. */
const LONG_PER_MS = 1_000;
/** Events that are handled before the time starts, and in the time. */
const WARM_UP = 5_000;
const EVENTS = 20_000;
/** Rows that one statement adds. */
const AT_ONCE = 100_000;

interface Backlog {
  readonly url: string;
  /** Adds events, each with a row and a pack of its own, by SQL: to emit ten million would take too long. */
  readonly add: (rows: number) => Promise<void>;
}

/** A short backlog is handled again and again, each time by a new worker. */
async function measureShort({ url, add }: Backlog): Promise<Sample> {
  let ms = 0;
  for (let events = 0; events < WARM_UP + EVENTS; events += SHORT) {
    await add(SHORT);
    const took = await handle(url, 0, SHORT);
    if (events >= WARM_UP) ms += took;
  }
  return { handled: (ms * 1_000_000) / EVENTS };
}

/** Of a long backlog, the first events are handled. */
async function measureLong({ url, add }: Backlog, { measureMs }: Budget): Promise<Sample> {
  await add(measureMs * LONG_PER_MS);
  return { handled: ((await handle(url, WARM_UP, EVENTS)) * 1_000_000) / EVENTS };
}

/** Starts a worker, and returns the milliseconds in which it handles `count` events after it has handled `skip`. */
async function handle(url: string, skip: number, count: number): Promise<number> {
  const worker = await new Promise<{ ms: number; close: () => Promise<void> }>(
    (resolve, reject) => {
      let handled = 0;
      let startedAt = performance.now();
      let ms = 0;
      const handler = async (): Promise<void> => {
        handled += 1;
        if (handled === skip + 1) startedAt = performance.now();
        if (handled !== skip + count) return;
        ms = performance.now() - startedAt;
        opened.then(({ close }) => resolve({ ms, close }), reject);
      };
      const opened = openBusbarPostgres({ url, handlers: [handler], role: "worker" });
      opened.catch(reject);
    },
  );
  await worker.close();
  return worker.ms;
}

async function measureOn(
  measure: (backlog: Backlog, budget: Budget) => Promise<Sample>,
  budget: Budget,
): Promise<Sample> {
  const { url, close } = await startPostgresServer();
  const pool = openPool(url);
  try {
    await makeModel(url, pool);
    const add = (rows: number): Promise<void> => addRows(pool, rows);
    return await measure({ url, add }, budget);
  } finally {
    await pool.end();
    await close();
  }
}

/** Keeps the rows of one emitted event, to copy them. */
async function makeModel(url: string, pool: Pool): Promise<void> {
  const emitter = await openBusbarPostgres({ url, handlers: [async () => {}], role: "server" });
  await emitter.emitOne(orderAt(0));
  await emitter.close();
  await pool.query(`CREATE TABLE model AS
    SELECT body, queue, members, priority, due_at, published_at
    FROM busbar_busbar.deliveries AS it JOIN busbar_busbar.packs ON packs.id = it.pack`);
  await pool.query("TRUNCATE busbar_busbar.deliveries, busbar_busbar.packs");
}

async function addRows(pool: Pool, rows: number): Promise<void> {
  for (let added = 0; added < rows; added += AT_ONCE) {
    await pool.query(
      `WITH packs AS (
        INSERT INTO busbar_busbar.packs (body)
        SELECT body FROM model, generate_series(1, $1) RETURNING id)
      INSERT INTO busbar_busbar.deliveries
        (queue, pack, members, priority, position, due_at, published_at)
      SELECT queue, id, members, priority, nextval('busbar_busbar.positions'), due_at, published_at
      FROM packs, model`,
      [Math.min(AT_ONCE, rows - added)],
    );
  }
  await pool.query("VACUUM ANALYZE busbar_busbar.packs, busbar_busbar.deliveries");
}

const contestant = (id: string, label: string, measure: Parameters<typeof measureOn>[0]) =>
  ({ id, label, measure: (budget) => measureOn(measure, budget) }) satisfies Contestant;

/** Are events handled as fast from a long backlog as from a short one? */
export const question: Question = {
  title: "PostgreSQL: the first 20 000 events of a long backlog, and 20 backlogs of 1 000 events",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "handled", label: "first to last handled" }],
  contestants: [
    contestant("busbar, short", "Busbar, 1 000 rows", measureShort),
    contestant("busbar, long", "Busbar, a million rows or more", measureLong),
  ],
  comparisons: [{ of: "busbar, long", to: "busbar, short", atLeast: 0.9 }],
  needs: ["peers", "postgres"],
  maxRounds: 3,
};
