import { setTimeout as sleep } from "node:timers/promises";

/** Waits for a number of milliseconds. Resolves with false as soon as the signal is aborted. */
export async function waitFor(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(milliseconds, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that something may still take when the user has ended the command. */
const LEFT_MS = 500;

/**
 * Waits for work that does not know the signal. Resolves with whether the work is done: with false if it goes on for
 * half a second after the signal is aborted. Rejects if the work fails before that.
 */
export async function isDone(work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const done = new AbortController();
  const given = AbortSignal.any([signal, done.signal]);
  const late = whenAborted(given).then(() => waitFor(LEFT_MS, done.signal));
  try {
    return await Promise.race([work.then(() => true), late.then(() => false)]);
  } finally {
    done.abort();
  }
}

/** Calls a function. Resolves with whether it has ended in time. Rejects if it fails before that. */
export async function endsWithin(end: () => unknown, milliseconds: number): Promise<boolean> {
  const done = new AbortController();
  const late = waitFor(milliseconds, done.signal).then(() => false);
  try {
    return await Promise.race([(async () => end())().then(() => true), late]);
  } finally {
    done.abort();
  }
}

/** Resolves once the signal is aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
