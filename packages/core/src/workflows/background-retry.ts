/** Tries before giving up, the first one included: about 80 seconds in all. */
const BACKGROUND_TRIES = 20;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** What became of an action that is tried in the background. */
export interface BackgroundRetryHandlers {
  /** Called after each failed try. `willRetry` is false after the last. */
  readonly onFailed: (error: unknown, tries: number, willRetry: boolean) => void;
  readonly onSucceeded: (tries: number) => void;
  /** Whether the action must not be given up after this failure. */
  readonly mustGoOn?: ((error: unknown) => boolean) | undefined;
}

/**
 * Tries an action at once and, when that fails, again in the background: after 100 ms, then after
 * twice as long each time up to 5 s, twenty times in all. Its timers do not keep the process alive.
 * Resolves, never rejects, with whether the first try succeeded.
 */
export function tryThenRetry(
  action: () => Promise<unknown>,
  handlers: BackgroundRetryHandlers,
): Promise<boolean> {
  let tries = 0;

  async function attempt(): Promise<boolean> {
    tries++;
    try {
      await action();
    } catch (error) {
      const willRetry = tries < BACKGROUND_TRIES || (handlers.mustGoOn?.(error) ?? false);
      if (willRetry) {
        const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), MAX_DELAY_MS);
        setTimeout(() => void attempt(), delayMs).unref();
      }
      handlers.onFailed(error, tries, willRetry);
      return false;
    }
    handlers.onSucceeded(tries);
    return true;
  }
  return attempt();
}
