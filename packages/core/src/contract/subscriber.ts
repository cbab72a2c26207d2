import type { ServiceContainer } from "./container.ts";
import type { Backoff, Event } from "./event.ts";
import type { Logger } from "./logger.ts";

/** The context of a run, which a handler receives as its second argument. */
export interface DeliveryContext {
  /** A signal that aborts when the run has taken `timeoutMs`, or when the `graceMs` of a shutdown have passed. */
  readonly signal: AbortSignal;
  /** The number of this attempt: 1 for the first run, 2 for the first retry. Crashes and releases do not count. */
  readonly attempt: number;
  /** The id of the subscription that this run belongs to. */
  readonly subscriberId: string;
  /** The `orderingKey` with which the event was emitted. Undefined if the event has no key. */
  readonly orderingKey?: string | undefined;
  /**
   * The services of the application. `createApp` gives each run its own scope and disposes the scope after the run. On
   * a bus without a container, resolving a service throws.
   */
  readonly container: ServiceContainer;
  /** The logger that the bus was given, unchanged. By default it writes warnings and errors to the console. */
  readonly logger: Logger;
  /** The database transaction of this run, if middleware such as the inbox has begun a transaction. */
  readonly tx?: unknown;
}

/**
 * The context of a run within a transaction. On a bus with an inbox, every run has a transaction.
 *
 * @example
 * ```ts
 * async function addToLedger({ data }: Event<Order>, { tx }: TransactionContext<PoolClient>) {
 *   await tx.query("INSERT INTO ledger VALUES ($1)", [data.orderId]);
 * }
 * ```
 */
export interface TransactionContext<Tx> extends DeliveryContext {
  /** The transaction of this run. What the handler writes within it is committed if the run succeeds. */
  readonly tx: Tx;
}

/** The context type of the handlers of a bus. `Tx` is the transaction type of its inbox, or `unknown` without an inbox. */
export type HandlerContext<Tx> = unknown extends Tx ? DeliveryContext : TransactionContext<Tx>;

/**
 * A handler of events. If the handler returns or its promise fulfils, the bus acknowledges the delivery. If it throws
 * or rejects, the attempt fails. A `PermanentError` ends the delivery without further attempts.
 */
export type Subscriber<T = unknown, Context extends DeliveryContext = DeliveryContext> = (
  event: Event<T>,
  context: Context,
) => void | Promise<void>;

/**
 * The deliveries of a subscription that run one after another. `none`: no deliveries. `key`: deliveries with the same
 * `orderingKey`. `all`: all deliveries of the subscription.
 */
export type Ordering = "none" | "key" | "all";

/**
 * The effect of a dead letter on later deliveries of its key. `park` continues with the next delivery. `block` stops
 * the key until the dead letter is replayed or discarded.
 */
export type OrderedFailure = "park" | "block";

/**
 * The second argument of a {@link BatchSubscriber}. Each event of the batch is acknowledged or fails on its own, and
 * the bus retries only the events that failed. Its functions can be destructured.
 *
 * `signal` aborts when the call has taken `timeoutMs`, or when the `graceMs` of a shutdown have passed. `container` is
 * one scope for the whole batch.
 */
export interface BatchContext extends Pick<
  DeliveryContext,
  "signal" | "subscriberId" | "container" | "logger"
> {
  /** Returns the number of the attempt of one event of this batch, as {@link DeliveryContext.attempt} counts it. */
  readonly attempt: (event: Event) => number;
  /**
   * Acknowledges one event of this batch now. A later failure of the handler does not affect the event. Only the first
   * call of `ack` or `fail` for an event counts.
   *
   * @throws TypeError when the event is not an object that the handler received.
   */
  readonly ack: (event: Event) => void;
  /**
   * Fails one event of this batch now, as if a handler of this event alone had thrown `error`. A `PermanentError` makes
   * the event a dead letter. A `ReleaseDelivery` releases the event. The other events are acknowledged when the handler
   * returns.
   *
   * @throws TypeError when the event is not an object that the handler received.
   */
  readonly fail: (event: Event, error: unknown) => void;
}

/**
 * A handler of several events at a time. If the handler returns or its promise fulfils, the bus acknowledges all events
 * except those that the handler passed to `context.fail`. If the handler throws or rejects, all events fail except those
 * that the handler passed to `context.ack`.
 *
 * @example
 * ```ts
 * const indexProducts: BatchSubscriber<Product> = async (events, { fail }) => {
 *   const { rejected } = await search.index(events.map(({ data }) => data));
 *   for (const { index, reason } of rejected) fail(events[index]!, new Error(reason));
 * };
 * bus.subscribe("product.changed", indexProducts, {
 *   subscriberId: "search-index",
 *   batch: { maxEvents: 100, maxWaitMs: 500 },
 * });
 * ```
 */
