import { randomBytes } from "node:crypto";
import type { ProviderContext } from "@busbar/core/provider";
import type { Listen, SqlExecutor, SqlRow } from "@busbar/sql";
import { CommitWatch, Listener, quoteText } from "@busbar/sql/feature";
import { createAnnouncer } from "./announcer.ts";
import { decodeAnnouncement, encodeAnnouncement } from "./payload.ts";

/** What {@link createWakeUps} needs. */
export interface WakeUpOptions {
  readonly context: Pick<ProviderContext, "clock" | "logger">;
  /** Runs single statements. */
  readonly database: SqlExecutor;
  /** Hears notifications. Undefined: the store cannot, and deliveries of other processes are found by polling. */
  readonly listen: Listen | undefined;
  /** The channel of the bus. */
  readonly channel: string;
  /** How often consumers look for deliveries without being woken, in milliseconds: for a message. */
  readonly pollEveryMs: number;
}

/** Wakes consumers when there may be deliveries for them, in this process and in others. */
export interface WakeUps {
  /** Calls back when a queue may have new deliveries. Returns a function that ends that. */
  on(queue: number, callback: () => void): () => void;
  /** Deliveries of this process are committed: wakes consumers here at once, and those of others by `NOTIFY`. */
  committed(queues: readonly number[]): void;
  /**
   * An SQL expression that notifies all processes of the bus, this one included, when its transaction commits.
   *
   * @param payload The parameter with the announcement.
   */
  notification(payload: string): string;
  /** What such a notification says of queues. */
  announcement(queues: readonly number[]): string;
  /** Deliveries were written in a transaction of the caller's, whose commit only a notification can tell. */
  written(queues: readonly number[]): void;
  /** Whether commits of other processes are heard of at the moment. */
  readonly isListening: boolean;
  /** Ends all of that. Resolves when its connection has been given back. */
  close(): Promise<void>;
}

/** Makes the wake-ups of one provider. The process listens from its first consumer on. */
export function createWakeUps(options: WakeUpOptions): WakeUps {
  const { database, listen, channel, pollEveryMs } = options;
  const { clock, logger } = options.context;
  const consumers = new Map<number, Set<() => void>>();
  const sender = randomBytes(6).toString("hex");
  /** What was written in callers' transactions, while nothing hears of commits. */
  const uncommitted = new Set<number>();
  let listener: Listener | undefined;
  let hasStarted = false;
  let isClosed = false;

  function wakeAll(): void {
    for (const queue of consumers.keys()) wake(queue);
  }

  function wake(queue: number): void {
    for (const callback of consumers.get(queue) ?? []) callback();
  }

  function onNotify(payload?: string): void {
    if (payload === undefined) return wakeAll();
    const announced = decodeAnnouncement(payload);
    // What this process has committed, it knew at once.
    if (!announced || announced.sender === sender) return;
    if (announced.queues) announced.queues.forEach(wake);
    else wakeAll();
  }

  const notify = (payload: string): Promise<readonly SqlRow[]> =>
    database.execute(`SELECT ${notification("$1")} AS notified`, [payload]);
  const notification = (payload: string): string =>
    // As text: not every driver reads what has no type.
    `CAST(concat('', pg_notify(${quoteText(channel)}, CAST(${payload} AS text))) AS text)`;

  const announcer = createAnnouncer({
    clock,
    announce: (queues) => notify(encodeAnnouncement(sender, queues)),
    onFailed: (err) => logger.debug({ err }, "Other processes could not be notified, and poll"),
  });
  const commits = new CommitWatch(() => uncommitted.forEach(wake), clock);

  function start(): void {
    if (hasStarted || isClosed) return;
    hasStarted = true;
    if (!listen) {
      logger.info(
        { pollEveryMs },
        "The store has no option listen: deliveries of other processes are found by polling",
      );
      return;
    }
    listener = new Listener({
      feature: "PostgreSQL provider",
      listen,
      channel,
      logger,
      clock,
      onNotify,
      notify: () => notify(""),
    });
    listener.start();
  }

  return {
    on(queue, callback) {
      start();
      const callbacks = consumers.get(queue) ?? new Set();
      consumers.set(queue, callbacks.add(callback));
      return () => {
        callbacks.delete(callback);
        if (callbacks.size === 0 && consumers.get(queue) === callbacks) consumers.delete(queue);
      };
    },

    committed(queues) {
      queues.forEach(wake);
      announcer.add(queues);
    },

    notification,
    announcement: (queues) => encodeAnnouncement("", queues),

    written(queues) {
      if (listener?.isConnected || consumers.size === 0) return;
      for (const queue of queues) uncommitted.add(queue);
      commits.staged();
    },

    get isListening() {
      return listener?.isConnected ?? false;
    },

    async close() {
      isClosed = true;
      commits.stop();
      await Promise.all([announcer.close(), listener?.stop()]);
    },
  };
}
