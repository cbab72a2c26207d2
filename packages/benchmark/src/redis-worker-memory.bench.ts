import { busbarOnRedis, MANY, orders, type RedisRun } from "./contestants/redis-contestants.ts";
import type { Question, Sample } from "./question.ts";

const EVENTS = 1_000_000;
/** Events after which the process has grown to what it needs. */
const BEFORE = 200_000;
/** Emitted before their handling is waited for: the queue stays short. */
const IN_QUEUE = 10_000;

const messages = orders(MANY);

/** Emits and handles a million events in one process, and looks at what is left of them. */
async function measureMemory({ server, deliveries, open }: RedisRun): Promise<Sample> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("Needs node --expose-gc");
  const bus = await open("shared");
  const handle = async (events: number) => {
    for (let left = events; left > 0; left -= IN_QUEUE) {
      const handled = deliveries.expect(IN_QUEUE);
      for (let queued = 0; queued < IN_QUEUE; queued += MANY) await bus.emitMany(messages);
      await handled;
    }
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return { worker: heapUsed + external, redis: await server.usedMemory() };
  };
  const before = await handle(BEFORE);
  const after = await handle(EVENTS);
  await bus.close();
  return {
    worker: (after.worker - before.worker) / 1_000_000,
    redis: (after.redis - before.redis) / 1_000_000,
  };
}

const contestant = busbarOnRedis({ label: "", subscribers: 1, concurrency: 10 }, measureMemory);

/** How much memory does a million events leave behind? */
export const question: Question = {
  title: "Redis: memory that a million handled events leave behind, bus and worker still open",
  unit: { type: "MB" },
  metrics: [
    { id: "worker", label: "process, collected" },
    { id: "redis", label: "redis-server" },
  ],
  contestants: [contestant],
  limits: [{ of: contestant.id, below: 5 }],
  needs: ["peers", "redis-server"],
  nodeFlags: ["--expose-gc"],
  maxRounds: 3,
};
