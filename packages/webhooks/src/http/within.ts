import { HttpFault } from "./http-fault.ts";

/** How long one may wait, and what ends the wait. */
export interface Limit {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits for work, which may go on afterwards.
 *
 * @param late Makes the fault of work that takes too long.
 * @throws HttpFault `interrupted` when the signal is aborted.
 */
export async function within<T>(
  { timeoutMs, signal }: Limit,
  work: Promise<T>,
  late: () => HttpFault,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => {};
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), timeoutMs);
    onAbort = () => reject(interruption(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** The fault of an attempt whose signal is aborted. */
export function interruption({ reason }: AbortSignal): HttpFault {
  return reason instanceof Error && reason.name === "TimeoutError"
    ? new HttpFault("timeout", "There was no complete answer in the time of the attempt")
    : new HttpFault("interrupted", "The attempt was interrupted");
}
