import type { Clock, Timer } from "@busbar/core/provider";

/** A wait that others can end early. */
export class Waker {
  readonly #clock: Clock;
  #isWoken = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the wait under way, or the next one. */
  wake(): void {
    this.#isWoken = true;
    this.#end?.();
  }

  /** Resolves after that many milliseconds, or when woken. */
  wait(ms: number): Promise<void> {
    if (this.#isWoken) {
      this.#isWoken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      this.#end = () => {
        timer?.cancel();
        this.#end = undefined;
        this.#isWoken = false;
        resolve();
      };
      timer = this.#clock.setTimeout(() => this.#end?.(), ms);
    });
  }
}
