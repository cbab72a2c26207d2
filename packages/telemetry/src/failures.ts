import type { Logger } from "@busbar/core";

/** Logs what fails in telemetry, each kind of failure once, so that nothing that is observed fails with it. */
export class Failures {
  /** Set when the bus starts: nothing is observed before. */
  logger: Logger | undefined;
  readonly #reported = new Set<string>();

  /** Logs a failure, unless one of the same kind is logged already. */
  report(what: string, err: unknown): void {
    if (this.#reported.has(what)) return;
    this.#reported.add(what);
    this.logger?.warn(
      { err },
      `Telemetry has failed on ${what}; further failures of this kind are not logged`,
    );
  }

  /** Logs the next failure of a kind again. */
  forget(what: string): void {
    this.#reported.delete(what);
  }
}
