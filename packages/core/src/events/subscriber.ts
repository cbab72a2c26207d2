import type { Event } from "../contract/event.ts";
import type { EventSelector, SelectedEvent } from "../contract/event-patterns.ts";
import type {
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
  readonly context?: SubscriberContext | undefined;
}

/** The exports of a subscriber file that the application imports itself. See `SubscriberModules`. */
export interface SubscriberModule {
  /** The handler. */
  default(args: SubscriberArgs<unknown>): void | Promise<void>;
  /** The events and the policy. Taken from the handler's own `config` by default. */
  readonly config?: SubscriberConfig | undefined;
}

/** {@link SubscriberArgs} whose event is one of those that were selected. */
export interface TypedSubscriberArgs<E extends Event> extends SubscriberArgs<E["data"]> {
  /** The event to handle, with the type that its name has in the catalogue. */
  readonly event: E;
}

/** {@link SubscriberConfig} of events that are known. */
export interface TypedSubscriberConfig<
  Selector extends string | readonly string[],
> extends SubscriberConfig {
  readonly event: Selector;
  readonly context: SubscriberContext;
}

/**
 * A handler with its events and its policy: the default export of a file in the subscribers
 * folder, or, by `subscription`, the arguments of a bus.
 */
export interface TypedSubscriber<E extends Event, Selector extends string | readonly string[]> {
  (args: TypedSubscriberArgs<E>): void | Promise<void>;
  /** What a file in the subscribers folder exports as `config`. */
  readonly config: TypedSubscriberConfig<Selector>;
  /** The arguments of `bus.subscribe`, and of `bus.unsubscribe`. */
  readonly subscription: readonly [
    event: Selector,
    subscriber: Subscriber<E["data"]>,
    context: SubscriberContext,
  ];
}

/** Makes handlers whose events have the types of a catalogue. */
export type SubscriberFactory<Events extends object> = <
  const Selector extends EventSelector<Events>,
>(
  event: Selector,
  handler: (args: TypedSubscriberArgs<SelectedEvent<Events, Selector>>) => void | Promise<void>,
  context?: SubscriberContext,
) => TypedSubscriber<SelectedEvent<Events, Selector>, Selector>;

/** Puts a handler together with its events and its policy. */
export function makeSubscriber<E extends Event, Selector extends string | readonly string[]>(
  event: Selector,
  handler: (args: TypedSubscriberArgs<E>) => void | Promise<void>,
  context: SubscriberContext = {},
): TypedSubscriber<E, Selector> {
  // The bus matches names: an event that arrives here is one of those selected.
  const subscriber: Subscriber<E["data"]> = (received, delivery) =>
    handler(toSubscriberArgs(received as E, delivery));
  return Object.assign((args: TypedSubscriberArgs<E>) => handler(args), {
    config: { event, context },
    subscription: [event, subscriber, context] as const,
  });
}
