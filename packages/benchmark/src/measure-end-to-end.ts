import { MANY, orders, type RedisRun } from "./contestants/redis-contestants.ts";
import type { Sample } from "./question.ts";

const messages = orders(MANY);

/**
 * Emits events, 1 000 to a call, while they are handled in the same process, until so many are delivered; and again.
 */
export async function measureEndToEnd(run: RedisRun, count: number = 10_000): Promise<Sample> {
  const { subscribers, budget, deliveries, open } = run;
  const emits = Math.ceil(count / subscribers / MANY);
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
