import { AssertionError } from "node:assert";

/** Sees what is thrown where nobody catches it. */
export interface BackgroundWatch {
  /** Rejects when something is thrown. */
  readonly failed: Promise<never>;
  assertQuiet(): void;
  end(): void;
}

/**
 * What is thrown where nobody catches it, while a case runs, is the case's: the runner's own listeners
 * rest meanwhile, or they would blame the run. One watch at a time: it is of the whole process.
 */
export function watchBackground(): BackgroundWatch {
  const events = ["unhandledRejection", "uncaughtException"] as const;
  let thrown: { readonly error: unknown } | undefined;
  let fail!: (error: Error) => void;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const listener = (error: unknown): void => {
    thrown ??= { error };
    fail(inBackground(error));
  };
  const rest = events.map((event) => {
    const listeners = process.listeners(event as "uncaughtException");
    process.removeAllListeners(event);
    process.on(event, listener);
    return () => {
      process.off(event, listener);
      for (const it of listeners) process.on(event as "uncaughtException", it);
    };
  });
  return {
    failed,
    assertQuiet() {
      if (thrown) throw inBackground(thrown.error);
    },
    end() {
      for (const restore of rest) restore();
    },
  };
}

function inBackground(cause: unknown): AssertionError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error = new AssertionError({
    message: `Something was thrown in the background: ${reason}`,
  });
  return Object.assign(error, { cause });
}
