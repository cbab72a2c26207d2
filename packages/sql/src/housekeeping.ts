import type { Logger } from "@busbar/core";
import { systemClock, type Timer } from "@busbar/core/provider";

/** Milliseconds between two rounds. */
const EVERY_MS = 60_000;

/** Deletes what is too old: at the start, and every minute. */
export class Housekeeping {
  readonly #work: (logger: Logger) => Promise<unknown>;
  #timer: Timer | undefined;
  #isStopped = false;
  #round: Promise<void> = Promise.resolve();

  constructor(work: (logger: Logger) => Promise<unknown>) {
    this.#work = work;
  }

  /** Runs the work now, and again every minute. */
  start(logger: Logger): void {
    if (this.#isStopped) return;
    this.#round = this.#work(logger).then(
      () => {},
      (err: unknown) => logger.warn({ err }, "Old rows could not be deleted yet"),
    );
    this.#timer = systemClock.setTimeout(() => this.start(logger), EVERY_MS);
  }

  /** Ends the rounds. Resolves when the round under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#round;
  }
}
