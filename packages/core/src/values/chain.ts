/** What a {@link Chain} links. */
export interface Linked<T> {
  previous: T | undefined;
  next: T | undefined;
}

/**
 * A doubly linked list of objects that know their neighbours. For what comes and goes with each event: a Set
 * takes half as long again as all the rest of a delivery.
 */
export class Chain<T extends Linked<T>> implements Iterable<T> {
  #last: T | undefined;

  /** What was added last, and is still there. */
  get last(): T | undefined {
    return this.#last;
  }

  add(item: T): void {
    const last = this.#last;
    item.previous = last;
    if (last) last.next = item;
    this.#last = item;
  }

  /** The item forgets its neighbours: whoever keeps it would keep them. */
  delete(item: T): void {
    const { previous, next } = item;
    if (previous) previous.next = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    item.previous = undefined;
    item.next = undefined;
  }

  /** The latest first. The one that is looked at may be deleted meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    let item = this.#last;
    while (item) {
      const { previous }: T = item;
      yield item;
      item = previous;
    }
  }
}
