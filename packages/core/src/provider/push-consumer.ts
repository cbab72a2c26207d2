import { detached } from "../causality/causality.ts";
import type { Timer } from "../contract/clock.ts";
import { type HeldDelivery, InHand, type InHandOptions, type PolledDelivery } from "./in-hand.ts";
import type { OpenConsumer } from "./define-provider.ts";

/** Milliseconds before a channel is opened, or asked, again after a failure; doubles up to the longest. */
const RETRY_AFTER_MS = 100;
const RETRY_AFTER_AT_MOST_MS = 10_000;
/** Milliseconds for which a released delivery keeps its slot, lest it go to and fro without a pause. */
const AFTER_RELEASE_MS = 10;
/** Milliseconds before a broker is asked again that had nothing and answered before they were over. */
const EMPTY_PULL_MS = 100;

/** What a channel tells its consumer. */
export interface PushLink<Token> {
  /** Deliveries that the consumer wants to have unsettled at the same time: the prefetch to ask for. */
  readonly prefetch: number;
  /** Takes a delivery that the broker pushes. One beyond `prefetch` waits in this process until a slot is free. */
  push(pushed: PolledDelivery<Token>): void;
  /**
   * Says that the channel is gone, for example with its connection. What was pushed through it is forgotten: runs go
   * on, what they end with is not settled, and the broker delivers it again. `open` is called again, after a pause
   * that doubles from 100 ms to 10 s. A channel that the consumer has closed itself may be lost, too.
   */
  lost(cause?: unknown): void;
  /** Aborts when the consumer wants no more deliveries through this channel. */
  readonly signal: AbortSignal;
}

/** A consumer's open channel to the broker. */
export interface PushChannel<Token> {
  /**
   * For a broker that pushes on request only, by credit or by a long poll: asks for up to `count` deliveries, gives
   * each to `push`, and resolves when no more of them come, because all have come, the wait is over, or `signal` has
   * aborted. Left out: the broker pushes by itself, up to `prefetch`.
   */
  pull?(
    count: number,
    options: {
      readonly push: (pushed: PolledDelivery<Token>) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
  /** Ends the flow, and resolves once nothing more is pushed. What is in hand is settled afterwards. */
  stop?(): Promise<void>;
  /** Closes the channel, after the last settlement. Called once, also for a channel that is lost. */
  close(): Promise<void>;
}

/** The broker behind a push consumer. */
export interface PushConsumerOptions<Token> extends InHandOptions<Token> {
  /** Deliveries at the same time: the `concurrency` of the subscription. */
  readonly concurrency: number;
  /** Opens a channel through which the broker pushes deliveries. Called again after a failure and after `lost`. */
  open(link: PushLink<Token>): Promise<PushChannel<Token>>;
}

/**
 * Makes a consumer out of a broker that pushes, such as AMQP, or that answers a long poll, such as NATS JetStream and
 * SQS: runs at most `concurrency` deliveries, asks for as many as there are free slots, settles each as the bus says,
 * opens a channel again for ever, and on `close` ends the flow, waits for what is running, and hands back the rest.
 *
 * @example
 * ```ts
 * createPushConsumer({
 *   ...context,
 *   concurrency: spec.concurrency,
 *   deliver,
 *   async open({ prefetch, push, lost }) {
 *     const channel = await connection.createChannel();
 *     channel.on("close", lost);
 *     await channel.prefetch(prefetch);
 *     const { consumerTag } = await channel.consume(queue, (message) => push(toDelivery(channel, message)));
 *     return { stop: () => channel.cancel(consumerTag), close: () => channel.close() };
 *   },
 *   settle: async ({ channel, message }, settlement) => settle(channel, message, settlement),
 * });
 * ```
 */
export function createPushConsumer<Token>(
  options: PushConsumerOptions<Token>,
): Pick<OpenConsumer, "close"> {
  const consumer = new PushConsumer(options);
  consumer.open();
  return { close: ({ graceMs }) => consumer.close(graceMs) };
}

/** A channel from its opening to its loss. */
interface OpenLink<Token> {
  readonly controller: AbortController;
  channel: PushChannel<Token> | undefined;
  /** Deliveries that were asked for and have not come. */
  owed: number;
}

class PushConsumer<Token> {
  readonly #options: PushConsumerOptions<Token>;
  readonly #inHand: InHand<Token>;
  /** Pushed, without a free slot. */
  #waiting: HeldDelivery<Token>[] = [];
  #link: OpenLink<Token> | undefined;
  #opening: Promise<void> | undefined;
  /** Slots that rest after a release. */
  readonly #resting = new Set<Timer>();
  #failures = 0;
  #retryTimer: Timer | undefined;
  #closing: Promise<void> | undefined;
  #onEnded: (() => void) | undefined;

  constructor(options: PushConsumerOptions<Token>) {
    this.#options = options;
    this.#inHand = new InHand(options);
  }

  open(): void {
    const link: OpenLink<Token> = {
      controller: new AbortController(),
      channel: undefined,
      owed: 0,
    };
    this.#link = link;
    this.#opening = detached(() => this.#open(link));
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #open(link: OpenLink<Token>): Promise<void> {
    try {
      const channel = await this.#options.open({
        prefetch: this.#options.concurrency,
        signal: link.controller.signal,
        push: (pushed) => this.#push(link, pushed),
        lost: (cause) => this.#lost(link, cause),
      });
      link.channel = channel;
      if (this.#link !== link) {
        await this.#closeChannel(channel);
        return;
      }
      this.#failures = 0;
      this.#pull();
    } catch (err) {
      this.#lost(link, err);
    }
  }

