import { openOutboxIntoLocal } from "./contestants/busbar-outbox.ts";
import { openByHand } from "./contestants/by-hand.ts";
import { openGraphileWorker } from "./contestants/graphile-worker.ts";
import { inTransaction, rowsOf } from "./contestants/pg.ts";
import { openPgBoss } from "./contestants/pg-boss.ts";
import { type OpenQueue, oneByOne } from "./contestants/transactional-queue.ts";
import { contestantOnPostgres, type PostgresRun } from "./measure-on-postgres.ts";
import { numberedOrders } from "./order.ts";
import type { Contestant, Question } from "./question.ts";

/** Events in one transaction. */
const MANY = 1_000;

/** Adds to one transaction after the other, which nobody handles; they have to be there at the end. */
async function measureStaging({ budget, pool, open }: PostgresRun) {
  const queue = await open();
  const orders = numberedOrders(0, MANY);
  let added = 0;
  const addFor = async (durationMs: number): Promise<number> => {
    const before = added;
    const start = performance.now();
    do {
      await inTransaction(pool, (client) => queue.add(client, orders));
      added += MANY;
    } while (performance.now() - start < durationMs);
    return ((performance.now() - start) * 1_000_000) / (added - before);
  };
  await addFor(budget.warmUpMs);
  const sample = { committed: await addFor(budget.measureMs) };
  const [row] = await rowsOf<{ count: string }>(pool, `SELECT count(*) FROM ${queue.table}`);
  if (Number(row?.count) !== added) throw new Error(`${row?.count} events, not ${added}`);
  await queue.close();
  return { sample, orders: 0 };
}

const contestant = (id: string, label: string, open: OpenQueue): Contestant =>
  contestantOnPostgres(id, label, open, measureStaging);

/** How long does it take to stage many events in a transaction? */
export const question: Question = {
  title: "PostgreSQL: 1 000 events in one transaction, from its BEGIN to its COMMIT",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "committed", label: "until COMMIT resolves" }],
  contestants: [
    contestant("busbar", "Busbar, one emit", openOutboxIntoLocal),
    contestant("busbar-rows", "Busbar, 1 000 emits", oneByOne(openOutboxIntoLocal)),
    contestant("hand-rows", "By hand, 1 000 inserts", oneByOne(openByHand)),
    contestant("hand", "By hand, one insert", openByHand),
    contestant("pg-boss", "pg-boss, one insert", openPgBoss(false)),
    contestant("graphile-worker", "graphile-worker, one add_jobs", openGraphileWorker),
  ],
  comparisons: [
    { of: "busbar", to: "busbar-rows", atLeast: 5 },
    { of: "busbar", to: "hand-rows", atLeast: 5 },
    { of: "busbar", to: "hand" },
    { of: "busbar", to: "pg-boss" },
    { of: "busbar", to: "graphile-worker" },
  ],
  needs: ["peers", "postgres"],
  maxRounds: 5,
};
