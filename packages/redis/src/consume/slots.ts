/** Who takes slots of the process. */
export interface SlotTaker {
  /** A slot may be free. */
  fill(): void;
}

/** The bound on deliveries of all subscriptions together, if there is one. */
export class Slots {
  readonly #takers = new Set<SlotTaker>();
  readonly #isLimited: boolean;
  #free: number;

  constructor(limit: number = Number.POSITIVE_INFINITY) {
    this.#free = limit;
    this.#isLimited = Number.isFinite(limit);
  }

  /** How many take slots. */
  get takers(): number {
    return this.#takers.size;
  }

  /** How many a taker may count on, while others want some too: at least one if any is free, or else 0. */
  get share(): number {
    return this.#isLimited ? Math.ceil(this.#free / Math.max(this.#takers.size, 1)) : this.#free;
  }

  join(taker: SlotTaker): void {
    this.#takers.add(taker);
  }

  leave(taker: SlotTaker): void {
    this.#takers.delete(taker);
  }

  take(taker: SlotTaker): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    if (this.#isLimited && this.#takers.delete(taker)) this.#takers.add(taker);
    return true;
  }

  give(): void {
    this.#free += 1;
    if (!this.#isLimited) return;
    // Whoever took one the longest ago comes first.
    for (const taker of Array.from(this.#takers)) {
      if (this.#free === 0) return;
      taker.fill();
    }
  }
}
