import type { EventProvider } from "@busbar/core/provider";

/** A provider with the methods, the list and the admin part of another, and with the members given. */
export function providerLike(
  inner: EventProvider,
  members: Partial<EventProvider> = {},
): EventProvider {
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    subscriptions: inner.subscriptions,
    admin: inner.admin,
    start: (context) => inner.start(context),
    publish: (batch, options) => inner.publish(batch, options),
    consume: (subscription, deliver) => inner.consume(subscription, deliver),
    stop: (options) => inner.stop(options),
    ...members,
  };
}
