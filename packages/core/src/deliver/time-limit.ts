import type { Clock } from "../contract/clock.ts";
import { BusbarError } from "../errors/errors.ts";

/** Calls back once, and never at once, whatever a promise of the user's has in its place. */
// oxlint-disable-next-line typescript/unbound-method
export const nativeThen: Promise<unknown>["then"] = Promise.prototype.then;

/** How long something may take, and who hears that it takes longer. */
export interface TimeLimit {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly subscriberId: string;
  /** Called at the limit, before the promise rejects. */
  readonly onTimeout: (error: BusbarError<"BUSBAR_TIMEOUT">) => void;
  /** Called when the work has ended after its limit. */
  readonly onLate: (tookMs: number) => void;
}

/** Waits for the work of a subscriber. Rejects with `BUSBAR_TIMEOUT` at its time limit, which counts from now. */
export function withinTimeLimit(work: void | Promise<void>, limit: TimeLimit): Promise<void> {
  const { clock, timeoutMs, subscriberId, onTimeout, onLate } = limit;
  const startedAt = clock.monotonic();
  const promise = Promise.resolve(work);
  return new Promise((resolve, reject) => {
    let isOver = false;
    const timer = clock.setTimeout(
      () => {
        isOver = true;
        const what = `subscriber "${subscriberId}"`;
        const error = new BusbarError(
          "BUSBAR_TIMEOUT",
          `The ${what} took more than ${timeoutMs} ms`,
          { timeoutMs, what },
        );
        onTimeout(error);
        reject(error);
      },
      timeoutMs,
      { keepAlive: true },
    );
    const end = (settle: () => void): void => {
      timer.cancel();
      if (isOver) onLate(clock.monotonic() - startedAt);
      else settle();
    };
    void nativeThen.call(
      promise,
      () => end(resolve),
      (error: unknown) => end(() => reject(error as Error)),
    );
  });
}
