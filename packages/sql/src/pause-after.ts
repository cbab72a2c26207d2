/** The first pause, in milliseconds. Doubles up to the longest. */
const FIRST_MS = 100;
const LONGEST_MS = 10_000;
/** More doublings than the longest pause has. */
const MAX_DOUBLINGS = 30;

/** Milliseconds before a loop that has failed tries again. `failures`: how often in a row it had failed before. */
export function pauseAfter(failures: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, MAX_DOUBLINGS));
  // Processes that failed together should not return together.
  return Math.round(longest * (0.5 + Math.random() / 2));
}
