import type { EventProvider } from "@busbar/core/provider";

/** A provider that does as another, some of whose methods a test replaces. */
export function wrapped(inner: EventProvider): EventProvider {
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    subscriptions: inner.subscriptions,
    admin: inner.admin,
    start: (context) => inner.start(context),
    publish: (batch, options) => inner.publish(batch, options),
    consume: (subscription, deliver) => inner.consume(subscription, deliver),
    stop: (options) => inner.stop(options),
  };
}
