import type { Clock, Timer } from "../contract/clock.ts";
import type { JsonValue } from "../contract/json.ts";
import type { DeadDelivery, Envelope, Page, ProviderContext } from "../contract/provider.ts";

/** How many ids of letters that are gone may be kept, next to one for each letter. */
const SPARE_IDS = 64;

/** A dead letter, and the key that waits for it. */
export interface StoredLetter {
  readonly delivery: DeadDelivery;
  readonly blockedKey: string | undefined;
  /** When its age began, on the clock's monotonic scale. `delivery.diedAt` is for people. */
  readonly addedAt: number;
}

/** The dead letters of one subscription, the oldest first, bounded by number and age. */
export class MemoryDeadLetters {
  /** By id. Ids are ascending numbers. */
  readonly #letters = new Map<string, StoredLetter>();
  /** Ascending, also some of letters that are gone: finds where a page begins without a look at all before it. */
  #ids: number[] = [];
  readonly #clock: Clock;
  readonly #bounds: ProviderContext["deadLetters"];
  readonly #onDropped: (letters: readonly StoredLetter[]) => void;
  #lastId = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    clock: Clock,
    bounds: ProviderContext["deadLetters"],
    onDropped: (letters: readonly StoredLetter[]) => void,
  ) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#onDropped = onDropped;
  }

  get size(): number {
    return this.#letters.size;
  }

  /** How many more there may be before the oldest are dropped. */
  get room(): number {
    this.#applyBounds();
    return this.#bounds.maxPerSubscription - this.#letters.size;
  }

  add(envelope: Envelope, reason: string, state: JsonValue, blockedKey: string | undefined): void {
    const diedAt = this.#clock.now();
    const addedAt = this.#clock.monotonic();
    this.takeOver({ id: "", envelope, reason, state, diedAt }, blockedKey, addedAt);
  }

  /** Adds a dead letter of another subscription, under an id of its own. */
  takeOver(delivery: DeadDelivery, blockedKey: string | undefined, addedAt: number): void {
    const id = String(++this.#lastId);
    this.#letters.set(id, { delivery: { ...delivery, id }, blockedKey, addedAt });
    this.#ids.push(this.#lastId);
    if (this.#ids.length > 2 * this.#letters.size + SPARE_IDS) {
      this.#ids = Array.from(this.#letters.keys(), Number);
    }
    this.#applyBounds();
  }

  page(limit: number, cursor: string | undefined): Page<DeadDelivery> {
    this.#applyBounds();
    // Ids only grow, so a cursor stays right when the letter it names is gone.
    const after = cursor === undefined ? 0 : Number(cursor);
    const items: DeadDelivery[] = [];
    for (let at = this.#firstAfter(after); at < this.#ids.length; at++) {
      const letter = this.#letters.get(String(this.#ids[at]));
      if (!letter) continue;
      if (items.length === limit) return { items, cursor: items.at(-1)?.id ?? cursor };
      items.push(letter.delivery);
    }
    return { items };
  }

  /** The letters that have these ids. */
  find(ids: readonly string[]): DeadDelivery[] {
    this.#applyBounds();
    return ids.flatMap((id) => this.#letters.get(id)?.delivery ?? []);
  }

  /** Removes letters by id, and returns them, the oldest first. Unknown ids are passed over. */
  take(ids: readonly string[]): StoredLetter[] {
    const taken: StoredLetter[] = [];
    for (const id of ids) {
      const letter = this.#letters.get(id);
      if (!letter) continue;
      this.#letters.delete(id);
      taken.push(letter);
    }
    this.#setTimer();
    return taken.toSorted((a, b) => Number(a.delivery.id) - Number(b.delivery.id));
  }

  takeAll(): StoredLetter[] {
    const letters = [...this.#letters.values()];
    this.#letters.clear();
    this.#setTimer();
    return letters;
  }

  /** Leaves no timer behind. What is dead stays readable. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
  }

  #applyBounds(): void {
    const expired = this.#clock.monotonic() - this.#bounds.maxAgeMs;
    const dropped: StoredLetter[] = [];
    for (const [id, letter] of this.#letters) {
      const tooMany = this.#letters.size > this.#bounds.maxPerSubscription;
      if (!tooMany && letter.addedAt > expired) break;
      this.#letters.delete(id);
      dropped.push(letter);
    }
    this.#setTimer();
    if (dropped.length > 0) this.#onDropped(dropped);
  }

  /** The place in the ids of the first one above another. */
  #firstAfter(id: number): number {
    let [low, high] = [0, this.#ids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ids[middle] as number) <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #setTimer(): void {
    const [oldest] = this.#letters.values();
    if (!oldest || this.#stopped) {
      this.#cancelTimer();
      return;
    }
    // A timer set for a letter that has left since finds nothing, and is set anew.
    if (this.#timer) return;
    const expiresAt = oldest.addedAt + this.#bounds.maxAgeMs;
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = undefined;
        this.#applyBounds();
      },
      Math.max(0, expiresAt - this.#clock.monotonic()),
    );
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
