import type { BusInspection } from "@busbar/core";
import { matchesPattern } from "@busbar/core/provider";

/** A subscription, as far as a comparison of code and provider needs it. */
export type ComparedSubscription = Pick<
  BusInspection["subscriptions"][number],
  | "subscriberId"
  | "events"
  | "ownEvents"
  | "declaredEvents"
  | "aliases"
  | "here"
  | "ready"
  | "delayed"
  | "inFlight"
  | "dead"
>;

/** What a deployment of the code would do to subscriptions. */
export interface SubscriptionChanges {
  /** Subscriptions that the code has, and the provider does not know. */
  readonly added: readonly { readonly subscriberId: string; readonly events: readonly string[] }[];
  /** Subscriptions that go on under another id, as the code says with `aliases`. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[];
  /** Subscriptions that the provider fills, and the code does not have. */
  readonly stranded: readonly {
    readonly subscriberId: string;
    readonly waiting: number;
    readonly dead: number;
  }[];
  /** Events that the provider adds to a subscription whose code does not take them any more. */
  readonly strandedEvents: readonly {
    readonly subscriberId: string;
    readonly events: readonly string[];
  }[];
}

/** Compares the subscriptions of the code with those that the provider knows. */
export function strandedBy(subscriptions: readonly ComparedSubscription[]): SubscriptionChanges {
  const own = subscriptions.filter(({ here }) => here);
  const newIdOf = (id: string): string | undefined =>
    own.find(({ aliases }) => aliases.includes(id))?.subscriberId;
  const others = subscriptions.filter(({ here }) => !here);
  return {
    added: own
      .filter(({ declaredEvents }) => declaredEvents.length === 0)
      .filter(({ aliases }) => !others.some(({ subscriberId }) => aliases.includes(subscriberId)))
      .map(({ subscriberId, ownEvents: events }) => ({ subscriberId, events })),
    renamed: others.flatMap(({ subscriberId: from }) => {
      const to = newIdOf(from);
      return to === undefined ? [] : [{ from, to }];
    }),
    stranded: others
      .filter(({ subscriberId }) => newIdOf(subscriberId) === undefined)
      .map(({ subscriberId, ready, delayed, inFlight, dead }) => ({
        subscriberId,
        waiting: ready + delayed + inFlight,
        dead,
      })),
    strandedEvents: own
      .map(({ subscriberId, declaredEvents, ownEvents }) => ({
        subscriberId,
        events: declaredEvents.filter((it) => !ownEvents.includes(it)),
      }))
      .filter(({ events }) => events.length > 0),
  };
}

/** The ids of the subscriptions that take events of a name, in the order that they have. */
export function takers(
  name: string,
  subscriptions: readonly Pick<ComparedSubscription, "subscriberId" | "events">[],
): readonly string[] {
  return subscriptions
    .filter(({ events }) => events.some((pattern) => matchesPattern(pattern, name)))
    .map(({ subscriberId }) => subscriberId);
}
