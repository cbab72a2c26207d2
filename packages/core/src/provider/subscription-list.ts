import type { Clock } from "../contract/clock.ts";
import type {
  ProviderContext,
  RegisteredSubscription,
  SubscriptionSpec,
} from "../contract/provider.ts";
import type { OrderedFailure, Ordering } from "../contract/subscriber.ts";
import { createRouter, matchesPattern } from "./router.ts";

/** A value of `ordering` or of `onOrderedFailure`. */
export type OrderPolicy = Ordering | OrderedFailure;

/** The values of each policy, the strictest first. To block a key is stricter than to park its failure. */
export const ORDER_POLICIES: {
  readonly ordering: readonly Ordering[];
  readonly onOrderedFailure: readonly OrderedFailure[];
} = { ordering: ["all", "key", "none"], onOrderedFailure: ["block", "park"] };

/** When each policy of a subscription was declared last, in milliseconds since the epoch. */
export type DeclaredPolicies = { readonly [Policy in OrderPolicy]?: number | undefined };

/** A subscription that goes by another id from now on. */
export interface RenamedSubscription {
  /** The earlier id. */
  readonly from: string;
  /** The present id. */
  readonly to: string;
}

/**
 * Milliseconds for which a declaration of a subscription's policies counts: each process declares every minute.
 */
export const DECLARATION_COUNTS_MS = 180_000;

/** The policies that a subscription declares. Without an order there is no failure of an ordered delivery. */
export function declaredPolicies({
  ordering,
  onOrderedFailure,
}: Pick<SubscriptionSpec, "ordering" | "onOrderedFailure">): readonly OrderPolicy[] {
  return ordering === "none" ? [ordering] : [ordering, onOrderedFailure];
}

/**
 * Finds the policies that hold for a subscription: the strictest of its own and of those that other releases
 * have declared.
 *
 * @param isDeclared Whether a release that runs has declared the policy.
 */
export function strictestPolicies(
  spec: Pick<SubscriptionSpec, "ordering" | "onOrderedFailure">,
  isDeclared: (policy: OrderPolicy) => boolean,
): Pick<SubscriptionSpec, "ordering" | "onOrderedFailure"> {
  const own = declaredPolicies(spec);
  const counts = (policy: OrderPolicy): boolean => own.includes(policy) || isDeclared(policy);
  return {
    ordering: ORDER_POLICIES.ordering.find(counts) ?? spec.ordering,
    onOrderedFailure: ORDER_POLICIES.onOrderedFailure.find(counts) ?? spec.onOrderedFailure,
  };
}

/** A subscription of a {@link SubscriptionList} as it is stored. */
interface StoredSubscription extends SubscriptionSpec {
  readonly lastSeenAt: number;
  /** Absent: none. */
  readonly withheld?: number | undefined;
  /** When each policy was declared last, under any of its ids, in milliseconds since the epoch. */
  readonly declaredAt?: DeclaredPolicies | undefined;
  /** Whether the subscription is paused in every process. Absent: no. */
  readonly paused?: boolean | undefined;
}

/** A {@link SubscriptionList} as it is stored: JSON. */
export interface StoredSubscriptions {
  /** The subscriptions under their present ids. */
  readonly subscriptions: readonly StoredSubscription[];
  /** Earlier ids, each with the present one. */
  readonly renamed: readonly (readonly [earlier: string, present: string])[];
}

/**
 * The list of a {@link SubscriptionRegistry} as a value: what is declared, renamed and retired, and
 * whom an event goes to. It knows nothing of queues.
 */
export interface SubscriptionList {
  /**
   * Adds subscriptions, or events to those known. If releases that run at the same time declare different
   * policies, the strictest ones hold, also when a release declares them under an earlier id. Returns who is
   * renamed: what waits or is dead under the one id moves to the other, in the step that stores the list.
   *
   * @throws TypeError when a pattern is malformed; nothing was declared.
   */
  declare(subscriptions: readonly SubscriptionSpec[]): readonly RenamedSubscription[];
  /**
   * Removes events from a subscription, or all of it when `events` is absent. Returns a function that
   * says whether it still wants an event of that name; the rest of its backlog is for `backlog` to
   * decide.
   */
  retire(subscriptionId: string, events?: readonly string[]): (name: string) => boolean;
  /** Records whether a subscription is paused in every process. Does nothing if no subscription has the id. */
  setPaused(subscriptionId: string, paused: boolean): void;
  /** Returns every subscription, and whether it is orphaned. */
  list(): RegisteredSubscription[];
  /** The subscription that is on the list under this id, with the policies that hold. */
  get(subscriptionId: string): SubscriptionSpec | undefined;
  /**
   * Ids of the subscriptions that an event of this name goes to. Counts it as withheld from those that
   * are orphaned: store the list in the same step if it has {@link changed}.
   */
  match(name: string): readonly string[];
  /** Whether it says something else than what was stored. */
  readonly changed: boolean;
  /** The id of today for one that may be of an earlier release. */
  presentId(subscriptionId: string): string;
  /** Returns the list as JSON, to be stored. */
  toJSON(): StoredSubscriptions;
}

/** What {@link createSubscriptionList} needs. */
export interface SubscriptionListContext extends Pick<ProviderContext, "orphanedAfterMs"> {
  /**
   * By which it is decided who is orphaned: the clock of the server that the list is stored on, the same for
   * all processes. Only a list that never leaves its process goes by the clock of that process.
   */
  readonly clock: Pick<Clock, "now">;
}