export type BatchSubscriber<T = unknown> = (
  events: readonly Event<T>[],
  context: BatchContext,
) => void | Promise<void>;

/** The size of batches, and how long the bus waits for events to fill a batch. */
export interface BatchOptions {
  /** The largest number of events in a batch: 1 to 1 000. */
  readonly maxEvents: number;
  /**
   * The milliseconds that the first event of a batch waits for others, counted from the arrival of the event. With 0,
   * the bus does not wait: a batch has the events that have arrived when the handler is free.
   *
   * @default 0
   */
  readonly maxWaitMs?: number | undefined;
}

/** A limit on the runs of a subscription that start within a time. */
export interface RateLimit {
  /** The largest number of runs that start within `perMs`: a whole number, at least 1. */
  readonly max: number;
  /**
   * The length of the time window in milliseconds. In memory, at most `max` runs start in any window of this length. On
   * a durable provider, all processes together reserve at most `max` starts in any such window. A run may begin later
   * than its start. If a process is late, its runs may be closer by up to 50 ms, or half of `perMs` if that is less.
   */
  readonly perMs: number;
}

/**
 * The id of a subscription and its delivery options.
 *
 * @example
 * ```ts
 * bus.subscribe("order.placed", sendReceipt, { subscriberId: "send-receipt", attempts: 3 });
 * ```
 */
export interface SubscriberContext<Batch extends BatchOptions | undefined = undefined> {
  /**
   * The id of the subscription: 1 to 200 printable characters, the same in every process and release. All subscribers
   * of one event without an id form one subscription. If one of them fails, all of them run again.
   */
  readonly subscriberId?: string | undefined;
  /**
   * The number of attempts of a delivery, including the first. Takes precedence over the emit option.
   *
   * @default 1
   */
  readonly attempts?: number | undefined;
  /** The wait between attempts. Takes precedence over the emit option. By default there is no wait. */
  readonly backoff?: Backoff | undefined;
  /**
   * The milliseconds after which a run fails and its slot becomes free. If a handler ignores its signal, the bus logs
   * the handler and ignores its result. By default there is no limit.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * The number of deliveries that one process runs at the same time. With `batch`, the number of batches, by default 1.
   *
   * @default 10
   */
  readonly concurrency?: number | undefined;
  /**
   * The order in which deliveries run. If application releases with different values run together, the strictest
   * value applies.
   *
   * @default "none"
   */
  readonly ordering?: Ordering | undefined;
  /**
   * The effect of a dead letter on later deliveries of its key. If application releases with different values run
   * together, `"block"` applies.
   *
   * @default "park"
   */
  readonly onOrderedFailure?: OrderedFailure | undefined;
  /**
   * A limit on the runs that start within a time. On a durable provider, all processes share the limit. Each retry
   * counts as a run, and a batch counts as one run. A process holds up to `concurrency` deliveries until they may start.
   * By default there is no limit.
   *
   * @example
   * ```ts
   * rate: { max: 100, perMs: 60_000 }
   * ```
   */
  readonly rate?: RateLimit | undefined;
  /**
   * The size of batches, for a subscriber that gets several events at a time: see {@link BatchSubscriber}.
   *
   * - `concurrency` is the number of batches that run at the same time, by default 1.
   * - `timeoutMs` counts from the call of the handler.
   * - With `ordering: "key"`, a batch has at most one event of each key.
   * - `batch` needs a `subscriberId`. It cannot be combined with `ordering: "all"`, or with the `inbox` of a bus.
   *
   * @example
   * ```ts
   * batch: { maxEvents: 100, maxWaitMs: 500 }
   * ```
   */
  readonly batch?: Batch;
  /** Earlier ids of this subscription. Pending deliveries of these ids are delivered to this subscription. */
  readonly aliases?: readonly string[] | undefined;
}

/** A {@link SubscriberContext} whose `batch` is required if the subscriber handles batches. */
export type ContextOf<Batch extends BatchOptions | undefined> = SubscriberContext<Batch> &
  (Batch extends BatchOptions ? { readonly batch: Batch } : unknown);

/**
 * The default delivery options of subscriptions. The `attempts` and `backoff` of a message or an emit take precedence
 * over these defaults. These defaults take precedence over the emit `defaults` of the bus.
 */
export type SubscriptionDefaults = Omit<SubscriberContext, "subscriberId" | "aliases" | "batch">;
