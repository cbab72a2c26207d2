import type { Clock } from "../../src/contract/clock.ts";

interface ManualTimer {
  readonly callback: () => void;
  readonly due: number;
  readonly keepAlive: boolean;
}

/** A clock that stands still until it is told to advance. */
export interface ManualClock extends Clock {
  /**
   * Moves time on, and runs the timers that come due, in order, each at its own time. Between two of
   * them, and at the end, everything that is ready to run without time passing does.
   */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock alone, by so many milliseconds: no timer comes nearer. */
  stepWall(ms: number): void;
  /** Timers that have neither fired nor been cancelled: all, or only those that keep the process alive. */
  pendingTimers(options?: { readonly keepAlive: boolean }): number;
}

export function createManualClock(startAt: number = Date.UTC(2026, 0, 1)): ManualClock {
  let now = 1_000;
  let wallOffset = startAt - now;
  const timers = new Set<ManualTimer>();

  function nextDue(until: number): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of timers) {
      if (timer.due <= until && (!next || timer.due < next.due)) next = timer;
    }
    return next;
  }

  return {
    now: () => now + wallOffset,
    monotonic: () => now,
    stepWall: (ms) => void (wallOffset += ms),

    setTimeout(callback, delayMs, options) {
      const timer = { callback, due: now + delayMs, keepAlive: options?.keepAlive ?? false };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },

    async advance(ms) {
      const until = now + ms;
      await idle();
      for (let timer = nextDue(until); timer; timer = nextDue(until)) {
        timers.delete(timer);
        now = Math.max(now, timer.due);
        timer.callback();
        await idle();
      }
      now = until;
    },

    pendingTimers(options) {
      if (!options) return timers.size;
      return [...timers].filter((timer) => timer.keepAlive === options.keepAlive).length;
    },
  };
}

/** Lets everything run that is ready: microtasks, and what was put off to the next turns. */
export async function idle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
