import { setImmediate as turnOver } from "node:timers/promises";

/** How long an event loop is busy with something else in each of its turns, in milliseconds. */
export const BUSY_MS = [0, 5, 20] as const;

/** Runs `work` in a process whose event loop is busy. */
export async function whileBusy<T>(busyMs: number, work: () => Promise<T>): Promise<T> {
  let isBusy = busyMs > 0;
  const busy = async (): Promise<void> => {
    while (isBusy) {
      for (const until = performance.now() + busyMs; performance.now() < until;);
      await turnOver();
    }
  };
  const ended = busy();
  try {
    return await work();
  } finally {
    isBusy = false;
    await ended;
  }
}
