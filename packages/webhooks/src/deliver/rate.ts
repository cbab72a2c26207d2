/** Attempts that may begin in any period of that many milliseconds. */
export interface Rate {
  readonly max: number;
  readonly perMs: number;
}

/** Attempts that began between two moments, in milliseconds since the epoch. */
export interface Burst {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** The attempts of the last period, oldest first. */
export type RateWindow = readonly Burst[];

/** Parts of a period that a window tells apart. */
const PARTS = 20;

/** Returns how many attempts may begin now. */
export function allowedBy(rate: Rate, window: RateWindow, now: number): number {
  const used = current(rate, window, now).reduce((sum, { count }) => sum + count, 0);
  return Math.max(0, rate.max - used);
}

/**
 * Returns the window after `count` attempts have begun. It stays small: attempts that are close together are one burst,
 * which ends with the last of them, so that a period never has too many.
 */
export function withAttempts(
  rate: Rate,
  window: RateWindow,
  now: number,
  count: number,
): RateWindow {
  const bursts = current(rate, window, now);
  const last = bursts.at(-1);
  if (last === undefined || now - last.from > rate.perMs / PARTS) {
    return [...bursts, { from: now, to: now, count }];
  }
  return [
    ...bursts.slice(0, -1),
    { from: last.from, to: Math.max(last.to, now), count: last.count + count },
  ];
}

/** Returns when the next attempt may begin. */
export function nextAllowedAt(rate: Rate, window: RateWindow, now: number): number {
  let used = 0;
  const bursts = current(rate, window, now).toReversed();
  for (const { to, count } of bursts) {
    used += count;
    if (used >= rate.max) return to + rate.perMs;
  }
  return now;
}

/** The attempts that still count. A period is shorter than what it repeats after: the end of it belongs to the next. */
function current({ perMs }: Rate, window: RateWindow, now: number): RateWindow {
  return window.filter(({ to }) => to > now - perMs);
}
