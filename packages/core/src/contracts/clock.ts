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

/** Time as the bus and its providers see it, so that tests can replace it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Calls `callback` once, `delayMs` milliseconds from now. Any delay is honoured, also one beyond
   * the 24.8 days that Node's own timers can count.
   */
  setTimeout(callback: () => void, delayMs: number, options?: TimerOptions): Timer;
}
