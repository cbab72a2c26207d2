import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createEventBus } from "@busbar/core";
import { orders } from "./contestants/redis-contestants.ts";
import { EVENT_NAME } from "./order.ts";
import type { Contestant, Question, Sample } from "./question.ts";
import { startRedisServer } from "./redis-server.ts";

const WORKERS = 3;
const PER_SECOND = 100;
const SECONDS = 10;
/** For workers that have started one after another. */
const SETTLE_MS = 1_000;

/** Counts the runs of three processes that have more to do than their rate allows. */
async function measureRate(max: number, perMs: number): Promise<Sample> {
  const { redisProvider } = await import("@busbar/redis");
  const server = await startRedisServer();
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, () => startWorker(server.url, max, perMs)),
  );
  const bus = createEventBus({
    provider: redisProvider({ redisUrl: server.url }),
    role: "server",
  });
  bus.subscribe(EVENT_NAME, () => {}, { subscriberId: "limited", rate: { max, perMs } });
  await bus.start();
  const events = PER_SECOND * SECONDS * 2;
  await bus.emit(orders(events).map((data) => ({ name: EVENT_NAME, data })));
  await setTimeout(SETTLE_MS);
  const before = await server.commands();
  await setTimeout(SECONDS * 1_000);
  const commands = (await server.commands()) - before;
  const answers = workers.map(async (worker): Promise<readonly number[]> => {
    const answer = once(worker, "message");
    worker.send("stop");
    const [begun] = (await answer) as [readonly number[]];
    return begun;
  });
  const begun = (await Promise.all(answers)).flat().toSorted((a, b) => a - b);
  await bus.stop({ graceMs: 0 });
  await server.close();
  // From a run on, so that whole spans are counted.
  const to = (begun[0] ?? 0) + SECONDS * 1_000;
  return {
    runs: begun.filter((at) => at < to).length / SECONDS,
    most: mostWithin(begun, perMs),
    commands: commands / SECONDS,
  };
}

/** The most times in any span of so many milliseconds. */
function mostWithin(times: readonly number[], spanMs: number): number {
  let [most, first] = [0, 0];
  times.forEach((time, index) => {
    while ((times[first] as number) <= time - spanMs) first += 1;
    most = Math.max(most, index - first + 1);
  });
  return most;
}

async function startWorker(redisUrl: string, max: number, perMs: number): Promise<ChildProcess> {
  const file = fileURLToPath(new URL("rate-worker.js", import.meta.url));
  const worker = fork(file, [redisUrl, String(max), String(perMs)]);
  await once(worker, "message");
  return worker;
}

const even: Contestant = {
  id: "even",
  label: "10 per 100 ms",
  measure: () => measureRate(10, 100),
};
const bursts: Contestant = {
  id: "bursts",
  label: "100 per second",
  measure: () => measureRate(PER_SECOND, 1_000),
};

/** Does a rate hold over several processes, and what does it cost? */
export const question: Question = {
  title: "Redis: a rate of 100 runs per second over three processes, for 10 s",
  unit: { type: "count" },
  metrics: [
    { id: "runs", label: "runs per second" },
    { id: "most", label: "most runs that began within one span" },
    { id: "commands", label: "commands per second, those within scripts included" },
  ],
  contestants: [bursts, even],
  needs: ["redis-server", "peers"],
  maxRounds: 1,
};
