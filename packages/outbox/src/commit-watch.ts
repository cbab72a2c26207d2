import { systemClock, type Timer } from "@busbar/core/provider";

/** Milliseconds after a staging at which its commit is looked for: doubling, up to the poll. */
const FIRST_MS = 2;
const LAST_MS = 1_500;

/**
 * Wakes the relay a few times after events were staged in a transaction of the caller's, whose commit is
 * not known: soon at first, then less often. For stores that do not hear of commits.
 */
export class CommitWatch {
  readonly #wake: () => void;
  #timer: Timer | undefined;
  #afterMs = 0;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Events were staged just now. */
  staged(): void {
    this.#afterMs = FIRST_MS;
    // One that is further away would come too late.
    this.#timer?.cancel();
    this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#afterMs = Number.POSITIVE_INFINITY;
  }

  #next(): void {
    if (this.#afterMs > LAST_MS) return;
    this.#timer = systemClock.setTimeout(() => {
      this.#wake();
      this.#afterMs *= 2;
      this.#next();
    }, this.#afterMs);
  }
}
