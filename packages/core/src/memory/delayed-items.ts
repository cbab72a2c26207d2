import type { Clock, Timer } from "../contract/clock.ts";
import { BinaryHeap } from "./binary-heap.ts";
import type { QueueItem } from "./queue-item.ts";

/** Items whose time has not come, and one timer for the next of them. */
export class DelayedItems {
  readonly #heap = new BinaryHeap<QueueItem>(isBefore);
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

function isBefore(a: QueueItem, b: QueueItem): boolean {
  return a.due === b.due ? a.sequence < b.sequence : a.due < b.due;
}
