import type { Order } from "./order.ts";

/** Milliseconds without any delivery after which a run has failed. */
const SILENCE_MS = 20_000;

/** When deliveries were made, as `performance.now` tells it. */
export interface DeliveryTimes {
  readonly firstAt: number;
  readonly lastAt: number;
}

/**
 * Subscribers that count what they are handed, so that a run fails in which an event was lost or
 * handed over twice. But for `onDelivery` they do nothing.
 */
export class Deliveries {
  readonly handlers: readonly ((order: Order) => Promise<void>)[];
  onDelivery: (order: Order) => void = () => {};
  readonly #counts: number[];
  #expected = 0;
  #left = 0;
  #firstAt: number | undefined;
  #done: (times: DeliveryTimes) => void = () => {};

  constructor(subscribers: number) {
    this.#counts = Array.from({ length: subscribers }, () => 0);
    this.handlers = this.#counts.map((_, index) => async (order: Order) => {
      this.#firstAt ??= performance.now();
      this.onDelivery(order);
      this.#counts[index] = (this.#counts[index] as number) + 1;
      if (--this.#left === 0) this.#done({ firstAt: this.#firstAt, lastAt: performance.now() });
    });
  }

  /** Resolves when each subscriber has been handed that many events, counted from now on. */
  expect(events: number): Promise<DeliveryTimes> {
    this.#expected += events;
    this.#left = events * this.handlers.length;
    this.#firstAt = undefined;
    return new Promise((resolve, reject) => {
      let before = this.#left;
      const watch = setInterval(() => {
        if (this.#left === before) reject(new Error(`${before} deliveries are not made`));
        before = this.#left;
      }, SILENCE_MS);
      this.#done = (times) => {
        clearInterval(watch);
        resolve(times);
      };
    });
  }

  /** Throws unless each subscriber was handed each event once. To be called when all is closed. */
  verify(): void {
    for (const [index, count] of this.#counts.entries()) {
      if (count === this.#expected) continue;
      throw new Error(`Subscriber ${index} was handed ${count} events, not ${this.#expected}`);
    }
  }
}
