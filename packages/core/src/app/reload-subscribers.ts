import type { EventBus } from "../event-bus.ts";
import type { ReloadedSubscribers } from "./app.ts";
import { type LoadedSubscriber, type RefusedSubscriber, subscribeAll } from "./load-subscribers.ts";

/** What became of subscribers that were loaded again. */
export interface ReplacedSubscribers {
  readonly changes: ReloadedSubscribers;
  /** The subscribers that the bus has now. */
  readonly subscribed: readonly LoadedSubscriber[];
  /** The subscribers that the bus refuses: the earlier ones of their ids, if there are any, go on. */
  readonly refused: readonly RefusedSubscriber[];
}

/**
 * Puts subscribers that were loaded again in the place of those before. A subscription keeps its id, and with it its
 * pending deliveries, its dead letters and its pause. Runs in flight finish with the handler that they began with.
 */
export function replaceSubscribers(
  bus: EventBus,
  before: readonly LoadedSubscriber[],
  after: readonly LoadedSubscriber[],
): ReplacedSubscribers {
  const earlier = new Map(before.map((it) => [idOf(it), it]));
  const later = new Set(after.map(idOf));
  const removed = before.filter((it) => !later.has(idOf(it)));
  const added = after.filter((it) => !earlier.has(idOf(it)));
  const changed = after.filter((it) => {
    const known = earlier.get(idOf(it));
    return known !== undefined && known.handler !== it.handler;
  });
  for (const subscriber of removed) unsubscribe(bus, subscriber);
  const refused = subscribeAll(bus, [...changed, ...added], earlier);
  const refusedOnes = new Set(refused.map(({ subscriber }) => subscriber));
  return {
    changes: { added: added.map(idOf), changed: changed.map(idOf), removed: removed.map(idOf) },
    subscribed: after.flatMap((it) => (refusedOnes.has(it) ? (earlier.get(idOf(it)) ?? []) : it)),
    refused,
  };
}

function idOf({ context }: LoadedSubscriber): string {
  return context.subscriberId;
}

function unsubscribe(bus: EventBus, { handler, events, context }: LoadedSubscriber): void {
  const { subscriberId } = context;
  // Found by its id: the bus runs a function of its own around the handler.
  bus.unsubscribe(events, handler as never, { subscriberId });
}
