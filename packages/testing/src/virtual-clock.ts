import type { Clock, Timer, TimerOptions } from "@busbar/core/provider";

interface VirtualTimer {
  readonly callback: () => void;
  readonly due: number;
  readonly keepAlive: boolean;
}

/** A clock that stands still until a test moves it. */
export class VirtualClock implements Clock {
  /** Grows whenever a timer is set, cancelled or fired. */
  changes = 0;
  /** What `monotonic()` says. */
  #elapsed = 0;
  /** What the wall clock said when nothing had elapsed; moves when it is set. */
  #wallStart: number;
  /** In the order in which they were set, which decides among those of one moment. */
  readonly #timers = new Set<VirtualTimer>();

  constructor(startAt: number) {
    this.#wallStart = startAt;
  }

  now(): number {
    return this.#wallStart + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Sets the wall clock alone, by so many milliseconds: no timer comes nearer. */
  stepWall(ms: number): void {
    this.#wallStart += ms;
  }

  setTimeout(callback: () => void, delayMs: number, options?: TimerOptions): Timer {
    const keepAlive = options?.keepAlive ?? false;
    const timer: VirtualTimer = { callback, due: this.#elapsed + Math.max(0, delayMs), keepAlive };
    this.#timers.add(timer);
    this.changes += 1;
    return {
      cancel: () => {
        if (this.#timers.delete(timer)) this.changes += 1;
      },
    };
  }

  /**
   * When the next timer is due, on the monotonic scale; undefined when there is none.
   *
   * @param promised Skips housekeeping: only timers that would keep a process alive.
   */
  nextDue(promised: boolean): number | undefined {
    let due: number | undefined;
    for (const timer of this.#timers) {
      if (promised && !timer.keepAlive) continue;
      if (due === undefined || timer.due < due) due = timer.due;
    }
    return due;
  }

  /** Moves to the next timer that is due until then, on the monotonic scale, and runs it. Whether there was one. */
  fireNext(until: number): boolean {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= until && (!next || timer.due < next.due)) next = timer;
    }
    if (!next) return false;
    this.#timers.delete(next);
    this.changes += 1;
    this.#elapsed = Math.max(this.#elapsed, next.due);
    next.callback();
    return true;
  }

  /** Moves the monotonic clock, and the wall clock with it. What was due until then must have been run. */
  moveTo(time: number): void {
    this.#elapsed = Math.max(this.#elapsed, time);
  }
}
