import { systemClock } from "@busbar/core/provider";

/** Wrong tokens within a minute after which no token is looked at. */
const MOST_WRONG = 10;
const WINDOW_MS = 60_000;
/** Milliseconds that the answer to a wrong token takes. */
const DELAY_MS = 250;

/** Slows guesses of tokens down: each takes a while, and after some the rest of the minute is closed. */
export class SignInAttempts {
  #windowEndsAt = -Infinity;
  #wrong = 0;

  /** Seconds after which a token is looked at again. 0: now. */
  get closedForSeconds(): number {
    const leftMs = this.#windowEndsAt - systemClock.monotonic();
    return this.#wrong >= MOST_WRONG && leftMs > 0 ? Math.ceil(leftMs / 1_000) : 0;
  }

  /** Counts a wrong token, and waits. */
  async wrong(): Promise<void> {
    const now = systemClock.monotonic();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS;
      this.#wrong = 0;
    }
    this.#wrong += 1;
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, DELAY_MS));
  }
}
