/** A timer that has not fired yet. */
export interface Timer {
  /** Prevents the timer from firing. Safe to call twice, and after it fired. */
  cancel(): void;
}

/** Options of {@link Clock.setTimeout}. */
export interface TimerOptions {
  /**
   * Whether a pending timer keeps the process alive. Work that was promised does (a retry that is
   * due); housekeeping does not.
   *
   * @default false
   */
  readonly keepAlive?: boolean | undefined;
}

/**
 * Time as the bus and its providers see it, so that tests can replace it.
 *
 * A machine's wall clock may be set back or forward at any moment, and two machines rarely agree. So
 * {@link now} is for times that people read, {@link monotonic} is for every duration, deadline and timer,
 * and what several processes share goes by the clock of their server.
 */
export interface Clock {
  /**
   * The wall clock in milliseconds since the Unix epoch. For times that people read, such as `createdAt`.
   * A difference of two calls is no duration: the clock may have been set in between.
   */
  now(): number;
  /**
   * Milliseconds since a fixed point of this clock's own choice. Never goes back, and takes no part when
   * the wall clock is set. Comparable only with other values of the same clock in the same process.
   */
  monotonic(): number;
  /**
   * Calls `callback` once, `delayMs` milliseconds from now. Any delay is honoured, also one beyond
   * the 24.8 days that Node's own timers can count.
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
