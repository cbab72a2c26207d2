import { constants } from "node:os";
import type { Logger } from "../contract/logger.ts";

/** The signals that ask a process to end. */
export type ShutdownSignal = "SIGTERM" | "SIGINT";

/** The part of `process` that signal handling uses. */
export interface SignalProcess {
  readonly pid: number;
  prependListener(signal: ShutdownSignal, listener: (signal: ShutdownSignal) => void): unknown;
  removeListener(signal: ShutdownSignal, listener: (signal: ShutdownSignal) => void): unknown;
  listeners(signal: ShutdownSignal): Function[];
  kill(pid: number, signal: ShutdownSignal): unknown;
  exit(code: number): void;
}

/** Options of {@link handleSignals}. */
export interface SignalOptions {
  /** Drains and stops the application. */
  stop(): Promise<void>;
  readonly logger: Logger;
  /** @default process */
  readonly process?: SignalProcess | undefined;
  /** Milliseconds, from any fixed point. @default performance.now */
  readonly now?: (() => number) | undefined;
}

const signals: readonly ShutdownSignal[] = ["SIGTERM", "SIGINT"];

// Marks the listeners of every application in the process, also of another copy of this package.
const ours = Symbol.for("busbar.signal-listener");

// A terminal, or `tini -g`, signals the whole process group, and npm passes the same signal on.
const echoMs = 250;

/**
 * Stops an application on SIGTERM and SIGINT, and then lets the process end as it would have.
 *
 * The first signal begins the stop. After it the listeners are removed and the signal is raised
 * again: its default action ends the process, and whoever started it sees that a signal did (128 plus
 * its number, so 143 or 130, in a shell). A second signal does so at once; the same one again within
 * a quarter of a second counts as the first.
 *
 * An application that listens to the signal itself decides on the end of the process: then nothing is
 * raised, at the first signal nor at the second.
 *
 * @returns A function that removes the listeners.
 */
export function handleSignals(options: SignalOptions): () => void {
  const { logger, now = () => performance.now() } = options;
  const target = options.process ?? (process as SignalProcess);
  let first: { readonly signal: ShutdownSignal; readonly at: number } | undefined;

  const listener = Object.assign(
    (signal: ShutdownSignal): void => {
      // Before anything is awaited: a `once` listener is gone when the stop is over.
      const isOwned = target.listeners(signal).some((other) => !(ours in other));
      if (first !== undefined) {
        if (signal === first.signal && now() - first.at < echoMs) return;
        logger.warn({ signal }, "Second signal: stopping without waiting for deliveries in flight");
        end(signal, isOwned);
        return;
      }
      first = { signal, at: now() };
      logger.info({ signal }, "Stopping: waiting for deliveries in flight");
      void options
        .stop()
        .catch((error: unknown) => logger.error({ err: error, signal }, "The stop has failed"))
        .then(() => end(signal, isOwned));
    },
    { [ours]: true },
  );

  function remove(): void {
    for (const signal of signals) target.removeListener(signal, listener);
  }

  function end(signal: ShutdownSignal, isOwned: boolean): void {
    remove();
    // The last of several applications to stop ends the process.
    if (isOwned || target.listeners(signal).length > 0) return;
    // Linux does not let the first process of a container end itself by a signal.
    if (target.pid === 1) target.exit(128 + constants.signals[signal]);
    else target.kill(target.pid, signal);
  }

  // First in line, so that `once` listeners are still there to be seen.
  for (const signal of signals) target.prependListener(signal, listener);
  return remove;
}
