import type { Envelope, SubscriptionSpec } from "../contract/provider.ts";
import type { QueueHost } from "./queue-host.ts";
import type { WaitingItem } from "./waiting-page.ts";
import { bySequence, DelayedItems, KeyLanes, QueueItem, ReadyItems } from "./waiting-items.ts";

/** What waits in one queue: ready, delayed, or behind another of its key. */
export class Backlog {
  /** How much waits. */
  size = 0;
  readonly ready: ReadyItems = new ReadyItems();
  readonly #delayed: DelayedItems;
  readonly #lanes = new KeyLanes();
  readonly #host: QueueHost;
  readonly #ordering: SubscriptionSpec["ordering"];
  /** Something is ready. */
  readonly #onReady: () => void;

  constructor(host: QueueHost, ordering: SubscriptionSpec["ordering"], onReady: () => void) {
    this.#host = host;
    this.#ordering = ordering;
    this.#onReady = onReady;
    this.#delayed = new DelayedItems(host.clock, (item) => this.#comeDue(item));
  }

  /** When the next delayed item is due, on the clock's monotonic scale. */
  get nextDue(): number | undefined {
    return this.#delayed.nextDue;
  }

  stats(): { readonly ready: number; readonly delayed: number; readonly oldestAt?: number } {
    let oldestAt: number | undefined;
    for (const items of [this.ready, this.#delayed, this.#lanes]) {
      for (const { envelope } of items) {
        const at = envelope.metadata.published_at;
        if (oldestAt === undefined || at < oldestAt) oldestAt = at;
      }
    }
    return {
      ready: this.ready.size,
      delayed: this.#delayed.size + this.#lanes.size,
      ...(oldestAt !== undefined && { oldestAt }),
    };
  }

  /** Everything that waits, and in which state. In no order. */
  *waiting(): Iterable<WaitingItem> {
    for (const item of this.ready) yield { item, state: "ready" };
    for (const item of this.#delayed) yield { item, state: "delayed" };
    for (const item of this.#lanes) yield { item, state: "blocked" };
  }

  /** Whether an item waits of which this is true. */
  has(isWanted: (item: QueueItem) => boolean): boolean {
    for (const { item } of this.waiting()) if (isWanted(item)) return true;
    return false;
  }

  /** Takes an envelope in that was published now, and waits for its delay. */
  add(envelope: Envelope): void {
    const item = new QueueItem(envelope, ++this.#host.lastSequence);
    const { delayMs } = envelope;
    this.size += 1;
    if (delayMs !== undefined && delayMs > 0) this.#delay(item, delayMs);
    else this.#enter(item);
  }

  /** Takes an envelope in whose delay is over: it is replayed, for example. */
  addDue(envelope: Envelope): void {
    this.size += 1;
    this.#enter(new QueueItem(envelope, ++this.#host.lastSequence));
  }

  /** Takes an envelope in for which its key has been held. */
  addHolder(envelope: Envelope, key: string): void {
    const item = new QueueItem(envelope, ++this.#host.lastSequence);
    item.key = key;
    item.holdsKey = true;
    this.size += 1;
    this.#makeReady(item);
  }

  /** The next to run, which waits no more. */
  take(): QueueItem | undefined {
    const item = this.ready.take();
    if (item) this.size -= 1;
    return item;
  }

  /** Takes an item back after a run. It holds its key through the delay. */
  takeBack(item: QueueItem, delayMs: number, keepsPlace: boolean): void {
    item.keepsPlace = keepsPlace;
    this.size += 1;
    if (delayMs > 0) {
      this.#delay(item, delayMs);
      return;
    }
    if (!keepsPlace) item.sequence = ++this.#host.lastSequence;
    this.#enter(item);
  }

  /** The item is done for good: the next of its key may go on. */
  leave(item: QueueItem): void {
    if (item.holdsKey && item.key !== undefined) this.freeKey(item.key);
  }

  freeKey(key: string): void {
    const next = this.#lanes.next(key);
    if (next) this.#makeReady(next);
  }

  /** Takes a key for what is not in the backlog. Whether it was free. */
  holdKey(key: string): boolean {
    return this.#lanes.hold(key);
  }

  /** Gives an item that comes from elsewhere its key here, if that is free. */
  adoptKey(item: QueueItem): void {
    item.key = this.#keyOf(item.envelope);
    item.holdsKey = item.key !== undefined && this.#lanes.hold(item.key);
  }

  /** Empties it, in order. Those that held a key still say so. */
  takeAll(): QueueItem[] {
    const items = [...this.ready.takeAll(), ...this.#delayed.takeAll(), ...this.#lanes.takeAll()];
    this.size = 0;
    for (const item of items) this.leave(item);
    return items.toSorted(bySequence);
  }

  /** Takes what `takeAll` gave: first those that held a key, for whom others must wait again. */
  putBack(items: readonly QueueItem[]): void {
    const now = this.#host.clock.monotonic();
    for (const item of items) if (item.holdsKey) this.adoptKey(item);
    for (const item of items) {
      if (item.due > now) this.#delayed.add(item);
      else this.#enter(item);
    }
  }

  #keyOf(envelope: Envelope): string | undefined {
    switch (this.#ordering) {
      case "none":
        return undefined;
      case "key":
        return envelope.orderingKey;
      case "all":
        return "";
    }
  }

  #delay(item: QueueItem, delayMs: number): void {
    item.due = this.#host.clock.monotonic() + delayMs;
    this.#delayed.add(item);
  }

  /** Ready, or behind the others of its key. */
  #enter(item: QueueItem): void {
    if (this.#ordering !== "none" && !item.holdsKey) {
      const key = this.#keyOf(item.envelope);
      if (key !== undefined && !this.#lanes.join(item, key)) return;
    }
    this.#makeReady(item);
  }

  #makeReady(item: QueueItem): void {
    this.ready.add(item);
    this.#onReady();
  }

  #comeDue(item: QueueItem): void {
    if (!item.keepsPlace) item.sequence = ++this.#host.lastSequence;
    this.#enter(item);
    // Behind its key it may not be ready, and what was waited for is over.
    this.#host.progressed();
  }
}
