import { BinaryHeap } from "./binary-heap.ts";
import { Deque } from "./deque.ts";
import { NORMAL_PRIORITY, type QueueItem } from "./queue-item.ts";

/** Items that may be handed over now: the most urgent first, and among those the oldest. */
export class ReadyItems {
  /** The common case: of normal priority, and each behind the one before it. */
  readonly #inOrder = new Deque<QueueItem>();
  readonly #others = new BinaryHeap<QueueItem>(isBefore);

  get size(): number {
    return this.#inOrder.size + this.#others.size;
  }

  add(item: QueueItem): void {
    const last = this.#inOrder.last();
    if (item.priority === NORMAL_PRIORITY && (!last || last.sequence < item.sequence)) {
      this.#inOrder.push(item);
    } else {
      this.#others.push(item);
    }
  }

  take(): QueueItem | undefined {
    const other = this.#others.first();
    if (!other) return this.#inOrder.shift();
    const next = this.#inOrder.first();
    return next && isBefore(next, other) ? this.#inOrder.shift() : this.#others.shift();
  }

  takeAll(): QueueItem[] {
    return [...this.#inOrder.takeAll(), ...this.#others.takeAll()];
  }

  *[Symbol.iterator](): IterableIterator<QueueItem> {
    yield* this.#inOrder;
    yield* this.#others;
  }
}

function isBefore(a: QueueItem, b: QueueItem): boolean {
  return a.priority === b.priority ? a.sequence < b.sequence : a.priority < b.priority;
}
