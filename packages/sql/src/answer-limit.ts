import { systemClock, type Timer } from "@busbar/core/provider";

/**
 * Settles as `answer` does, or rejects after that many milliseconds: a database whose host has vanished does
 * not answer, and its connection does not end either.
 *
 * @param onLate Called at the limit, to give up the connection.
 */
export function answered<T>(
  answer: Promise<T>,
  limitMs: number,
  onLate?: (error: Error) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer: Timer = systemClock.setTimeout(() => {
      const error = new Error(`The database did not answer within ${limitMs} ms`);
      onLate?.(error);
      reject(error);
    }, limitMs);
    answer.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error as Error);
      },
    );
  });
}
