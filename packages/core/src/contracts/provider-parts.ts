import type { JsonValue } from "./json.ts";
import type { Envelope } from "./provider.ts";
import type { OrderedFailure, Ordering } from "./subscriber.ts";

/** A subscription as the provider knows it. */
export interface SubscriptionSpec {
  readonly subscriptionId: string;
  /** Names and patterns, without repetition. */
  readonly events: readonly string[];
  readonly ordering: Ordering;
  readonly onOrderedFailure: OrderedFailure;
  /** Earlier ids: what waits or is dead under them belongs to this subscription from now on. */
  readonly aliases: readonly string[];
}

/** A subscription in the provider's list. */
export interface RegisteredSubscription extends SubscriptionSpec {
  /** Milliseconds since the epoch of the last `declare`. */
  readonly lastSeenAt: number;
  /** Not declared for `orphanedAfterMs`: gets no new events, keeps its backlog. */
  readonly orphaned: boolean;
  /** How many events it did not get because it was orphaned. Kept until it is retired. */
  readonly withheld: number;
}

/** What becomes of deliveries that wait in a subscription when it, or some of its events, is retired. */
export type RetiredBacklog = "keep" | "dead-letter" | "discard";

/** The list of subscriptions that `publish` routes by. Durable where the provider is. */
export interface SubscriptionRegistry {
  /**
   * Adds subscriptions, or events to those known. Never removes. Resolves once every `publish` that
   * begins later, in any process, routes by it. If processes differ in `ordering` or `onOrderedFailure`, the
   * strictest policy holds for all of them while it is declared, also under an earlier id: see
   * `strictestPolicies`.
   */
  declare(subscriptions: readonly SubscriptionSpec[]): Promise<void>;
  list(): Promise<readonly RegisteredSubscription[]>;
  /**
   * Removes events from a subscription, or all of it when `events` is absent. Resolves with the number
   * of waiting deliveries that were dead-lettered (reason `retired`) or discarded.
   */
  retire(
    subscriptionId: string,
    options: {
      readonly events?: readonly string[] | undefined;
      readonly backlog: RetiredBacklog;
    },
  ): Promise<number>;
}

/** A subscription's queue in numbers. */
export interface SubscriptionStats {
  readonly subscriptionId: string;
  /** Deliveries that could be handed over now. */
  readonly ready: number;
  /** Deliveries whose time has not come, and those that wait behind another of their key. */
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  /** Milliseconds since the epoch at which the oldest waiting delivery was published. */
  readonly oldestAt?: number | undefined;
}

/** A delivery that ended dead. */
export interface DeadDelivery {
  /** Unique in its subscription; an event emitted twice may die twice. */
  readonly id: string;
  readonly envelope: Envelope;
  readonly reason: string;
  /** The `state` of the `dead` settlement, unchanged. */
  readonly state: JsonValue;
  /** Milliseconds since the epoch. */
  readonly diedAt: number;
}

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Give it back for the next page. Absent on the last one. */
  readonly cursor?: string | undefined;
}

/**
 * Looks into queues, and deals with dead letters. Subscriptions go by their present ids: what `stats`
 * calls them.
 */
export interface ProviderAdmin {
  /** Numbers of every subscription with something waiting, in hand or dead. Others may be left out. */
  stats(): Promise<readonly SubscriptionStats[]>;
  /** Dead letters of a subscription, the oldest first. Empty for an unknown one. */
  listDead(
    subscriptionId: string,
    page: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<Page<DeadDelivery>>;
  /**
   * Moves dead letters back into their subscription's queue, each with no state and no crashes, and
   * in one atomic step. Resolves with how many there were; unknown ids are passed over.
   */
  replayDead(subscriptionId: string, ids: readonly string[]): Promise<number>;
  /** Deletes dead letters. Resolves with how many there were. */
  discardDead(subscriptionId: string, ids: readonly string[]): Promise<number>;
}
