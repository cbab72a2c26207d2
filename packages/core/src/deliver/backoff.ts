import type { Backoff } from "../contract/event.ts";

const MAX_DOUBLINGS = 1000;

/**
 * Milliseconds to wait after a failed attempt.
 *
 * Exponential backoff doubles with every attempt, `delay * 2 ** (attempt - 1)`, up to `maxDelay`;
 * jitter then takes a random share off.
 *
 * @param attempt The attempt that failed, from 1.
 * @param random A number from 0 to below 1.
 */
export function backoffDelay(
  backoff: Backoff | undefined,
  attempt: number,
  random: () => number,
): number {
  if (backoff === undefined) return 0;
  if (typeof backoff === "number") return backoff;
  const { type, delay, jitter = 0, maxDelay = Number.MAX_SAFE_INTEGER } = backoff;
  // Not Infinity, of which no delay makes a number.
  const doublings = type === "fixed" ? 0 : Math.min(attempt - 1, MAX_DOUBLINGS);
  const full = delay * 2 ** doublings;
  const capped = Math.min(full, maxDelay);
  return Math.round(capped * (1 - jitter * random()));
}
