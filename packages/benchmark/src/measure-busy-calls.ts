import { BUSY_MS } from "./busy-loop.ts";
import type { RedisBus } from "./contestants/redis-bus.ts";
import { busbarAndMedusa } from "./contestants/redis-contestants.ts";
import { PERCENTILES } from "./latency.ts";
import { measureCalls, type TimedCall } from "./measure-calls.ts";
import type { Question } from "./question.ts";

const VARIANTS = BUSY_MS.flatMap((busyMs) =>
  [1, 20, 100].map((callers) => ({
    label: `busy ${busyMs} ms a turn, ${callers} at a time`,
    subscribers: 1,
    concurrency: 10,
    busyMs,
    callers,
    atLeast: 2,
  })),
);

/** How long a call takes in a process whose event loop is busy, in all variants. */
export function busyQuestion(title: string, call: TimedCall<RedisBus>): Question {
  return {
    title,
    unit: { type: "ms" },
    metrics: PERCENTILES,
    needs: ["peers", "redis-server"],
    maxRounds: 3,
    ...busbarAndMedusa(VARIANTS, (run, { busyMs, callers }) =>
      measureCalls({ ...run, busyMs, callers }, call),
    ),
  };
}
