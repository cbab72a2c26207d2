import type { Event } from "../contract/event.ts";
import type { EventSelector, SelectedEvent } from "../contract/event-patterns.ts";
import type {
  BatchContext,
  BatchOptions,
  BatchSubscriber,
  ContextOf,
  DeliveryContext,
  HandlerContext,
  Subscriber,
  SubscriberContext,
} from "../contract/subscriber.ts";

/**
 * What the handler of a subscriber file is called with: the event, and the members of the context. `Tx` is the type
 * of `tx`, where the application has an inbox.
 *
 * @example
 * ```ts
 * export default async function ({ event, tx }: SubscriberArgs<Order, PoolClient>): Promise<void> {
 *   await tx.query("INSERT INTO ledger VALUES ($1)", [event.data.orderId]);
 * }
 * ```
 */
export type SubscriberArgs<T = unknown, Tx = unknown> = HandlerContext<Tx> & {
  /** The event to handle. */
  readonly event: Event<T>;
};

/** One argument of the two that a bus calls a subscriber with. */
export function toSubscriberArgs<E extends Event>(
  event: E,
  context: DeliveryContext,
): DeliveryContext & { readonly event: E } {
  return {
    event,
    attempt: context.attempt,
    subscriberId: context.subscriberId,
    // These are made when they are first read.
    get signal() {
      return context.signal;
    },
    get container() {
      return context.container;
    },
    get logger() {
      return context.logger;
    },
    get tx() {
      return context.tx;
    },
  };
}

/**
 * What the handler of a subscriber file is called with if its context has a `batch`: the events, and the members of
 * the context.
 *
 * @example
 * ```ts
 * export default async function ({ events, fail }: BatchSubscriberArgs<Product>): Promise<void> {
 *   const { rejected } = await search.index(events.map(({ data }) => data));
 *   for (const { index, reason } of rejected) fail(events[index]!, reason);
 * }
 *
 * export const config: SubscriberConfig = {
 *   event: "product.changed",
 *   context: { batch: { maxEvents: 100, maxWaitMs: 500 } },
 * };
 * ```
 */
export interface BatchSubscriberArgs<T = unknown> extends BatchContext {
  /** The events of the batch. */
  readonly events: readonly Event<T>[];
}

/** One argument of the two that a bus calls a subscriber of batches with. */
function toBatchSubscriberArgs<E extends Event>(
  events: readonly E[],
  context: BatchContext,
): BatchContext & { readonly events: readonly E[] } {
  const { subscriberId, attempt, ack, fail } = context;
  return {
    events,
    subscriberId,
    attempt,
    ack,
    fail,
    // These are made when they are first read.
    get signal() {
      return context.signal;
    },
    get container() {
      return context.container;
    },
    get logger() {
      return context.logger;
    },
  };
}

/**
 * The `config` that a subscriber file exports beside its handler, or that its handler has as a
 * member, as those that a catalogue's `subscriber` makes.
 *
 * @example
 * ```ts
 * // src/subscribers/orders/send-receipt.ts: its id is "orders/send-receipt"
 * export default async function ({ event, container }: SubscriberArgs<{ orderId: string }>) {
 *   await container.resolve("mailer").sendReceipt(event.data.orderId);
 * }
 *
 * export const config: SubscriberConfig = { event: "order.placed", context: { attempts: 5 } };
 * ```
 */
export interface SubscriberConfig {
  /** The events, by name or pattern. */
  readonly event: string | readonly string[];
  /**
   * How the subscription is delivered to. `subscriberId` defaults to the file's path under the
   * subscribers folder, without its extension: give the old one in `aliases` when a file moves.
   * For a {@link SubscriberModule}, it defaults to the module's key in the configuration.
   */
  readonly context?: SubscriberContext<BatchOptions | undefined> | undefined;
}

