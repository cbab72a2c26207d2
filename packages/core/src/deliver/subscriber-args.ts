import type { Event } from "../contract/event.ts";
import type { DeliveryContext } from "../contract/subscriber.ts";

/** What the handler of a subscriber file is called with. */
export interface SubscriberArgs<T = unknown> extends DeliveryContext {
  /** The event to handle. */
  readonly event: Event<T>;
}

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
