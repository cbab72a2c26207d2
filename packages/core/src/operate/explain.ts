import type { ProviderAdmin, RegisteredSubscription } from "../contract/provider.ts";
import type { OrderedFailure } from "../contract/subscriber.ts";
import type { Subscription } from "../deliver/subscription.ts";
import { matchesPattern } from "../provider/router.ts";
import type { InspectedInstance, InspectedPolicy } from "../admin/instances.ts";

/** A subscription that events of a name go to. */
export interface ExplainedSubscription {
  /** The id of the subscription. */
  readonly subscriberId: string;
  /** The names and patterns of the subscription that match. */
  readonly matchedBy: readonly string[];
  /** Whether this process has code for the event. */
  readonly here: boolean;
  /** Whether the subscription gets no new events, because no process has declared it for `orphanedAfterMs`. */
  readonly orphaned: boolean;
  /** Whether `pause` has stopped the subscription in this process, or in every process. */
  readonly paused: boolean;
  /**
   * How the subscription is delivered to: as this process says, or else the first of the others. Without
   * `concurrency` where no running instance has code for the subscription.
   */
  readonly policy: Partial<InspectedPolicy> &
    Pick<InspectedPolicy, "ordering"> & { readonly onOrderedFailure: OrderedFailure };
  /** The name that the broker has for the queue of the subscription. Absent where there is none. */
  readonly queue?: string | undefined;
  /** How many running instances have code for the event. */
  readonly instances: number;
}

/** A subscription that misses the events of a name by one letter. */
export interface NearMiss {
  /** The id of the subscription. */
  readonly subscriberId: string;
  /** The name or pattern of the subscription that nearly matches. */
  readonly event: string;
}

/** What would become of an event, as `bus.explain()` tells. */
export interface Explanation {
  /** The name that was asked for. */
  readonly name: string;
  /** Whether the catalogue of this bus has the name. False on a bus without a catalogue. */
  readonly declared: boolean;
  /** The subscriptions of all processes that match the name, in the order of their ids. */
  readonly subscriptions: readonly ExplainedSubscription[];
  /** Subscriptions that do not match, and have a name or pattern that is one edit away: a mistyped one, perhaps. */
  readonly nearMisses: readonly NearMiss[];
}

/** What {@link explain} joins. */
export interface ExplainSources {
  readonly isDeclared: boolean;
  readonly here: readonly Subscription[];
  readonly registered: readonly RegisteredSubscription[];
  readonly instances: readonly InspectedInstance[];
  readonly admin: ProviderAdmin | undefined;
}

/** Says where events of a name go, and why. */
export function explain(name: string, sources: ExplainSources): Explanation {
  const { isDeclared, here, registered, instances, admin } = sources;
  const local = new Map(here.map((subscription) => [subscription.id, subscription]));
  const known = new Map(registered.map((entry) => [entry.subscriptionId, entry]));
  const subscriptions: ExplainedSubscription[] = [];
  const nearMisses: NearMiss[] = [];
  for (const subscriberId of [...new Set([...known.keys(), ...local.keys()])].toSorted()) {
    const own = local.get(subscriberId);
    const entry = known.get(subscriberId);
    const events = [...new Set([...(entry?.events ?? []), ...(own?.events ?? [])])];
    const matchedBy = events.filter((event) => matchesPattern(event, name));
    if (matchedBy.length === 0) {
      const near = events.filter((event) => isNear(event, name));
      nearMisses.push(...near.map((event) => ({ subscriberId, event })));
      continue;
    }
    const having = instances
      .toSorted((a, b) => Number(b.here) - Number(a.here))
      .flatMap((it) => it.subscriptions.filter((mine) => mine.subscriberId === subscriberId));
    const [first] = having;
    const { ordering = "none", onOrderedFailure = "park" } = entry ?? own?.spec ?? {};
    const queue = admin?.queueName?.(subscriberId);
    subscriptions.push({
      subscriberId,
      matchedBy,
      here: own?.events.some((event) => matchesPattern(event, name)) ?? false,
      orphaned: entry?.orphaned ?? false,
      paused: own?.paused === true || entry?.paused === true,
      policy: { ...first?.policy, ordering, onOrderedFailure },
      ...(queue !== undefined && { queue }),
      instances: having.filter((it) => it.events.some((event) => matchesPattern(event, name)))
        .length,
    });
  }
  return { name, declared: isDeclared, subscriptions, nearMisses };
}

/** Whether one letter more, less or other would make a name or pattern match. */
function isNear(event: string, name: string): boolean {
  if (isOneEdit(event, name)) return true;
  const [wanted, given] = [event.split("."), name.split(".")];
  if (wanted.at(-1) === "**" && given.length >= wanted.length) given.length = wanted.length;
  if (wanted.length !== given.length) return false;
  const wrong = wanted.flatMap((segment, index) => {
    const other = given[index] as string;
    return segment === "*" || segment === "**" || segment === other ? [] : [[segment, other]];
  });
  return wrong.length === 1 && isOneEdit(wrong[0]![0]!, wrong[0]![1]!);
}

/** Whether one letter is to insert, delete, replace or swap. The case of letters is one edit, however many. */
function isOneEdit(one: string, other: string): boolean {
  if (one === other) return false;
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return true;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  const [restA, restB] = [a.slice(at + 1), b.slice(at + 1)];
  const isSwapped = a[at] === b[at + 1] && a[at + 1] === b[at] && restA.slice(1) === restB.slice(1);
  return restA === restB || restA === b.slice(at) || a.slice(at) === restB || isSwapped;
}
