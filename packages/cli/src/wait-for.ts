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
