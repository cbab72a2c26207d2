import type { Clock, Timer, TimerOptions } from "@busbar/core";

interface VirtualTimer {
  readonly callback: () => void;
  readonly due: number;
  readonly keepAlive: boolean;
}

/** A clock that stands still until somebody moves it. */
export class VirtualClock implements Clock {
  /** Grows whenever a timer is set, cancelled or fired. */
  changes = 0;
  #now: number;
  /** In the order in which they were set, which decides among those of one moment. */
  readonly #timers = new Set<VirtualTimer>();

  constructor(startAt: number) {
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, delayMs: number, options?: TimerOptions): Timer {
    const keepAlive = options?.keepAlive ?? false;
    const timer: VirtualTimer = { callback, due: this.#now + Math.max(0, delayMs), keepAlive };
    this.#timers.add(timer);
    this.changes += 1;
    return {
      cancel: () => {
        if (this.#timers.delete(timer)) this.changes += 1;
      },
    };
  }

  /**
   * When the next timer is due; undefined when there is none.
   *
   * @param promised Passes over housekeeping: only timers that would keep a process alive.
   */
  nextDue(promised: boolean): number | undefined {
    let due: number | undefined;
    for (const timer of this.#timers) {
      if (promised && !timer.keepAlive) continue;
      if (due === undefined || timer.due < due) due = timer.due;
    }
    return due;
  }

  /** Moves to the next timer that is due until then, and runs it. Whether there was one. */
  fireNext(until: number): boolean {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= until && (!next || timer.due < next.due)) next = timer;
    }
    if (!next) return false;
    this.#timers.delete(next);
    this.changes += 1;
    this.#now = Math.max(this.#now, next.due);
    next.callback();
    return true;
  }

  /** Moves time, never back. What was due until then must have been run. */
  moveTo(time: number): void {
    this.#now = Math.max(this.#now, time);
  }
}
