/** Events about webhooks themselves, emitted on the same bus. */
export interface OperationalEvents {
  /** A subscription was disabled because of its endpoint. */
  "webhooks.endpoint.disabled": {
    readonly subscriptionId: string;
    readonly destination: string;
    readonly kind: "gone" | "failures" | "failing";
    readonly detail: string;
  };
  /** An endpoint that had failed has accepted a delivery. */
  "webhooks.endpoint.recovered": {
    readonly subscriptionId: string;
    readonly destination: string;
    readonly failures: number;
    readonly failingSince: string;
  };
  /** An endpoint is on the way to being disabled. Once for each of 50, 70 and 90 percent. */
  "webhooks.endpoint.warning": {
    readonly subscriptionId: string;
    readonly destination: string;
    readonly percent: 50 | 70 | 90;
    readonly failures: number;
    readonly failingSince: string;
  };
  /** No attempts are left for a delivery. */
  "webhooks.delivery.exhausted": {
    readonly deliveryId: string;
    readonly eventId: string;
    readonly eventName: string;
    readonly subscriptionId: string;
    readonly attempts: number;
    readonly errorClass: string | null;
  };
  /** A subscription was made, changed, deleted, or its secret was rotated. */
  "webhooks.subscription.changed": {
    readonly subscriptionId: string;
    readonly version: number;
    readonly change: "created" | "updated" | "deleted" | "enabled" | "disabled" | "secret-rotated";
    readonly by: string | null;
  };
}
