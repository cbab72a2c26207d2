/** Attempts that may run at an endpoint of which nothing is known yet. */
const FIRST = 2;
/** Endpoints that are remembered at most. */
const MOST_KNOWN = 10_000;

/**
 * Says how many attempts of this process may run at one endpoint at a time. An endpoint begins with few and gets one more
 * with each that succeeds, half as many with one that fails: so endpoints that hang do not take all of the process's slots
 * from the others, and those that answer are soon limited only by their own concurrency.
 */
export class SlotShares {
  readonly #most: number;
  readonly #allowed = new Map<string, number>();
  readonly #running = new Map<string, number>();

  /** @param most Attempts at one endpoint at most. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Returns how many more attempts may begin. */
  free(subscriptionId: string): number {
    const running = this.#running.get(subscriptionId) ?? 0;
    return Math.max(
      0,
      (this.#allowed.get(subscriptionId) ?? Math.min(FIRST, this.#most)) - running,
    );
  }

  /** Notes that an attempt begins. */
  began(subscriptionId: string): void {
    this.#running.set(subscriptionId, (this.#running.get(subscriptionId) ?? 0) + 1);
  }

  /** Notes that an attempt has ended. */
  ended(subscriptionId: string, ok: boolean): void {
    const running = (this.#running.get(subscriptionId) ?? 1) - 1;
    if (running > 0) this.#running.set(subscriptionId, running);
    else this.#running.delete(subscriptionId);
    const allowed = this.#allowed.get(subscriptionId) ?? Math.min(FIRST, this.#most);
    const next = ok ? Math.min(this.#most, allowed + 1) : Math.max(1, Math.floor(allowed / 2));
    this.#allowed.delete(subscriptionId);
    this.#allowed.set(subscriptionId, next);
    if (this.#allowed.size > MOST_KNOWN) {
      for (const oldest of this.#allowed.keys()) {
        this.#allowed.delete(oldest);
        break;
      }
    }
  }
}
