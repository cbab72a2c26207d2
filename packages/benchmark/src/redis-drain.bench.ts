import {
  handleQueued,
  MANY,
  orders,
  type RedisRun,
  redisSides,
} from "./contestants/redis-contestants.ts";
import type { Question, Sample } from "./question.ts";

const DELIVERIES = 20_000;

/**
 * Fills while no worker runs, then starts one, and takes the time from its first to its last handled
 * event: to start and to connect is not part of it. Again with a new worker, until the time is over.
 */
async function measureDrain(run: RedisRun): Promise<Sample> {
  const { subscribers, budget, open } = run;
  const messages = orders(Math.min(MANY, Math.floor(DELIVERIES / subscribers)));
  const emits = Math.floor(DELIVERIES / subscribers / messages.length);
  const events = emits * messages.length;
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

/** How long does an event take to be handled that waited in a full queue? */
export const question: Question = {
  title: "Redis: drain of a full queue",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "drained", label: "first to last handled" }],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "many",
    [
      { label: "1 at a time", subscribers: 1, concurrency: 1 },
      { label: "10 at a time", subscribers: 1, concurrency: 10, atLeast: 10 },
      { label: "100 at a time", subscribers: 1, concurrency: 100 },
      {
        label: "10 at a time, 3 subscribers",
        subscribers: 3,
        concurrency: 10,
        atLeast: 5,
        ofLimit: 1,
      },
      {
        label: "10 at a time, 10 subscribers",
        subscribers: 10,
        concurrency: 10,
        atLeast: 0.9,
        ofLimit: 1,
      },
    ],
    measureDrain,
  ),
};
