import type { Clock } from "../contract/clock.ts";

/**
 * Resolves when `promise` settles, or when `limitMs` milliseconds have passed, with the number of milliseconds that
 * are left. Never rejects.
 */
export function waitFor(clock: Clock, promise: Promise<unknown>, limitMs: number): Promise<number> {
  if (limitMs <= 0) {
    promise.catch(() => {});
    return Promise.resolve(0);
  }
  const until = clock.monotonic() + limitMs;
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(0), limitMs, { keepAlive: true });
    const end = (): void => {
      timer.cancel();
      resolve(Math.max(0, until - clock.monotonic()));
    };
    promise.then(end, end);
  });
}
