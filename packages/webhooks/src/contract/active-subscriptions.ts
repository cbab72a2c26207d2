import type { PayloadMode, SubscriptionSettings } from "./subscription.ts";
import type { WebhookEvent } from "./webhook-event.ts";

/** What the router and the snapshots at emit need to know of an enabled subscription. */
export interface ActiveSubscription extends Pick<
  SubscriptionSettings,
  "events" | "scope" | "orderingKey"
> {
  /** The id of the subscription. */
  readonly id: string;
  /** The version of the subscription that deliveries are matched with. */
  readonly version: number;
  /** When the payload is made. */
  readonly payload: PayloadMode;
  /** Whether the subscription has a filter, so that a payload is needed to match an event. */
  readonly hasFilter: boolean;
  /** Whether an event passes the filter. True without one. Never throws: a filter that fails lets nothing pass. */
  passes(event: WebhookEvent): boolean;
}

/**
 * The enabled subscriptions, in memory. Knows changes that are made in this process at once, and those of other
 * processes within a second.
 */
export interface ActiveSubscriptions {
  /** Whether at least one enabled subscription wants events of a name, whatever their scope and payload are. */
  wants(name: string): boolean;
  /** The enabled subscriptions that want events of a name and a scope. Filters are not applied. */
  matching(name: string, scope: string | null): readonly ActiveSubscription[];
  /** The number of the last change that is known: of this process, or of any. */
  readonly revision: number;
  /** Whether all changes up to a number are known. */
  hasRead(revision: number): boolean;
  /** Reads what has changed. Afterwards every change is known that was committed before the call. */
  refresh(): Promise<void>;
  /** Whether at least one enabled subscription has the payload mode `emitted`. */
  readonly hasSnapshots: boolean;
  /** Calls back after each change. Returns a function that ends it. */
  onChange(callback: () => void): () => void;
}
