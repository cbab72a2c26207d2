import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createEventBus } from "@busbar/core";
import { orders } from "./contestants/redis-contestants.ts";
import { EVENT_NAME } from "./order.ts";
import type { Budget, Contestant, Question, Sample } from "./question.ts";
import { startRedisServer } from "./redis-server.ts";

const WORKERS = 4;
const CONCURRENCY = 10;
/** Four packs, one for each worker; and one, which has to be shared out. */
const COUNTS = [200, 50] as const;
const HANDLER_MS = 100;
/** It may take 1.3 times as long as without packing. */
const AT_LEAST = 0.77;

/** Emits so many events in one call, and waits until four processes have handled them. */
async function measureSlow(
  { measureMs }: Budget,
  events: number,
  maxEvents: number,
): Promise<Sample> {
  const messages = orders(events).map((data) => ({ name: EVENT_NAME, data }));
  const { redisProvider } = await import("@busbar/redis");
  const server = await startRedisServer();
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, () => startWorker(server.url, maxEvents)),
  );
  const provider = redisProvider({ redisUrl: server.url, batch: { maxEvents } });
  const bus = createEventBus({ provider, role: "server" });
  bus.subscribe(EVENT_NAME, () => {}, { subscriberId: "slow" });
  await bus.start();

  let handled = 0;
  let onAll = (): void => {};
  for (const worker of workers) {
    worker.on("message", () => {
      handled += 1;
      if (handled === events) onAll();
    });
  }
  const emitAndWait = async (): Promise<number> => {
    handled = 0;
    const all = new Promise<void>((resolve) => (onAll = resolve));
    const from = performance.now();
    await bus.emit(messages);
    await all;
    return performance.now() - from;
  };

  const first = await emitAndWait();
  let [total, times] = [0, 0];
  do {
    total += await emitAndWait();
    times += 1;
  } while (total < measureMs);
  const ended = workers.map((worker) => once(worker, "exit"));
  for (const worker of workers) worker.send("stop");
  await Promise.all(ended);
  if (handled !== events) throw new Error(`${handled} events were handled, not ${events}`);
  await bus.stop();
  await server.close();
  return { first, later: total / times };
}

async function startWorker(url: string, maxEvents: number): Promise<ChildProcess> {
  const file = fileURLToPath(new URL("slow-worker.js", import.meta.url));
  const worker = fork(file, [url, ...[HANDLER_MS, CONCURRENCY, maxEvents].map(String)]);
  await once(worker, "message");
  return worker;
}

function contestant(id: string, label: string, events: number, maxEvents: number): Contestant {
  return {
    id: `${id}, ${events} events`,
    label: `${label}, ${events} events`,
    measure: (budget) => measureSlow(budget, events, maxEvents),
  };
}

/** Do packs keep slow events from the workers that are free? */
export const question: Question = {
  title: "Redis: events of 100 ms in one emit, four worker processes of ten at a time",
  unit: { type: "ms" },
  metrics: [
    { id: "first", label: "workers know nothing of it" },
    { id: "later", label: "from then on" },
  ],
  contestants: COUNTS.flatMap((events) => [
    contestant("packed", "Busbar", events, 50),
    contestant("single", "Busbar, a job for each event", events, 1),
  ]),
  comparisons: COUNTS.map((events) => ({
    of: `packed, ${events} events`,
    to: `single, ${events} events`,
    atLeast: AT_LEAST,
  })),
  needs: ["redis-server"],
  maxRounds: 3,
};
