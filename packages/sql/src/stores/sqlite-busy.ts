import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two tries while others have the file. */
const TRY_AGAIN_AFTER_MS = 3;

/** What SQLite says of `BEGIN` where a transaction is open. */
export const WITHIN_ANOTHER = "cannot start a transaction within a transaction";

/** Runs a step of a database. While others have the file, runs the step again, for as long as the timeout says. */
export async function patiently<T>(step: () => T, busyTimeoutMs: number): Promise<T> {
  const deadline = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return step();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error;
    }
    await sleep(TRY_AGAIN_AFTER_MS);
  }
}

/** Whether others have the file, or the connection has a transaction of the application's. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode, message } = error as Error & { code?: unknown; errcode?: unknown };
  return (
    (typeof code === "string" && /^SQLITE_(BUSY|LOCKED)/.test(code)) ||
    (typeof errcode === "number" && (errcode % 256 === 5 || errcode % 256 === 6)) ||
    message.includes(WITHIN_ANOTHER)
  );
}