/** Makes a {@link SubscriptionList} out of what was stored. */
export function createSubscriptionList(
  { clock, orphanedAfterMs }: SubscriptionListContext,
  stored?: StoredSubscriptions,
): SubscriptionList {
  const known = new Map(stored?.subscriptions.map((it) => [it.subscriptionId, it]));
  const renamed = new Map(stored?.renamed);
  const router = createRouter(known.values());
  let changed = false;

  function declareOne(spec: SubscriptionSpec): readonly RenamedSubscription[] {
    const { subscriptionId } = spec;
    const present = renamed.get(subscriptionId);
    if (present !== undefined) {
      // A release that still has the earlier id: its policies count, its events are those of the present one.
      const after = known.get(present);
      if (after) known.set(present, { ...after, ...seenNow(spec, [after.declaredAt]) });
      return [];
    }
    const before = known.get(subscriptionId);
    const earlier = spec.aliases.filter((it) => it !== subscriptionId && !renamed.has(it));
    const former = [before, ...earlier.map((it) => known.get(it))];
    const declaredAt = former.map((it) => it?.declaredAt);
    known.set(subscriptionId, {
      subscriptionId,
      events: union(before?.events, spec.events),
      aliases: union(before?.aliases, spec.aliases),
      withheld: before?.withheld,
      ...(former.some((it) => it?.paused) && { paused: true }),
      ...(spec.temporary && { temporary: true }),
      ...seenNow(spec, declaredAt),
    });
    router.add(subscriptionId, spec.events);
    return earlier.map((alias) => rename(alias, subscriptionId));
  }

  /** What a declaration changes, besides events and ids, in what was declared under each of the ids. */
  function seenNow(
    spec: SubscriptionSpec,
    before: readonly (DeclaredPolicies | undefined)[],
  ): Pick<StoredSubscription, "ordering" | "onOrderedFailure" | "lastSeenAt" | "declaredAt"> {
    const now = clock.now();
    const declaredAt: { [Policy in OrderPolicy]?: number } = {};
    for (const policy of Object.values(ORDER_POLICIES).flat()) {
      const isOwn = declaredPolicies(spec).includes(policy);
      const at = isOwn ? now : Math.max(...before.map((it) => it?.[policy] ?? -Infinity));
      if (now - at < DECLARATION_COUNTS_MS) declaredAt[policy] = at;
    }
    const policies = strictestPolicies(spec, (policy) => declaredAt[policy] !== undefined);
    return { ...policies, lastSeenAt: now, declaredAt };
  }

  function rename(from: string, to: string): RenamedSubscription {
    renamed.set(from, to);
    for (const [earlier, present] of renamed) if (present === from) renamed.set(earlier, to);
    known.delete(from);
    router.remove(from);
    return { from, to };
  }

  function isOrphaned(lastSeenAt: number): boolean {
    return lastSeenAt <= clock.now() - orphanedAfterMs;
  }

  /** Answers whether it gets an event, and counts that it does not. */
  function gets(id: string): boolean {
    const subscription = known.get(id);
    if (!subscription || !isOrphaned(subscription.lastSeenAt)) return true;
    known.set(id, { ...subscription, withheld: (subscription.withheld ?? 0) + 1 });
    changed = true;
    return false;
  }

  return {
    declare(specs) {
      // Throws if a pattern is malformed, before anything has changed.
      createRouter(specs);
      changed = true;
      return specs.flatMap(declareOne);
    },

    retire(id, events) {
      changed = true;
      const subscription = known.get(id);
      const left = events ? (subscription?.events.filter((it) => !events.includes(it)) ?? []) : [];
      if (subscription && left.length > 0) {
        known.set(id, { ...subscription, events: left });
        router.remove(id, events);
      } else if (subscription) {
        known.delete(id);
        router.remove(id);
        for (const [earlier, present] of renamed) if (present === id) renamed.delete(earlier);
      }
      return (name) => left.some((pattern) => matchesPattern(pattern, name));
    },

    setPaused(id, paused) {
      const subscription = known.get(id);
      if (!subscription) return;
      changed = true;
      known.set(id, { ...subscription, paused: paused || undefined });
    },

    list: () =>
      Array.from(known.values(), (it) => {
        const { lastSeenAt, withheld = 0, paused = false } = it;
        const orphaned = isOrphaned(lastSeenAt);
        return { ...specOf(it), lastSeenAt, orphaned, withheld, ...(paused && { paused }) };
      }),

    match(name) {
      const ids = router.match(name);
      if (orphanedAfterMs === Infinity) return ids;
      return ids.filter(gets);
    },

    get changed() {
      return changed;
    },
    get(id) {
      const it = known.get(id);
      return it && specOf(it);
    },
    presentId: (id) => renamed.get(id) ?? id,
    toJSON: () => ({ subscriptions: [...known.values()], renamed: [...renamed] }),
  };
}

function union(known: readonly string[] = [], added: readonly string[]): readonly string[] {
  return [...new Set([...known, ...added])];
}

function specOf(stored: StoredSubscription): SubscriptionSpec {
  const { subscriptionId, events, ordering, onOrderedFailure, aliases, temporary } = stored;
  const spec = { subscriptionId, events, ordering, onOrderedFailure, aliases };
  return temporary ? { ...spec, temporary } : spec;
}
