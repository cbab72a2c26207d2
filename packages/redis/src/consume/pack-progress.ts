import type { JobProgress } from "./job-data.ts";

/** What became of each event of a pack, by its position. */
export type EventStates = Uint8Array;

export const WAITING = 0;
export const IN_HAND = 1;
export const SETTLED = 2;

/** The progress of a pack. */
export function writeProgress(states: EventStates): string {
  const settled: (number | readonly [number, number])[] = [];
  for (let at = 0; at < states.length; at += 1) {
    if (states[at] !== SETTLED) continue;
    const first = at;
    while (states[at + 1] === SETTLED) at += 1;
    settled.push(first === at ? first : [first, at]);
  }
  return JSON.stringify({ settled } satisfies JobProgress);
}

/** Positions of the events that a pack's progress calls settled. */
export function* settledIn({ settled = [] }: JobProgress): Generator<number> {
  for (const entry of settled) {
    const [first, last] = typeof entry === "number" ? [entry, entry] : entry;
    for (let at = first; at <= last; at += 1) yield at;
  }
}
