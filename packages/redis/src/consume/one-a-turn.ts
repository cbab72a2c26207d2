/**
 * Spreads work that takes milliseconds over turns of the event loop, one piece a turn: what many do at the same
 * time would keep timers and answers of Redis waiting for seconds.
 */
export class OneATurn {
  #last: Promise<void> = Promise.resolve();

  /** Resolves in a turn of its own, after all who have asked before. */
  next(): Promise<void> {
    this.#last = this.#last.then(
      () =>
        new Promise((resolve) => {
          setImmediate(resolve);
        }),
    );
    return this.#last;
  }
}
