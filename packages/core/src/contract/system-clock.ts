import type { Clock } from "./clock.ts";

/** What Node's timers count at most; a longer delay would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** The system's clocks and Node's timers, without their limit of 24.8 days. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),

  setTimeout(callback, delayMs, options) {
    const keepAlive = options?.keepAlive ?? false;
    let remainingMs = delayMs;
    let timeout: NodeJS.Timeout;

    const next = (): void => {
      const partMs = Math.min(remainingMs, LONGEST_DELAY_MS);
      remainingMs -= partMs;
      timeout = setTimeout(remainingMs > 0 ? next : callback, partMs);
      if (!keepAlive) timeout.unref();
    };

    next();
    return { cancel: () => clearTimeout(timeout) };
  },
};

/** A clock with all that a clock has: one that was written for an earlier release may lack `monotonic`. */
export function wholeClock(clock: Omit<Clock, "monotonic"> & Partial<Clock>): Clock {
  if (typeof clock.monotonic === "function") return clock as Clock;
  return {
    now: () => clock.now(),
    monotonic: () => systemClock.monotonic(),
    setTimeout: (callback, delayMs, options) => clock.setTimeout(callback, delayMs, options),
  };
}
