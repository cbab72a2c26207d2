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
