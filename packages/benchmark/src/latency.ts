import { setTimeout } from "node:timers/promises";
import type { Metric, Sample } from "./question.ts";

/** What {@link percentiles} measures. */
export const PERCENTILES: readonly Metric[] = [
  { id: "p50", label: "p50" },
  { id: "p99", label: "p99" },
];

/** Half of the latencies are at most `p50`, and 99 % at most `p99`. */
export function percentiles(latencies: readonly number[]): Sample {
  const sorted = latencies.toSorted((left, right) => left - right);
  const percentile = (part: number) => sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
  return { p50: percentile(0.5), p99: percentile(0.99) };
}

/** How many events there are in a time, at a rate. */
export function eventsWithin(durationMs: number, perSecond: number): number {
  return Math.ceil((durationMs / 1_000) * perSecond);
}

/** Makes that many calls evenly over the time, and resolves when all of them have. */
export async function atRate(
  perSecond: number,
  calls: number,
  call: (index: number) => Promise<unknown>,
): Promise<void> {
  const made: Promise<unknown>[] = [];
  const start = performance.now();
  for (let index = 0; index < calls; index++) {
    const waitMs = start + (index * 1_000) / perSecond - performance.now();
    if (waitMs > 0) await setTimeout(waitMs);
    made.push(call(index));
  }
  await Promise.all(made);
}
