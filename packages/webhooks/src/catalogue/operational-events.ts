import type { AsyncEventDefinition } from "../contract/async-event.ts";
import type { OperationalEvents } from "../contract/operational-events.ts";

/** What the names of operational events begin with. */
const PREFIX = "webhooks.";

/** The names of the operational events. */
export type OperationalEventName = keyof OperationalEvents;

/** Who may list the subscriptions may learn what happens to them. */
const permissions = ["webhooks.subscriptions.view"];

const subscriptionId = "0198c5a0-7b1e-7cc3-98c4-dc0c0c07398f";
const destination = "https://shop.example/hooks";
const failingSince = "2026-11-30T08:15:00.000Z";

/** The operational events, as the catalogue lists them. */
export const OPERATIONAL_EVENTS: {
  readonly [Name in OperationalEventName]: AsyncEventDefinition<never, OperationalEvents[Name]>;
} = {
  "webhooks.endpoint.disabled": {
    description: "A subscription was disabled because of its endpoint.",
    permissions,
    example: { subscriptionId, destination, kind: "gone", detail: "The endpoint answered 410." },
  },
  "webhooks.endpoint.recovered": {
    description: "An endpoint that had failed has accepted a delivery.",
    permissions,
    example: { subscriptionId, destination, failures: 12, failingSince },
  },
  "webhooks.endpoint.warning": {
    description: "An endpoint fails, and is on the way to being disabled.",
    permissions,
    example: { subscriptionId, destination, percent: 50, failures: 50, failingSince },
  },
  "webhooks.delivery.exhausted": {
    description: "No attempts are left for a delivery.",
    permissions,
    example: {
      deliveryId: "6f1c0a56-41c2-8a8e-9d6b-0f1c5d2f7a10",
      eventId: "0198c5a0-9f0a-7d51-b0a3-2f60b2a4f6f1",
      eventName: "sales.order.created",
      subscriptionId,
      attempts: 10,
      errorClass: "timeout",
    },
  },
  "webhooks.subscription.changed": {
    description: "A subscription was created, changed or deleted, or its secret was rotated.",
    permissions,
    example: { subscriptionId, version: 2, change: "updated", by: "admin" },
  },
};

/** Whether a name is, or a pattern is only about, operational events. */
export function isOperational(selector: string): boolean {
  return selector.startsWith(PREFIX);
}
