import { type Clock, systemClock, type Timer, type TimerOptions } from "@busbar/core/provider";

/** Time that passes by itself: the system's, or that of a bus which has a clock of its own. */
export class SystemTime implements Clock {
  #clock: Clock = systemClock;

  /** Takes over the clock of a bus, unless the bus has this one. */
  follow(clock: Clock): void {
    if (clock !== this) this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  setTimeout(callback: () => void, delayMs: number, options?: TimerOptions): Timer {
    return this.#clock.setTimeout(callback, delayMs, options);
  }
}
