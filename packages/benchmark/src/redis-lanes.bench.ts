import { execFileSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { EVENT_NAME } from "./order.ts";
import type { Contestant, Question, Sample } from "./question.ts";
import { startRedisServer } from "./redis-server.ts";

const SUBSCRIPTIONS = 50;
const IDLE_MS = 10_000;
/** Until all that is done once, at the start, is over. */
const SETTLE_MS = 3_000;

/** A process as it stands there. */
interface Idler {
  readonly subscriptions: number;
  readonly role: "server" | "shared";
  readonly sharesLane: boolean;
}

/** Starts a bus that nobody emits to, and looks at what Redis sees of it. */
async function measureIdle({ subscriptions, role, sharesLane }: Idler): Promise<Sample> {
  const { redisProvider } = await import("@busbar/redis");
  const server = await startRedisServer();
  const lanes = sharesLane ? { quiet: ["subscriber-*"] } : {};
  const bus = createEventBus({ provider: redisProvider({ redisUrl: server.url, lanes }), role });
  for (let index = 0; index < subscriptions; index++) {
    bus.subscribe(EVENT_NAME, () => {}, { subscriberId: `subscriber-${index}` });
  }
  await bus.start();
  await setTimeout(SETTLE_MS);
  const ask = (...args: readonly string[]): string =>
    execFileSync("redis-cli", ["-u", server.url, ...args], { encoding: "utf8" });
  const cpuBefore = cpuMs(ask("INFO", "cpu"));
  ask("CONFIG", "RESETSTAT");
  await setTimeout(IDLE_MS);
  const stats = ask("INFO", "all");
  const connections = ask("CLIENT", "LIST").match(/name=\S*busbar/g)?.length ?? 0;
  await bus.stop();
  await server.close();
  const calls = [...stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)]
    .filter(([, command]) => command !== "config|resetstat")
    .reduce((sum, [, , count]) => sum + Number(count), 0);
  const seconds = IDLE_MS / 1_000;
  return { connections, calls: calls / seconds, cpu: (cpuMs(stats) - cpuBefore) / seconds };
}

/** What Redis has computed since it was started, in milliseconds. */
function cpuMs(info: string): number {
  const field = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1]);
  return (field("used_cpu_sys") + field("used_cpu_user")) * 1_000;
}

function contestant(id: string, label: string, idler: Idler): Contestant {
  return { id, label, measure: () => measureIdle(idler) };
}

const many = { subscriptions: SUBSCRIPTIONS, role: "shared" } as const;

/** What does a process cost Redis that has nothing to do? */
export const question: Question = {
  title: "Redis: a process that waits for events, for ten seconds",
  unit: { type: "count" },
  metrics: [
    { id: "connections", label: "connections" },
    { id: "calls", label: "commands per second" },
    { id: "cpu", label: "ms of Redis's CPU per second" },
  ],
  contestants: [
    contestant("own", "50 subscriptions, a queue of its own each", { ...many, sharesLane: false }),
    contestant("lane", "50 subscriptions in one lane", { ...many, sharesLane: true }),
    contestant("one", "one subscription", { ...many, subscriptions: 1, sharesLane: false }),
    contestant("emitter", "50 subscriptions, emits only", {
      ...many,
      role: "server",
      sharesLane: false,
    }),
  ],
  needs: ["redis-server"],
  maxRounds: 3,
};
