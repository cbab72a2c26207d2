/** Milliseconds for which a job that nobody here can run is left to others; doubles up to the longest. */
const FIRST_MS = 100;
const LONGEST_MS = 1_000;

/** For how long jobs of which subscription are handed back, because nobody here can run them now. */
export class Unwanted {
  readonly #delays = new Map<string, number>();

  isNew(subscription: string): boolean {
    return (this.#delays.get(subscription) ?? 0) <= FIRST_MS;
  }

  delayMs(subscription: string): number {
    const delayMs = Math.min(2 * (this.#delays.get(subscription) ?? FIRST_MS / 2), LONGEST_MS);
    this.#delays.set(subscription, delayMs);
    return delayMs;
  }

  /** Somebody else is here. */
  reset(): void {
    this.#delays.clear();
  }
}
