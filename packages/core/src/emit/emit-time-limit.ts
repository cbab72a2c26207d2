import type { Clock, Timer } from "../contract/clock.ts";
import { BusbarError, type EmitOutcome } from "../errors/errors.ts";

interface Waiting {
  readonly deadline: number;
  /** Whoever is waited for knows the deadline, and may answer at that very moment. */
  answersAtDeadline: boolean;
  readonly expire: () => void;
}

/** What is known of an emit that ran out of time. */
export interface TimedOut extends Partial<EmitOutcome> {
  /** Who did not answer, such as `Provider "redis"`. */
  readonly who: string;
}

/**
 * Keeps emits from hanging, with one timer for all of them: a timer for each would cost more than the
 * emit itself.
 */
export class EmitTimeLimit {
  readonly timeoutMs: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #timer: Timer | undefined;
  #timerAt = 0;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.timeoutMs = timeoutMs;
  }

  /** When an emit that begins now must have ended, on the scale of the clock's `monotonic()`. */
  deadline(): number {
    return this.#clock.monotonic() + this.timeoutMs;
  }

  /**
   * Settles as `promise` does, unless `deadline` comes first.
   *
   * @param answersAtDeadline Whether who is waited for knows the deadline: its own answer at that very
   *   moment says more than ours, and goes first.
   * @throws BusbarError `BUSBAR_EMIT_TIMEOUT` at the deadline, with what `onExpired` tells.
   */
  within<T>(
    promise: Promise<T>,
    deadline: number,
    onExpired: () => TimedOut,
    answersAtDeadline = false,
  ): Promise<T> {
    return this.call(
      (resolve, reject) => void promise.then(resolve, reject),
      deadline,
      onExpired,
      answersAtDeadline,
    );
  }

  /** As {@link within}, for work that calls back: it takes no promise of its own. */
  call<T>(
    begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
    deadline: number,
    onExpired: () => TimedOut,
    answersAtDeadline = false,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const expire = (): void => reject(this.#timedOut(onExpired()));
      const waiting: Waiting = { deadline, answersAtDeadline, expire };
      this.#waiting.add(waiting);
      if (!this.#timer || deadline < this.#timerAt) this.#arm(deadline);
      const fail = (error: unknown): void => {
        this.#waiting.delete(waiting);
        reject(error as Error);
      };
      try {
        begin((value) => {
          this.#waiting.delete(waiting);
          resolve(value);
        }, fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  /** Ends every wait now: the bus has stopped, and nobody would answer any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const { expire } of this.#waiting) expire();
    this.#waiting.clear();
  }

  #arm(deadline: number): void {
    this.#timer?.cancel();
    this.#timerAt = deadline;
    const delayMs = Math.max(0, deadline - this.#clock.monotonic());
    this.#timer = this.#clock.setTimeout(() => this.#expire(), delayMs);
  }

  #expire(): void {
    this.#timer = undefined;
    // A timer that fires a little early, or under fake timers, is right about the time it was set for.
    const now = Math.max(this.#clock.monotonic(), this.#timerAt);
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting) {
      if (waiting.deadline > now) {
        next = Math.min(next, waiting.deadline);
      } else if (waiting.answersAtDeadline) {
        // Its timer for this moment may come after ours, but not after the one that is set now.
        waiting.answersAtDeadline = false;
        next = now;
      } else {
        this.#waiting.delete(waiting);
        waiting.expire();
      }
    }
    if (Number.isFinite(next)) this.#arm(next);
  }

  #timedOut({ who, ...outcome }: TimedOut): BusbarError<"BUSBAR_EMIT_TIMEOUT"> {
    const { timeoutMs } = this;
    return new BusbarError("BUSBAR_EMIT_TIMEOUT", `${who} did not answer within ${timeoutMs} ms`, {
      timeoutMs,
      accepted: [],
      rejected: [],
      unknown: [],
      ...outcome,
    });
  }
}
