import { numberedOrders, type Order } from "./order.ts";
import type { Budget, Sample } from "./question.ts";

const DELIVERIES = 20_000;
/** Events in one call. */
const MANY = 1_000;

interface Run {
  readonly budget: Budget;
  readonly subscribers: number;
  readonly open: (role: "server") => Promise<{
    readonly emitMany: (orders: readonly Order[]) => Promise<unknown>;
    readonly close: () => Promise<void>;
  }>;
}

/**
 * Fills while no worker runs, then starts one, and takes the time from its first to its last handled
 * event: to start and to connect is not part of it. Again with a new worker, until the time is over.
 */
export async function measureDrain(
  { budget, subscribers, open }: Run,
  handleQueued: (events: number) => Promise<{ readonly ms: number }>,
): Promise<Sample> {
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
      total += (await handleQueued(events)).ms;
      drains += 1;
    } while (total < durationMs);
    return (total * 1_000_000) / (drains * events);
  };
  await drainFor(budget.warmUpMs);
  return { drained: await drainFor(budget.measureMs) };
}
