import { detached } from "../causality/causality.ts";
import type { Timer } from "../contract/clock.ts";
import type { OpenConsumer } from "./define-provider.ts";
import { type HeldDelivery, InHand, type InHandOptions, type PolledDelivery } from "./in-hand.ts";

/** Milliseconds before a fetch that failed is tried again; doubles up to the longest. */
const RETRY_AFTER_MS = 100;
const RETRY_AFTER_AT_MOST_MS = 10_000;
/** Milliseconds before the next fetch after a release, lest a delivery go to and fro without a pause. */
const AFTER_RELEASE_MS = 10;

/** The store behind a polling consumer, and how it is asked. */
export interface PollingConsumerOptions<Token> extends InHandOptions<Token> {
  /** Deliveries at the same time: the `concurrency` of the subscription. */
  readonly concurrency: number;
  /** Takes up to `limit` deliveries in hand, under a lease if they can be lost. */
  fetch(limit: number): Promise<readonly PolledDelivery<Token>[]>;
  /**
   * Milliseconds between two fetches while there is nothing to do, at most: up to a half of it is left
   * out at random, lest one of several consumers always come first.
   *
   * @default 1_000
   */
  readonly pollEveryMs?: number | undefined;
  /** Numbers from 0 to below 1. `Math.random` by default. */
  readonly random?: (() => number) | undefined;
  /** Calls back whenever a fetch may find something. Returns a function that ends that. */
  wake?(callback: () => void): () => void;
}

/**
 * Makes a consumer out of a store that can only be asked: fetches while there are free slots, renews
 * leases, settles, and on `close` drains and hands back the rest. Survives every failure of the store
 * by trying again.
 */
export function createPollingConsumer<Token>(
  options: PollingConsumerOptions<Token>,
): Required<OpenConsumer> {
  const consumer = new PollingConsumer(options);
  consumer.wake();
  return {
    close: ({ graceMs }) => consumer.close(graceMs),
    wake: () => consumer.wake(),
    whenIdle: () => consumer.whenIdle(),
  };
}

class PollingConsumer<Token> {
  readonly #options: PollingConsumerOptions<Token>;
  readonly #inHand: InHand<Token>;
  readonly #stopWaking: (() => void) | undefined;
  #fetching = false;
  /** Something may have come while a fetch was under way. */
  #fetchAgain = false;
  #failures = 0;
  #pollTimer: Timer | undefined;
  #closing: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;
  #idle: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(options: PollingConsumerOptions<Token>) {
    this.#options = options;
    this.#inHand = new InHand(options);
    this.#stopWaking = options.wake?.(() => this.wake());
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  whenIdle(): Promise<void> | undefined {
    if (this.#isIdle) return undefined;
    if (!this.#idle) {
      let resolve!: () => void;
      const promise = new Promise<void>((resolved) => (resolve = resolved));
      this.#idle = { promise, resolve };
    }
    return this.#idle.promise;
  }

  get #isIdle(): boolean {
    return this.#inHand.size === 0 && !this.#fetching;
  }

  /** Call it whenever something may have ended, once what it leads to has begun. */
  #checkIdle(): void {
    if (!this.#isIdle) return;
    this.#onClosed?.();
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  wake(): void {
    if (this.#closing) return;
    if (this.#fetching) this.#fetchAgain = true;
    // With all slots taken, the next fetch comes with the next free one.
    // Who wakes it may be an emit, and what is fetched is everybody's.
    else if (this.#inHand.size < this.#options.concurrency) void detached(() => this.#fetch());
  }

  async #fetch(): Promise<void> {
    this.#pollTimer?.cancel();
    this.#fetching = true;
    this.#fetchAgain = false;
    const free = this.#options.concurrency - this.#inHand.size;
    let found = 0;
    try {
      const polled = await this.#options.fetch(free);
      found = polled.length;
      this.#failures = 0;
      if (this.#closing) await this.#inHand.release(polled.map(({ token }) => token));
      else for (const it of polled) void this.#run(this.#inHand.hold(it));
    } catch (err) {
      this.#failures += 1;
      this.#options.logger.warn({ err }, "Deliveries could not be fetched; will try again");
    }
    this.#fetching = false;
    const isFull = this.#inHand.size >= this.#options.concurrency;
    if (!this.#closing && !isFull) {
      if (this.#fetchAgain || (found > 0 && found === free)) this.wake();
      else this.#fetchLater();
    }
    this.#checkIdle();
  }

  #fetchLater(): void {
    const { pollEveryMs = 1_000, random = Math.random } = this.#options;
    const backoffMs = RETRY_AFTER_MS * 2 ** (this.#failures - 1);
    const pollMs = pollEveryMs * (1 - random() / 2);
    this.#fetchAfter(this.#failures > 0 ? Math.min(backoffMs, RETRY_AFTER_AT_MOST_MS) : pollMs);
  }

  #fetchAfter(delayMs: number): void {
    this.#pollTimer?.cancel();
    if (this.#closing) return;
    const { clock } = this.#options;
    // A consumer keeps its process alive, as a connection would.
    this.#pollTimer = clock.setTimeout(() => this.wake(), delayMs, { keepAlive: true });
  }

  async #run(held: HeldDelivery<Token>): Promise<void> {
    const settlement = await held.run();
    if (settlement?.type === "release") this.#fetchAfter(AFTER_RELEASE_MS);
    else this.wake();
    this.#checkIdle();
  }

  async #close(graceMs: number): Promise<void> {
    this.#stopWaking?.();
    this.#pollTimer?.cancel();
    await this.#drain(graceMs);
    await this.#inHand.close();
  }

  /** Resolves when nothing is in hand, and no fetch brings more, or when time is over. */
  #drain(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      const timer = clock.setTimeout(resolve, graceMs, { keepAlive: true });
      this.#onClosed = () => {
        timer.cancel();
        resolve();
      };
      this.#checkIdle();
    });
  }
}
