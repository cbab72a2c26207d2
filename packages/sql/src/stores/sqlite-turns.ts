import { setImmediate } from "node:timers";

/** Milliseconds for which work goes on before timers and sockets get their turn. */
const AT_A_TIME_MS = 5;

/**
 * Runs one piece of work after the other, in the order in which they came.
 *
 * Drivers of SQLite answer at once. A queue of work would therefore be done without a turn of the event loop, and
 * work that follows from work would keep timers and sockets waiting for ever. So the loop gets a turn in between.
 */
export class SqliteTurns {
  #last: Promise<unknown> = Promise.resolve();
  /** When the event loop has its turn at the latest. Undefined while nothing has run since the last. */
  #until: number | undefined;

  /** Runs `work` when all that came before has ended. Settles as `work` does. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.#run(work));
    this.#last = result.catch(() => {});
    return result;
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    const now = performance.now();
    if (this.#until === undefined) {
      this.#until = now + AT_A_TIME_MS;
      setImmediate(() => (this.#until = undefined));
    } else if (now >= this.#until) {
      return new Promise((resolve) => setImmediate(resolve)).then(() => this.#run(work));
    }
    return work();
  }
}
