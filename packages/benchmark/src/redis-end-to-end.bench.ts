import { MANY, orders, type RedisRun, redisSides } from "./contestants/redis-contestants.ts";
import type { Question, Sample } from "./question.ts";

const DELIVERIES = 10_000;
const messages = orders(MANY);

/** Emits so many events, 1 000 to a call, while they are handled in the same process; and again. */
async function measureEndToEnd(run: RedisRun): Promise<Sample> {
  const { subscribers, budget, deliveries, open } = run;
  const emits = Math.ceil(DELIVERIES / subscribers / MANY);
  const bus = await open("shared");
  const runFor = async (durationMs: number): Promise<number> => {
    let total = 0;
    let batches = 0;
    do {
      const handled = deliveries.expect(emits * MANY);
      const start = performance.now();
      for (let emit = 0; emit < emits; emit++) await bus.emitMany(messages);
      total += (await handled).lastAt - start;
      batches += 1;
    } while (total < durationMs);
    return (total * 1_000_000) / (batches * emits * MANY);
  };
  await runFor(budget.warmUpMs);
  const handled = await runFor(budget.measureMs);
  await bus.close();
  return { handled };
}

/** How long does an event take from emit to handled, when many are on their way? */
export const question: Question = {
  title: "Redis: events emitted in calls of 1 000 and handled in the same process",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "handled", label: "first emit to last handled" }],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "many",
    [
      { label: "1 at a time", subscribers: 1, concurrency: 1 },
      { label: "10 at a time", subscribers: 1, concurrency: 10, atLeast: 10 },
      { label: "100 at a time", subscribers: 1, concurrency: 100 },
      { label: "10 at a time, 3 subscribers", subscribers: 3, concurrency: 10 },
      { label: "10 at a time, 10 subscribers", subscribers: 10, concurrency: 10 },
    ],
    measureEndToEnd,
  ),
};
