import type { ServiceContainer } from "./container.ts";
import type { Backoff, Event } from "./event.ts";
import type { Logger } from "./logger.ts";

/** What a handler may know of the run it is in. */
export interface DeliveryContext {
  /** Aborts when the run has taken `timeoutMs`, or when a shutdown has run out of `graceMs`. */
  readonly signal: AbortSignal;
  /** 1 for the first run, 2 for the first retry. Crashes and releases do not count. */
  readonly attempt: number;
  /** The subscription that this run belongs to. */
  readonly subscriberId: string;
  /** The `orderingKey` with which the event was emitted. Undefined without one. */
  readonly orderingKey?: string | undefined;
  /**
   * The application's services. In an application made by `createApp` this is a scope of its own,
   * disposed after the run. Resolving throws on a bus that was made without a container.
   */
  readonly container: ServiceContainer;
  /** The logger that the bus was given, unchanged. By default it writes warnings and errors to the console. */
  readonly logger: Logger;
  /** The database transaction of this run, where middleware has begun one: the inbox does. */
  readonly tx?: unknown;
}

/**
 * What a handler may know of a run within a transaction: each run is within one on a bus that has an inbox.
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

/** What the handlers of a bus may know of a run. `Tx` is the transaction of its inbox; `unknown` where there is none. */
export type HandlerContext<Tx> = unknown extends Tx ? DeliveryContext : TransactionContext<Tx>;

/**
 * Handles an event. Fulfilment, or a plain return, acknowledges the delivery; a throw or a
 * rejection is a failed attempt, and a `PermanentError` the last one.
 */
export type Subscriber<T = unknown, Context extends DeliveryContext = DeliveryContext> = (
  event: Event<T>,
  context: Context,
) => void | Promise<void>;

/**
 * Which deliveries wait for each other. `none`: no one. `key`: those with the same `orderingKey`.
 * `all`: all of the subscription.
 */
export type Ordering = "none" | "key" | "all";

/**
 * What becomes of a key when one of its deliveries is dead: `park` goes on with the next, `block`
 * keeps the key waiting until the dead one is replayed or discarded.
 */
export type OrderedFailure = "park" | "block";

/** Names a subscription and says how it wants to be delivered to. */
export interface SubscriberContext {
  /**
   * 1–200 printable characters, the same in every process and release. Without it, all anonymous
   * subscribers of one event form one subscription: when one fails, they all run again.
   */
  readonly subscriberId?: string | undefined;
  /**
   * How often a delivery may run and fail before it is dead. Goes before what the emitter says.
   *
   * @default 1
   */
  readonly attempts?: number | undefined;
  /** The wait between attempts. Goes before what the emitter says. None by default. */
  readonly backoff?: Backoff | undefined;
  /**
   * Milliseconds after which a run has failed and its slot is free. A handler that ignores its
   * signal is logged, and its result thrown away. None by default.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Deliveries that one process runs at the same time.
   *
   * @default 10
   */
  readonly concurrency?: number | undefined;
  /**
   * The order in which deliveries run. If releases that run at the same time differ, the strictest holds.
   *
   * @default "none"
   */
  readonly ordering?: Ordering | undefined;
  /**
   * What the death of an ordered delivery means for the next of its key. If releases that run at the same
   * time differ, `"block"` holds.
   *
   * @default "park"
   */
  readonly onOrderedFailure?: OrderedFailure | undefined;
  /** Ids that this subscription had before. What waits under them is delivered here. */
  readonly aliases?: readonly string[] | undefined;
}

/**
 * How subscriptions are delivered to that say nothing else. An `attempts` or `backoff` that a message or an emit
 * gives goes before them; the `defaults` of emits go after them.
 */
export type SubscriptionDefaults = Omit<SubscriberContext, "subscriberId" | "aliases">;
