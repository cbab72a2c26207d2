import {
  handleQueued,
  type PostgresBusRun,
  postgresId,
  postgresSides,
  type PostgresVariant,
} from "./contestants/postgres-contestants.ts";
import { numberedOrders } from "./order.ts";
import type { Question, Sample } from "./question.ts";

const DELIVERIES = 20_000;
/** Events in one call. */
const MANY = 1_000;

/**
 * Fills while no worker runs, then starts one, and takes the time from its first to its last handled
 * event: to start and to connect is not part of it. Again with a new worker, until the time is over.
 */
async function measureDrain(run: PostgresBusRun): Promise<Sample> {
  const { subscribers, budget, open } = run;
  const messages = numberedOrders(0, MANY);
  const emits = Math.floor(DELIVERIES / subscribers / MANY);
  const events = emits * MANY;
  const drainFor = async (durationMs: number): Promise<number> => {
    let total = 0;
    let drains = 0;
    do {
      const emitter = await open("server");
      for (let emit = 0; emit < emits; emit++) await emitter.emitMany(messages);
      await emitter.close();
      total += (await handleQueued(run, events)).ms;
      drains += 1;
    } while (total < durationMs);
    return (total * 1_000_000) / (drains * events);
  };
  await drainFor(budget.warmUpMs);
  return { drained: await drainFor(budget.measureMs) };
}

const ONE: PostgresVariant = {
  label: "1 subscriber",
  subscribers: 1,
  ofPgBoss: 4,
  ofGraphileWorker: 3,
};
const THREE: PostgresVariant = { label: "3 subscribers", subscribers: 3 };
const { contestants, comparisons } = postgresSides([ONE, THREE], measureDrain);

/** How long does an event take to be handled that waited in a full queue? */
export const question: Question = {
  title: "PostgreSQL: drain of a full queue",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "drained", label: "first to last handled" }],
  contestants,
  comparisons: [
    ...comparisons,
    { of: postgresId("busbar", THREE), to: postgresId("busbar", ONE), atLeast: 0.5 },
  ],
  // 20 000 events per second.
  limits: [{ of: postgresId("busbar", ONE), below: 50_000 }],
  needs: ["peers", "postgres"],
  maxRounds: 5,
};
