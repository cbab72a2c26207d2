import type { Clock, Timer } from "@busbar/core/provider";

/**
 * Milliseconds between two announcements, at least. PostgreSQL lets commits that notify take turns, and each
 * announcement is a statement. A process that publishes a thousand times a second need not announce as often.
 */
const EVERY_MS = 4;

/** What an {@link createAnnouncer announcer} needs. */
export interface AnnouncerOptions {
  readonly clock: Clock;
  /** Announces that queues have new deliveries. */
  readonly announce: (queues: readonly number[]) => Promise<unknown>;
  /** Gets the cause of an announcement that failed. Other processes then find the deliveries by polling. */
  readonly onFailed: (cause: unknown) => void;
}

/** Announces to other processes that queues have new deliveries. */
export interface Announcer {
  /** Announces the queues soon, together with others. */
  add(queues: readonly number[]): void;
  /** Resolves when the announcement under way has ended. Nothing is announced any more. */
  close(): Promise<void>;
}

/** Makes an announcer: the first announcement leaves at once, and one at a time is under way. */
export function createAnnouncer({ clock, announce, onFailed }: AnnouncerOptions): Announcer {
  const waiting = new Set<number>();
  let underWay: Promise<void> | undefined;
  let timer: Timer | undefined;
  let isClosed = false;

  async function send(): Promise<void> {
    const queues = [...waiting];
    waiting.clear();
    try {
      await announce(queues);
    } catch (cause) {
      onFailed(cause);
    }
    underWay = undefined;
    if (isClosed) return;
    timer = clock.setTimeout(() => {
      timer = undefined;
      if (waiting.size > 0) underWay = send();
    }, EVERY_MS);
  }

  return {
    add(queues) {
      if (isClosed) return;
      for (const queue of queues) waiting.add(queue);
      if (waiting.size > 0 && !underWay && !timer) underWay = send();
    },

    async close() {
      isClosed = true;
      timer?.cancel();
      await underWay;
    },
  };
}
