import { openBusbarRedis } from "./contestants/busbar-redis.ts";
import { type Observation, observing } from "./contestants/observed.ts";
import { contestantOnRedis } from "./contestants/redis-contestants.ts";
import { measureEndToEnd } from "./measure-end-to-end.ts";
import type { Question } from "./question.ts";

const OBSERVATIONS: Readonly<Record<Observation, string>> = {
  off: "no plugin",
  api: "plugin, no SDK",
  prometheus: "metrics for Prometheus",
  sampled: "metrics, and 1 trace of 20",
  on: "metrics, and every trace",
};
const observations = Object.keys(OBSERVATIONS) as Observation[];

/** Milliseconds for which a handler keeps the processor busy. */
const WORK = [0, 0.1] as const;

const idOf = (observation: Observation, workMs: number): string => `${observation}, ${workMs} ms`;

/** What does telemetry cost, where handlers do nothing, and where they do something? */
export const question: Question = {
  title: "Redis: events emitted in calls of 1 000 and handled in the same process, with telemetry",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "handled", label: "first emit to last handled" }],
  needs: ["redis-server"],
  maxRounds: 5,
  contestants: WORK.flatMap((workMs) =>
    observations.map((observation) =>
      contestantOnRedis(
        [
          idOf(observation, workMs),
          `${OBSERVATIONS[observation]}, handlers of ${workMs} ms`,
          (options) =>
            openBusbarRedis({
              ...options,
              handlers: options.handlers.map((handler) => (order) => {
                const until = performance.now() + workMs;
                while (performance.now() < until);
                return handler(order);
              }),
              plugins: observing(observation),
            }),
        ],
        { label: "10 at a time", subscribers: 1, concurrency: 10 },
        (run) => measureEndToEnd(run, workMs > 0 ? 2_000 : 10_000),
      ),
    ),
  ),
  comparisons: WORK.flatMap((workMs) =>
    observations.slice(1).map((observation) => ({
      of: idOf(observation, workMs),
      to: idOf("off", workMs),
      ...(workMs > 0 && { atLeast: 0.85 }),
    })),
  ),
};
