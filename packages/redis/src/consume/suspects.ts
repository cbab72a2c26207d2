import type { Clock, Timer } from "@busbar/core";

/** Milliseconds after which a suspect that has not ended its process lets the next one start. */
const TRUSTED_AFTER_MS = 1_000;

/**
 * Lets suspects, deliveries that may have ended a process, start one at a time in this process: when it
 * dies, it is known of which.
 */
export class Suspects {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #running: object | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back, perhaps at once, when it is the suspect's turn. */
  enter(suspect: object, start: () => void): void {
    const begin = (): void => {
      this.#running = suspect;
      this.#timer = this.#clock.setTimeout(() => this.leave(suspect), TRUSTED_AFTER_MS);
      start();
    };
    if (this.#running) this.#waiting.push(begin);
    else begin();
  }

  /** The suspect has ended, or need not start any more once it is called. */
  leave(suspect: object): void {
    if (this.#running !== suspect) return;
    this.#timer?.cancel();
    this.#running = undefined;
    this.#waiting.shift()?.();
  }
}
