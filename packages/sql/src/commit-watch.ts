import { type Clock, systemClock, type Timer } from "@busbar/core/provider";

/** Milliseconds after a staging at which its commit is looked for: doubling, up to the poll. */
const FIRST_MS = 2;
const LAST_MS = 1_500;

/**
 * Looks a few times for what was written in a transaction of the caller's, whose commit is not known: soon at
 * first, then less often. For stores that do not hear of commits.
 */
export class CommitWatch {
  readonly #wake: () => void;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #afterMs = 0;

  constructor(wake: () => void, clock: Clock = systemClock) {
    this.#wake = wake;
    this.#clock = clock;
  }

  /** Something was written just now. */
  staged(): void {
    this.#afterMs = FIRST_MS;
    // One that is further away would come too late.
    this.#timer?.cancel();
    this.#next();
  }

  /** Ends the looks. */
  stop(): void {
    this.#timer?.cancel();
    this.#afterMs = Number.POSITIVE_INFINITY;
  }

  #next(): void {
    if (this.#afterMs > LAST_MS) return;
    this.#timer = this.#clock.setTimeout(() => {
      this.#wake();
      this.#afterMs *= 2;
      this.#next();
    }, this.#afterMs);
  }
}
