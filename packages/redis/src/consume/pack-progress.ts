import { numbersIn, rangesOf } from "../body-reference.ts";
import type { JobProgress } from "./job-data.ts";

/** What became of each event of a pack, by its position. */
export type EventStates = Uint8Array;

export const WAITING = 0;
export const IN_HAND = 1;
export const SETTLED = 2;

/** The progress of a pack. */
export function writeProgress(states: EventStates): string {
  const settled: number[] = [];
  for (let at = 0; at < states.length; at += 1) if (states[at] === SETTLED) settled.push(at);
  return JSON.stringify({ settled: rangesOf(settled) } satisfies JobProgress);
}

/** Positions of the events that a pack's progress calls settled. */
export function settledIn({ settled = [] }: JobProgress): Generator<number> {
  return numbersIn(settled);
}
