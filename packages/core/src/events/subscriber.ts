import type { SubscriberConfig } from "./subscriber-config.ts";
import type { Event } from "../contract/event.ts";
import type { Subscriber, SubscriberContext } from "../contract/subscriber.ts";
import { type SubscriberArgs, toSubscriberArgs } from "../deliver/subscriber-args.ts";
import type { EventSelector, SelectedEvent } from "./event-patterns.ts";

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
