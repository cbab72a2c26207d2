/** A timer that has not fired yet. */
export interface Timer {
  /** Prevents the timer from firing. Safe to call twice, and after it fired. */
  cancel(): void;
}

/** Options of {@link Clock.setTimeout}. */
export interface TimerOptions {
  /**
   * Whether a pending timer keeps the process alive. Set it for work that the bus has promised, such as a retry, and not
   * for housekeeping.
   *
   * @default false
   */
  readonly keepAlive?: boolean | undefined;
}

/**
 * The source of time of the bus and its providers. Tests can replace it.
 *
 * The wall clock of a machine may be set at any moment, and two machines rarely agree. Therefore {@link now} is for times
 * that people read, and {@link monotonic} is for durations, deadlines and timers. Times that several processes share come
 * from the clock of their server.
 */
export interface Clock {
  /**
   * Returns the time of the wall clock, in milliseconds since the Unix epoch. Use it for times that people read, such as
   * `createdAt`. Do not subtract two times: the clock may have been set between the calls.
   */
  now(): number;
  /**
   * Returns the milliseconds since a fixed moment. The value never decreases, also when the wall clock is set. Compare it
   * only with values of the same clock in the same process.
   */
  monotonic(): number;
  /**
   * Calls `callback` once, `delayMs` milliseconds from now. `delayMs` may be longer than 24.8 days, the limit of Node's
   * timers.
   */
  setTimeout(callback: () => void, delayMs: number, options?: TimerOptions): Timer;
}

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
