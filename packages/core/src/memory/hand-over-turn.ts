import { detachedScope } from "../causality/detached.ts";

const RESOLVED = Promise.resolve();

/** Who takes part in a {@link HandOverTurn}. */
export interface TurnTaker {
  /** Who comes after it in the turn. */
  next: TurnTaker | undefined;
  handOver(): void;
}

/**
 * The microtask in which queues hand over: one for all that have something ready by then, as each
 * costs as much as a delivery.
 */
export class HandOverTurn {
  /**
   * Deliveries run in here and not in the async context of whoever published last, or has started the
   * provider: a handler must not find another's AsyncLocalStorage, and would find none on a provider that
   * crosses processes.
   */
  readonly #scope = detachedScope();
  /** Linked, as an array for each turn costs more than the turn. */
  #first: TurnTaker | undefined;
  #last: TurnTaker | undefined;

  /** Calls `handOver` in the next turn. Not again before that. */
  join(taker: TurnTaker): void {
    if (this.#last) {
      this.#last.next = taker;
    } else {
      this.#first = taker;
      // Not queueMicrotask, which makes an async resource of its own for each call.
      void RESOLVED.then(this.#enter);
    }
    this.#last = taker;
  }

  readonly #enter = (): void => this.#scope.runInAsyncScope(this.#run);

  readonly #run = (): void => {
    let taker = this.#first;
    this.#first = undefined;
    this.#last = undefined;
    while (taker) {
      const { next }: TurnTaker = taker;
      taker.next = undefined;
      taker.handOver();
      taker = next;
    }
  };
}
