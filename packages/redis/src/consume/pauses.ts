import type { Clock } from "@busbar/core/provider";

/** Waits that can be ended all at once, so that none outlives its owner. */
export class Pauses {
  readonly #clock: Clock;
  readonly #ends = new Set<() => void>();
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get haveEnded(): boolean {
    return this.#ended;
  }

  /**
   * Resolves after that many milliseconds, or when all pauses end. Keeps the process alive, unless it is
   * told not to.
   */
  pause(
    delayMs: number,
    { keepAlive = true }: { readonly keepAlive?: boolean } = {},
  ): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#ends.delete(end);
        resolve();
      };
      const timer = this.#clock.setTimeout(end, delayMs, { keepAlive });
      this.#ends.add(end);
    });
  }

  /** Ends the present pauses, and any later one at once. */
  end(): void {
    this.#ended = true;
    for (const end of this.#ends) end();
  }
}
