import { BusbarError, isPermanentError } from "../errors/errors.ts";

/** How often to try, and for how long. */
export interface AttemptPolicy {
  readonly maxRetries: number;
  readonly retryIntervalMs: number;
  readonly timeoutMs: number | undefined;
}

/** How to try something. */
export interface AttemptOptions<T> {
  /** A member, not spread among the others: that would take longer than all the rest of a step. */
  readonly policy: AttemptPolicy;
  /** What takes too long, for the error that says so. */
  readonly what: string;
  /** Aborts the attempts' signals, and ends the retries. Absent when nothing can. */
  readonly signal: AbortSignal | undefined;
  /** What ends the retries, made when there is one to wait for: an AbortController is not cheap. */
  readonly stopRetries: () => AbortSignal | undefined;
  readonly attempt: (attempt: number, signal: AbortSignal | undefined) => Promise<T>;
  /** Called when an attempt ends that had timed out before. */
  readonly onLate: () => void;
}

/**
 * Tries until an attempt succeeds, a `PermanentError` is thrown, or the retries have run out.
 * Rejects with what the last attempt threw.
 */
export async function tryRepeatedly<T>(options: AttemptOptions<T>): Promise<T> {
  const { signal, stopRetries } = options;
  const { maxRetries, retryIntervalMs } = options.policy;
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryOnce(options, attempt);
    } catch (error) {
      if (attempt > maxRetries || isPermanentError(error)) throw error;
      if (!(await waited(retryIntervalMs, anyOf(signal, stopRetries())))) throw error;
    }
  }
}

function tryOnce<T>(options: AttemptOptions<T>, number: number): Promise<T> {
  const { attempt, what, signal } = options;
  const { timeoutMs } = options.policy;
  if (timeoutMs === undefined) return attempt(number, signal);

  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const message = `${what} took longer than ${timeoutMs} ms`;
      const error = new BusbarError("BUSBAR_TIMEOUT", message, { timeoutMs, what });
      reject(error);
      controller.abort(error);
    }, timeoutMs);
    const work = attempt(number, anyOf(signal, controller.signal));
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      if (controller.signal.aborted) options.onLate();
    });
  });
}

function anyOf(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** Resolves with whether the time has passed without an abort. */
function waited(delayMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  if (delayMs === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const stop = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve(true);
    }, delayMs);
    signal.addEventListener("abort", stop, { once: true });
  });
}
