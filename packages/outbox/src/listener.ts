import type { Logger } from "@busbar/core";
import { systemClock, type Timer } from "@busbar/core/provider";
import type { Listen } from "./store.ts";

/** Milliseconds before a connection that was lost is made again; doubles up to the longest. */
const RETRY_AFTER_MS = 250;
const RETRY_AFTER_AT_MOST_MS = 10_000;

/** What a {@link Listener} needs. */
export interface ListenerOptions {
  readonly listen: Listen;
  readonly channel: string;
  readonly logger: Logger;
  /** There may be something new: a notification came, or may have been missed. */
  readonly onNotify: () => void;
}

/** Listens for commits, and listens again when the connection was lost. */
export class Listener {
  readonly #options: ListenerOptions;
  #close: (() => Promise<void>) | undefined;
  #connecting: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #isStopped = false;
  #failures = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Whether it hears of commits at the moment. */
  get isConnected(): boolean {
    return this.#close !== undefined;
  }

  start(): void {
    this.#connecting = this.#connect();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#connecting;
    await this.#close?.();
    this.#close = undefined;
  }

  async #connect(): Promise<void> {
    const { listen, channel, onNotify } = this.#options;
    try {
      this.#close = await listen(channel, onNotify, (cause) => this.#lost(cause));
      this.#failures = 0;
      onNotify();
    } catch (cause) {
      this.#lost(cause);
    }
  }

  #lost(cause: unknown): void {
    this.#close = undefined;
    if (this.#isStopped) return;
    const { logger } = this.#options;
    logger.warn({ err: cause }, "The outbox does not hear of commits at the moment, and polls");
    const waitMs = Math.min(RETRY_AFTER_AT_MOST_MS, RETRY_AFTER_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = systemClock.setTimeout(() => this.start(), waitMs);
  }
}
