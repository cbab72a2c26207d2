import type { Logger } from "@busbar/core";
import { type Clock, systemClock, type Timer } from "@busbar/core/provider";
import type { Listen } from "./store.ts";

/** Milliseconds before a connection that was lost is made again; doubles up to the longest. */
const RETRY_AFTER_MS = 250;
const RETRY_AFTER_AT_MOST_MS = 10_000;
/** Milliseconds before a connection that hears nothing is tried again. */
const DEAF_RETRY_AFTER_MS = 60_000;

const DEAF =
  "listens, and PostgreSQL's notifications do not arrive, as behind PgBouncer in transaction mode: " +
  "commits of other processes are found by polling. Let the store listen on a direct connection, by its option listen";

/** What a {@link Listener} needs. */
export interface ListenerOptions {
  /** The name of the feature that listens, for messages: `outbox`. */
  readonly feature: string;
  /** What listens: the `listen` of a store. */
  readonly listen: Listen;
  /** The channel on which commits are announced. */
  readonly channel: string;
  /** Gets a warning when the connection is lost, or hears nothing. */
  readonly logger: Logger;
  /**
   * There may be something new: a notification came, or may have been missed.
   *
   * @param payload The payload of the notification. Absent if notifications may have been missed.
   */
  readonly onNotify: (payload?: string) => void;
  /** Sends a notification on the channel, to find out whether it arrives. */
  readonly notify: () => Promise<unknown>;
  /**
   * Milliseconds that a notification may take to arrive.
   *
   * @default 5_000
   */
  readonly hearWithinMs?: number | undefined;
  /** The source of time. The system's clock by default. */
  readonly clock?: Clock | undefined;
}

/** Listens for commits, and listens again when the connection was lost. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #clock: Clock;
  #close: (() => Promise<void>) | undefined;
  #connecting: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  /** Ends the wait for the notification that this has sent itself. */
  #proof: Timer | undefined;
  #hasHeard = false;
  #saidDeaf = false;
  #isStopped = false;
  #failures = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Whether it hears of commits at the moment: it listens, and a notification has arrived. */
  get isConnected(): boolean {
    return this.#close !== undefined && this.#hasHeard;
  }

  /** Begins to listen. Does not throw: until it hears, {@link Listener.isConnected} is false. */
  start(): void {
    this.#connecting = this.#connect();
  }

  /** Ends the listening. Resolves when its connection has been given back. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#proof?.cancel();
    await this.#connecting;
    await this.#close?.();
    this.#close = undefined;
  }

  async #connect(): Promise<void> {
    const { listen, channel, onNotify } = this.#options;
    const onHeard = (payload?: string): void => {
      this.#hasHeard = true;
      this.#saidDeaf = false;
      this.#proof?.cancel();
      onNotify(payload);
    };
    try {
      this.#hasHeard = false;
      this.#close = await listen(channel, onHeard, (cause) => this.#lost(cause));
      this.#failures = 0;
      if (!this.#isStopped) this.#prove();
      onNotify();
    } catch (cause) {
      this.#lost(cause);
    }
  }

  /** A connection pooler may take LISTEN, and give the server's connection to others. */
  #prove(): void {
    const { notify, hearWithinMs = 5_000 } = this.#options;
    notify().then(
      () => {
        if (this.#hasHeard || !this.#close || this.#isStopped) return;
        this.#proof = this.#clock.setTimeout(() => void this.#deaf(), hearWithinMs);
      },
      // A database that is away: the connection is lost as well, or has nothing to tell.
      () => {},
    );
  }

  async #deaf(): Promise<void> {
    const close = this.#close;
    this.#close = undefined;
    if (this.#isStopped || !close) return;
    const { channel, feature, logger } = this.#options;
    if (!this.#saidDeaf) logger.warn({ channel }, `The ${feature} ${DEAF}`);
    this.#saidDeaf = true;
    this.#timer = this.#clock.setTimeout(() => this.start(), DEAF_RETRY_AFTER_MS);
    // It is of no use, and was taken from the pool.
    await close().catch(() => {});
  }

  #lost(cause: unknown): void {
    this.#close = undefined;
    this.#proof?.cancel();
    if (this.#isStopped) return;
    const { feature, logger } = this.#options;
    logger.warn({ err: cause }, `The ${feature} does not hear of commits at the moment, and polls`);
    const waitMs = Math.min(RETRY_AFTER_AT_MOST_MS, RETRY_AFTER_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = this.#clock.setTimeout(() => this.start(), waitMs);
  }
}
