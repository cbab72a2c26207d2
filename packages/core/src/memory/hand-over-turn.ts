import { AsyncResource } from "node:async_hooks";

const RESOLVED = Promise.resolve();

/**
 * The microtask in which queues hand over: one for all that have something ready by then, as each
 * costs as much as a delivery.
 */
export class HandOverTurn {
  /**
   * Deliveries run in here and not in the async context of whoever published last: a handler must not
   * find the emitter's AsyncLocalStorage, which it would not on a provider that crosses processes.
   */
  readonly #scope = new AsyncResource("BusbarDelivery");
  #waiting: (() => void)[] = [];

  /** Calls `handOver` in the next turn. */
  join(handOver: () => void): void {
    // Not queueMicrotask, which makes an async resource of its own for each call.
    if (this.#waiting.push(handOver) === 1) void RESOLVED.then(this.#enter);
  }

  readonly #enter = (): void => this.#scope.runInAsyncScope(this.#run);

  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const handOver of waiting) handOver();
  };
}
