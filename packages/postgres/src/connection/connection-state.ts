import type { ProviderContext, Timer } from "@busbar/core/provider";
import { isConflict, isPassing } from "@busbar/sql/feature";

/** Milliseconds after the last answer of the database before it is asked whether it is there. */
const QUIET_MS = 5_000;
/** Milliseconds between two such questions while the database is away. */
const AWAY_MS = 500;

/** Watches whether the database answers, and reports it to the bus. */
export interface ConnectionState {
  /** Runs a statement or a transaction, and learns from how it ends. */
  watch<T>(work: () => Promise<T>): Promise<T>;
  /** Ends the questions. */
  close(): void;
}

/**
 * Makes the watch of a database that is there. A statement that fails because the database is away is reported at once.
 * Also while there is nothing to do, the database is asked from time to time.
 */
export function watchConnection(
  { clock, report }: Pick<ProviderContext, "clock" | "report">,
  server: string | undefined,
  ask: () => Promise<unknown>,
): ConnectionState {
  let isReady = true;
  let isClosed = false;
  let heardAt = clock.monotonic();
  let timer: Timer | undefined;

  function heard(): void {
    heardAt = clock.monotonic();
    if (isReady || isClosed) return;
    isReady = true;
    report({ type: "state", state: "ready", server });
  }

  function failed(cause: unknown): void {
    // Any other answer comes from a database that is there.
    if (!isPassing(cause) || isConflict(cause)) return heard();
    if (!isReady || isClosed) return;
    isReady = false;
    report({ type: "state", state: "down", cause, server });
    askLater(AWAY_MS);
  }

  function askLater(afterMs: number): void {
    timer?.cancel();
    if (!isClosed) timer = clock.setTimeout(askIfQuiet, afterMs);
  }

  function askIfQuiet(): void {
    const quietMs = clock.monotonic() - heardAt;
    if (isReady && quietMs < QUIET_MS) return askLater(QUIET_MS - quietMs);
    ask()
      .then(heard, failed)
      .finally(() => askLater(isReady ? QUIET_MS : AWAY_MS));
  }

  askLater(QUIET_MS);
  return {
    async watch(work) {
      try {
        const result = await work();
        heard();
        return result;
      } catch (error) {
        failed(error);
        throw error;
      }
    },
    close() {
      isClosed = true;
      timer?.cancel();
    },
  };
}
