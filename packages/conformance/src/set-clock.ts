import { type Clock, systemClock } from "@busbar/core/provider";

/** The system's clocks and timers, but for a wall clock that is off, and that a case can set. */
export interface SetClock extends Clock {
  /** Sets the wall clock forward, or back if the number is negative: no timer comes nearer. */
  step(ms: number): void;
}

/** @param aheadMs How far the wall clock is ahead, in milliseconds; negative: behind. */
export function createSetClock(aheadMs: number): SetClock {
  let offsetMs = aheadMs;
  return {
    now: () => systemClock.now() + offsetMs,
    monotonic: () => systemClock.monotonic(),
    setTimeout: (callback, delayMs, options) => systemClock.setTimeout(callback, delayMs, options),
    step(ms) {
      offsetMs += ms;
    },
  };
}