/** The exports of a subscriber file that the application imports itself. See `SubscriberModules`. */
export interface SubscriberModule<Args = SubscriberArgs<unknown>> {
  /** The handler. */
  default(args: Args): void | Promise<void>;
  /** The events and the policy. Taken from the handler's own `config` by default. */
  readonly config?: SubscriberConfig | undefined;
}

/** {@link SubscriberArgs} whose event is one of those that were selected. */
export interface TypedSubscriberArgs<E extends Event> extends SubscriberArgs<E["data"]> {
  /** The event to handle, with the type that its name has in the catalogue. */
  readonly event: E;
}

/** {@link BatchSubscriberArgs} whose events are among those that were selected. */
export interface TypedBatchSubscriberArgs<E extends Event> extends BatchSubscriberArgs<E["data"]> {
  /** The events of the batch, with the types that their names have in the catalogue. */
  readonly events: readonly E[];
}

/** What a handler is called with. `Batch` is the `batch` of its subscription. */
export type TypedArgs<E extends Event, Batch> = Batch extends BatchOptions
  ? TypedBatchSubscriberArgs<E>
  : TypedSubscriberArgs<E>;

/** {@link SubscriberConfig} of events that are known. */
export interface TypedSubscriberConfig<
  Selector extends string | readonly string[],
  Batch extends BatchOptions | undefined = undefined,
> extends SubscriberConfig {
  readonly event: Selector;
  readonly context: SubscriberContext<Batch>;
}

/**
 * A handler with its events and its policy: the default export of a file in the subscribers
 * folder, or, by `subscription`, the arguments of a bus.
 */
export interface TypedSubscriber<
  E extends Event,
  Selector extends string | readonly string[],
  Batch extends BatchOptions | undefined = undefined,
> {
  (args: TypedArgs<E, Batch>): void | Promise<void>;
  /** What a file in the subscribers folder exports as `config`. */
  readonly config: TypedSubscriberConfig<Selector, Batch>;
  /** The arguments of `bus.subscribe`, and of `bus.unsubscribe`. */
  readonly subscription: readonly [
    event: Selector,
    subscriber: Batch extends BatchOptions ? BatchSubscriber<E["data"]> : Subscriber<E["data"]>,
    context: ContextOf<Batch>,
  ];
}

/** Makes handlers whose events have the types of a catalogue. With `batch` in its context, a handler gets `events`. */
export type SubscriberFactory<Events extends object> = <
  const Selector extends EventSelector<Events>,
  Batch extends BatchOptions | undefined = undefined,
>(
  event: Selector,
  handler: (args: TypedArgs<SelectedEvent<Events, Selector>, Batch>) => void | Promise<void>,
  context?: ContextOf<Batch>,
) => TypedSubscriber<SelectedEvent<Events, Selector>, Selector, Batch>;

/** Puts a handler together with its events and its policy. */
export function makeSubscriber<
  E extends Event,
  Selector extends string | readonly string[],
  Batch extends BatchOptions | undefined = undefined,
>(
  event: Selector,
  handler: (args: TypedArgs<E, Batch>) => void | Promise<void>,
  context: SubscriberContext<Batch> = {},
): TypedSubscriber<E, Selector, Batch> {
  const subscription = [event, withOneArgument(handler, context), context] as const;
  return Object.assign((args: TypedArgs<E, Batch>) => handler(args), {
    config: { event, context },
    // The bus matches names: an event that arrives here is one of those selected.
    subscription: subscription as unknown as TypedSubscriber<E, Selector, Batch>["subscription"],
  });
}

/** A subscriber as the bus calls it, made of a handler that takes one argument. */
export function withOneArgument(
  handler: (args: never) => void | Promise<void>,
  { batch }: { readonly batch?: BatchOptions | undefined },
): Subscriber | BatchSubscriber {
  const any = handler as (args: object) => void | Promise<void>;
  const one: Subscriber = (event, context) => any(toSubscriberArgs(event, context));
  const several: BatchSubscriber = (events, context) => any(toBatchSubscriberArgs(events, context));
  return batch === undefined ? one : several;
}
