/** Ids kept per generation: at least this many of the last are remembered, at most twice as many. */
const MAX_IDS = 100_000;

/**
 * Remembers ids for a while. Two generations instead of one list with an expiry per id: forgetting is
 * dropping the older generation whole, so that no call has to look for what has expired.
 */
export class RecentIds {
  readonly #windowMs: number;
  #current = new Map<string, number>();
  #previous = new Map<string, number>();
  #begunAt = 0;
  #latestAt = Number.NEGATIVE_INFINITY;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  has(id: string, now: number): boolean {
    const seenAt = this.#current.get(id) ?? this.#previous.get(id);
    return seenAt !== undefined && now - seenAt < this.#windowMs;
  }

  /** Whether nothing is remembered any more. */
  isEmpty(now: number): boolean {
    return now - this.#latestAt >= this.#windowMs;
  }

  delete(id: string): void {
    this.#current.delete(id);
    this.#previous.delete(id);
  }

  add(id: string, now: number): void {
    if (now - this.#begunAt >= this.#windowMs || this.#current.size >= MAX_IDS) {
      // What is older than the generation before has expired, or is beyond the bound.
      this.#previous = this.#current;
      this.#current = new Map();
      this.#begunAt = now;
    }
    this.#current.set(id, now);
    this.#latestAt = now;
  }

  /** Takes over what another has remembered. */
  addAll(other: RecentIds): void {
    this.#latestAt = Math.max(this.#latestAt, other.#latestAt);
    for (const generation of [other.#previous, other.#current]) {
      for (const [id, seenAt] of generation) this.#current.set(id, seenAt);
    }
  }
}
