import { type EventStates, WAITING } from "./pack-progress.ts";
import type { PackContents } from "./pack-contents.ts";

/** In what portions a job's events are given back. */
export interface Portions {
  /** How many whole packs, of which nothing has begun, go together. */
  readonly packs: number;
  /** How many events go together of a pack that has begun. */
  readonly events: number;
}

/** Positions of what waits, from one on, in the portions in which it is given back. */
export function sharesOf(
  states: EventStates,
  contents: PackContents,
  from: number,
  { packs, events }: Portions,
): readonly (readonly number[])[] {
  const shares: (readonly number[])[] = [];
  let [whole, count]: [number[], number] = [[], 0];
  const closeWhole = (): void => {
    if (count > 0) shares.push(whole);
    [whole, count] = [[], 0];
  };
  for (let start = from, end = 0; start < states.length; start = end) {
    end = contents.nextPackAt(start + 1);
    const waiting = waitingBetween(states, start, end);
    const isWhole = waiting.length === end - start && contents.nextPackAt(start) === start;
    if (!isWhole) {
      closeWhole();
      for (let at = 0; at < waiting.length; at += events) {
        shares.push(waiting.slice(at, at + events));
      }
      continue;
    }
    whole.push(...waiting);
    count += 1;
    if (count === packs) closeWhole();
  }
  closeWhole();
  return shares;
}

/** Positions from one to before another of what waits. */
export function waitingBetween(states: EventStates, start: number, end: number): readonly number[] {
  const waiting: number[] = [];
  for (let at = start; at < end; at += 1) if (states[at] === WAITING) waiting.push(at);
  return waiting;
}
