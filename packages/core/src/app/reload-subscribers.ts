import type { EventBus } from "../event-bus.ts";
import type { ReloadedSubscribers } from "./app.ts";
import { type LoadedSubscriber, subscribeAll } from "./load-subscribers.ts";

/**
 * Puts subscribers that were loaded again in the place of those before. A subscription keeps its id, and with it its
 * pending deliveries and dead letters. Runs in flight finish with the handler that they began with.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` that names the files that are wrong; the others are replaced.
 */
export function replaceSubscribers(
  bus: EventBus,
  before: readonly LoadedSubscriber[],
  after: readonly LoadedSubscriber[],
): ReloadedSubscribers {
  const earlier = new Map(before.map((it) => [it.context.subscriberId, it]));
  const later = new Map(after.map((it) => [it.context.subscriberId, it]));
  const removed = before.filter(({ context }) => !later.has(context.subscriberId));
  const added = after.filter(({ context }) => !earlier.has(context.subscriberId));
  const changed = after.filter(({ context, handler }) => {
    const known = earlier.get(context.subscriberId);
    return known !== undefined && known.handler !== handler;
  });
  for (const subscriber of removed) unsubscribe(bus, subscriber, subscriber.events);
  const unwanted: (() => void)[] = [];
  for (const subscriber of changed) {
    const known = earlier.get(subscriber.context.subscriberId)!;
    const dropped = known.events.filter((event) => !subscriber.events.includes(event));
    const end = (): void => unsubscribe(bus, known, dropped);
    // The bus replaces a handler in its place. Where it has none to replace, the old one goes first.
    if (known.origin.file !== subscriber.origin.file) unsubscribe(bus, known, known.events);
    else if (dropped.length === known.events.length) end();
    else if (dropped.length > 0) unwanted.push(end);
  }
  subscribeAll(bus, [...changed, ...added]);
  for (const end of unwanted) end();
  return { added: added.map(idOf), changed: changed.map(idOf), removed: removed.map(idOf) };
}

function idOf({ context }: LoadedSubscriber): string {
  return context.subscriberId;
}

function unsubscribe(
  bus: EventBus,
  { handler, context: { subscriberId } }: LoadedSubscriber,
  events: readonly string[],
): void {
  // Found by its id: the bus runs a function of its own around the handler.
  if (events.length > 0) bus.unsubscribe(events, handler as never, { subscriberId });
}
