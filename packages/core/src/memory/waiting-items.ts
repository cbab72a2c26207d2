import type { Clock, Timer } from "../contract/clock.ts";
import type { JsonValue } from "../contract/json.ts";
import type { Delivery, Envelope } from "../contract/provider.ts";
import { BinaryHeap } from "./binary-heap.ts";
import type { Linked } from "../values/chain.ts";
import { Deque } from "./deque.ts";

/** What an envelope without a priority has. */
const NORMAL_PRIORITY = 100;

/** An envelope in the queue of one subscription, and what a consumer is handed. */
export class QueueItem implements Delivery, Linked<QueueItem> {
  readonly envelope: Envelope;
  readonly priority: number;
  /** Its place among those of the same priority. Counted over all queues of a provider. */
  sequence: number;
  state: JsonValue | undefined = undefined;
  crashes = 0;
  /** How many runs have ended: a settlement of one that has is ignored. */
  runs = 0;
  /** On the clock's monotonic scale; read while the item is delayed. */
  due = 0;
  /** It goes back to where it was when its delay is over, not behind those that came meanwhile. */
  keepsPlace = false;
  /** Whom it must wait for; undefined: no one. */
  key: string | undefined = undefined;
  /** It is its key's turn: the others of the key wait until this one is done. */
  holdsKey = false;
  /** Its neighbours among those that are ready, or in flight. */
  previous: QueueItem | undefined = undefined;
  next: QueueItem | undefined = undefined;

  constructor(envelope: Envelope, sequence: number) {
    this.envelope = envelope;
    this.priority = envelope.priority ?? NORMAL_PRIORITY;
    this.sequence = sequence;
  }
}

/** In order of their places. */
export function bySequence(a: QueueItem, b: QueueItem): number {
  return a.sequence - b.sequence;
}

/** Items that may be handed over now: the most urgent first, and among those the oldest. */
export class ReadyItems implements Iterable<QueueItem> {
  size = 0;
  /** The common case: of normal priority, and each behind the one before it. */
  #first: QueueItem | undefined;
  #last: QueueItem | undefined;
  readonly #others = new BinaryHeap<QueueItem>(isMoreUrgent);
  #hasOthers = false;

  add(item: QueueItem): void {
    this.size += 1;
    const last = this.#last;
    if (item.priority !== NORMAL_PRIORITY || (last && last.sequence >= item.sequence)) {
      this.#others.push(item);
      this.#hasOthers = true;
      return;
    }
    if (last) last.next = item;
    else this.#first = item;
    this.#last = item;
  }

  take(): QueueItem | undefined {
    const item = this.#hasOthers ? this.#takeMostUrgent() : this.#takeFirst();
    if (item) this.size -= 1;
    return item;
  }

  takeAll(): QueueItem[] {
    const items = [...this];
    for (const item of items) item.next = undefined;
    this.#first = undefined;
    this.#last = undefined;
    this.#others.takeAll();
    this.#hasOthers = false;
    this.size = 0;
    return items;
  }

  *[Symbol.iterator](): IterableIterator<QueueItem> {
    for (let item = this.#first; item; item = item.next) yield item;
    yield* this.#others;
  }

  #takeFirst(): QueueItem | undefined {
    const item = this.#first;
    if (!item) return undefined;
    this.#first = item.next;
    if (!item.next) this.#last = undefined;
    item.next = undefined;
    return item;
  }

  #takeMostUrgent(): QueueItem | undefined {
    const other = this.#others.first() as QueueItem;
    if (this.#first && isMoreUrgent(this.#first, other)) return this.#takeFirst();
    this.#others.shift();
    this.#hasOthers = this.#others.size > 0;
    return other;
  }
}

/** Items whose time has not come, and one timer for the next of them. */
export class DelayedItems implements Iterable<QueueItem> {
  readonly #heap = new BinaryHeap<QueueItem>(isDueBefore);
  readonly #clock: Clock;
  readonly #onDue: (item: QueueItem) => void;
  #timer: Timer | undefined;
  #timerAt = 0;

  constructor(clock: Clock, onDue: (item: QueueItem) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** When the next item is due, on the clock's monotonic scale. */
  get nextDue(): number | undefined {
    return this.#heap.first()?.due;
  }

  add(item: QueueItem): void {
    this.#heap.push(item);
    if (this.#heap.first() === item) this.#setTimer();
  }

  /** Leaves no timer behind. */
  takeAll(): QueueItem[] {
    const items = this.#heap.takeAll();
    this.#setTimer();
    return items;
  }

  [Symbol.iterator](): IterableIterator<QueueItem> {
    return this.#heap[Symbol.iterator]();
  }

  #setTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const due = this.nextDue;
    if (due === undefined) return;
    this.#timerAt = due;
    const delayMs = Math.max(0, due - this.#clock.monotonic());
    // What was promised for later must find the process alive.
    this.#timer = this.#clock.setTimeout(this.#fire, delayMs, { keepAlive: true });
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    // A timer that fires a little early, or under fake timers, is right about the time it was set for.
    const now = Math.max(this.#clock.monotonic(), this.#timerAt);
    for (;;) {
      const due = this.nextDue;
      if (due === undefined || due > now) break;
      this.#onDue(this.#heap.shift() as QueueItem);
    }
    this.#setTimer();
  };
}

/**
 * One lane per ordering key: the item whose turn it is holds the key (ready, in flight, waiting for a
 * retry, or dead and blocking), and the others wait here in the order in which they came.
 */
export class KeyLanes implements Iterable<QueueItem> {
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

function isMoreUrgent(a: QueueItem, b: QueueItem): boolean {
  return a.priority === b.priority ? a.sequence < b.sequence : a.priority < b.priority;
}

function isDueBefore(a: QueueItem, b: QueueItem): boolean {
  return a.due === b.due ? a.sequence < b.sequence : a.due < b.due;
}
