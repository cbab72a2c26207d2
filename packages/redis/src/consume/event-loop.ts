import { setImmediate } from "node:timers";
import type { Clock } from "@busbar/core/provider";

/** Milliseconds after which timers and sockets of the process get their turn. */
const EVERY_MS = 5;

/** Lets the event loop turn now and then, while one job after the other has something to do at once. */
export class LoopBreaks {
  readonly #clock: Clock;
  #lastAt = Number.NEGATIVE_INFINITY;
  #next: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after a turn of the event loop, if the latest break is too long ago. */
  async take(): Promise<void> {
    if (!this.#next && this.#clock.monotonic() - this.#lastAt < EVERY_MS) return;
    this.#next ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined;
        this.#lastAt = this.#clock.monotonic();
        resolve();
      });
    });
    await this.#next;
  }
}

/**
 * Spreads work that takes milliseconds over turns of the event loop, one piece a turn: what many do at the same
 * time would keep timers and answers of Redis waiting for seconds.
 */
export class OneATurn {
  #last: Promise<void> = Promise.resolve();

  /** Resolves in a turn of its own, after all who have asked before. */
  next(): Promise<void> {
    this.#last = this.#last.then(
      () =>
        new Promise((resolve) => {
          setImmediate(resolve);
        }),
    );
    return this.#last;
  }
}
