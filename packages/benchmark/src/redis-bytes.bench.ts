import {
  handleQueued,
  MANY,
  orders,
  type RedisRun,
  redisSides,
} from "./contestants/redis-contestants.ts";
import type { Question, Sample } from "./question.ts";

const EMITS = 20;
const messages = orders(MANY);

/** Fills a queue and looks at how much more memory the server uses. */
async function measureBytes(run: RedisRun): Promise<Sample> {
  const { server, open } = run;
  const fill = async (emits: number): Promise<number> => {
    const emitter = await open("server");
    for (let emit = 0; emit < emits; emit++) await emitter.emitMany(messages);
    await emitter.close();
    return server.usedMemory();
  };
  // Scripts, and what is there only once, are loaded before.
  const before = await fill(1);
  const after = await fill(EMITS);
  await handleQueued(run, (1 + EMITS) * MANY);
  return { used: (after - before) / (EMITS * MANY) };
}

/** How much memory of Redis does an event take that waits? */
export const question: Question = {
  title: "Redis: memory of a queued event, emitted with 999 others, one subscriber",
  unit: { type: "bytes", per: "event" },
  metrics: [{ id: "used", label: "used_memory" }],
  needs: ["peers", "redis-server"],
  maxRounds: 3,
  ...redisSides("many", [{ label: "", subscribers: 1, concurrency: 10, atLeast: 3 }], measureBytes),
};
