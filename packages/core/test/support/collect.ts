import type { EventBus } from "../../src/event-bus.ts";
import type { Event } from "../../src/contract/event.ts";
import type { SubscriberContext } from "../../src/contract/subscriber.ts";

/** What a subscriber has seen, in order. */
export interface Collected {
  readonly events: readonly Event[];
  readonly data: readonly unknown[];
}

/** Subscribes to events, to all by default, and keeps them. */
export function collect(
  bus: EventBus,
  context: SubscriberContext = { subscriberId: "collector" },
  event: string | readonly string[] = "*",
): Collected {
  const events: Event[] = [];
  bus.subscribe(event, (received) => void events.push(received), context);
  return {
    events,
    get data() {
      return events.map(({ data }) => data);
    },
  };
}