  #lost(link: OpenLink<Token>, err: unknown): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    link.controller.abort();
    this.#waiting = [];
    this.#inHand.forget();
    if (link.channel) void this.#closeChannel(link.channel);
    if (this.#closing) return;
    this.#options.logger.warn({ err }, "The channel of a consumer is lost; will open another one");
    this.#retry(() => this.open());
  }

  #push(link: OpenLink<Token>, pushed: PolledDelivery<Token>): void {
    // A channel that is lost has nothing to settle with: the broker delivers it again.
    if (this.#link !== link) return;
    if (this.#closing) {
      void this.#inHand.release([pushed.token]);
      return;
    }
    this.#waiting.push(this.#inHand.hold(pushed));
    this.#runNext();
  }

  #runNext(): void {
    while (!this.#closing && this.#free > 0) {
      const next = this.#waiting.shift();
      if (!next) return;
      // Who pushes may be in anybody's context.
      void detached(() => this.#run(next));
    }
  }

  get #free(): number {
    return this.#options.concurrency - this.#inHand.running - this.#resting.size;
  }

  async #run(held: HeldDelivery<Token>): Promise<void> {
    const settlement = await held.run();
    if (settlement?.type === "release" && !this.#closing) await this.#rest();
    this.#runNext();
    this.#pull();
    this.#onEnded?.();
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(() => {
        this.#resting.delete(timer);
        resolve();
      }, AFTER_RELEASE_MS);
      this.#resting.add(timer);
    });
  }

  /** Asks for as many as there are free slots: not for each one, while others are still to come. */
  #pull(): void {
    const link = this.#link;
    if (!link?.channel?.pull || this.#closing) return;
    const { concurrency } = this.#options;
    const count = this.#free - this.#waiting.length - link.owed;
    if (count > 0 && (link.owed === 0 || count >= concurrency / 2)) {
      void detached(() => this.#ask(link, count));
    }
  }

  async #ask(link: OpenLink<Token>, count: number): Promise<void> {
    const { clock, logger } = this.#options;
    const from = clock.monotonic();
    let left = count;
    link.owed += count;
    let pauseMs = 0;
    try {
      await link.channel?.pull?.(count, {
        signal: link.controller.signal,
        push: (pushed) => {
          if (left > 0) link.owed -= 1;
          left -= 1;
          this.#push(link, pushed);
        },
      });
      this.#failures = 0;
      const tookMs = clock.monotonic() - from;
      if (left === count && tookMs < EMPTY_PULL_MS) pauseMs = EMPTY_PULL_MS;
    } catch (err) {
      if (this.#link !== link || this.#closing) return;
      logger.warn({ err }, "Deliveries could not be asked for; will try again");
      pauseMs = this.#nextRetryMs();
    }
    if (pauseMs > 0) await this.#pause(link, pauseMs);
    link.owed -= Math.max(0, left);
    this.#pull();
  }

  /** A consumer keeps its process alive, as a connection would. */
  #pause(link: OpenLink<Token>, pauseMs: number): Promise<void> {
    const { signal } = link.controller;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#options.clock.setTimeout(end, pauseMs, { keepAlive: true });
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
  }

  #retry(again: () => void): void {
    const { clock } = this.#options;
    this.#retryTimer = clock.setTimeout(again, this.#nextRetryMs(), { keepAlive: true });
  }

  #nextRetryMs(): number {
    this.#failures += 1;
    return Math.min(RETRY_AFTER_MS * 2 ** (this.#failures - 1), RETRY_AFTER_AT_MOST_MS);
  }

  async #close(graceMs: number): Promise<void> {
    this.#retryTimer?.cancel();
    for (const timer of this.#resting) timer.cancel();
    this.#link?.controller.abort();
    const left = this.#waiting.splice(0);
    await this.#within(graceMs, [this.#stopFlow(), this.#inHand.giveBack(left), this.#whenEnded()]);
    await this.#inHand.close();
    const channel = this.#link?.channel;
    this.#link = undefined;
    if (channel) await this.#closeChannel(channel);
  }

  async #stopFlow(): Promise<void> {
    await this.#opening;
    try {
      await this.#link?.channel?.stop?.();
    } catch (err) {
      this.#options.logger.warn({ err }, "The flow of deliveries could not be ended");
    }
  }

  #whenEnded(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnded = () => {
        if (this.#inHand.running === 0) resolve();
      };
      this.#onEnded();
    });
  }

  #within(graceMs: number, work: readonly Promise<void>[]): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(resolve, graceMs, { keepAlive: true });
      void Promise.all(work).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #closeChannel(channel: PushChannel<Token>): Promise<void> {
    try {
      await channel.close();
    } catch (err) {
      this.#options.logger.debug({ err }, "The channel of a consumer could not be closed");
    }
  }
}
