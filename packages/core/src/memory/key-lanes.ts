import { Deque } from "./deque.ts";
import type { QueueItem } from "./queue-item.ts";

/**
 * One lane per ordering key: the item whose turn it is holds the key (ready, in flight, waiting for a
 * retry, or dead and blocking), and the others wait here in the order in which they came.
 */
export class KeyLanes {
  /** A key that nobody waits for needs no list. */
  readonly #lanes = new Map<string, Deque<QueueItem> | undefined>();
  #size = 0;

  /** How many items wait for their turn. */
  get size(): number {
    return this.#size;
  }

  /** Whether it is the item's turn at once; if not, it waits here. */
  join(item: QueueItem, key: string): boolean {
    item.key = key;
    if (!this.#lanes.has(key)) {
      this.#lanes.set(key, undefined);
      item.holdsKey = true;
      return true;
    }
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Deque();
      this.#lanes.set(key, lane);
    }
    lane.push(item);
    this.#size++;
    return false;
  }

  /** Takes a key for whoever is not waiting here. Whether it was free. */
  hold(key: string): boolean {
    if (this.#lanes.has(key)) return false;
    this.#lanes.set(key, undefined);
    return true;
  }

  /** The holder of the key is done. Returns the next, which holds it now. */
  next(key: string): QueueItem | undefined {
    const item = this.#lanes.get(key)?.shift();
    if (!item) {
      this.#lanes.delete(key);
      return undefined;
    }
    this.#size--;
    item.holdsKey = true;
    return item;
  }

  /** Empties the lanes, and returns what waited in them. Keys stay held. */
  takeAll(): QueueItem[] {
    const items: QueueItem[] = [];
    for (const [key, lane] of this.#lanes) {
      for (const item of lane?.takeAll() ?? []) items.push(item);
      this.#lanes.set(key, undefined);
    }
    this.#size = 0;
    return items;
  }

  *[Symbol.iterator](): IterableIterator<QueueItem> {
    for (const lane of this.#lanes.values()) if (lane) yield* lane;
  }
}
