import { numberOf, type Order } from "./order.ts";

/** Tells of numbered orders whether each was handed over, and none of them twice. */
export class OrderTally {
  readonly #times: number[] = [];

  add(order: Order): void {
    const number = numberOf(order);
    this.#times[number] = (this.#times[number] ?? 0) + 1;
  }

  /** Throws unless each of that many, from 0 on, was added once. To be called when all is closed. */
  verify(expected: number): void {
    for (let number = 0; number < Math.max(expected, this.#times.length); number++) {
      const times = this.#times[number] ?? 0;
      if (times === 1 && number < expected) continue;
      throw new Error(`Order ${number} of ${expected} was handed over ${times} times`);
    }
  }
}
