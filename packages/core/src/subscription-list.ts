import type { RegisteredSubscription, SubscriptionSpec } from "./contracts/provider-parts.ts";
import type { ProviderContext } from "./contracts/provider.ts";
import { createRouter, matchesPattern } from "./router.ts";

/** A subscription that goes by another id from now on. */
export interface RenamedSubscription {
  readonly from: string;
  readonly to: string;
}

/** A {@link SubscriptionList} as it is stored: JSON. */
export interface StoredSubscriptions {
  readonly subscriptions: readonly (SubscriptionSpec & { readonly lastSeenAt: number })[];
  /** Earlier ids, each with the present one. */
  readonly renamed: readonly (readonly [earlier: string, present: string])[];
}

/**
 * The list of a {@link SubscriptionRegistry} as a value: what is declared, renamed and retired, and
 * whom an event goes to. It knows nothing of queues.
 */
export interface SubscriptionList {
  /**
   * Adds subscriptions, or events to those known. Returns who is renamed: what waits or is dead under
   * the one id moves to the other, in the step that stores the list.
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
  list(): RegisteredSubscription[];
  /** Whether a subscription is on the list, under this id. */
  has(subscriptionId: string): boolean;
  /** Ids of the subscriptions that an event of this name goes to. */
  match(name: string): readonly string[];
  /** The id of today for one that may be of an earlier release. */
  presentId(subscriptionId: string): string;
  toJSON(): StoredSubscriptions;
}

/**
 * Makes a {@link SubscriptionList} out of what was stored.
 *
 * @param context What the provider was started with.
 */
export function createSubscriptionList(
  { clock, orphanedAfterMs }: Pick<ProviderContext, "clock" | "orphanedAfterMs">,
  stored?: StoredSubscriptions,
): SubscriptionList {
  const known = new Map(stored?.subscriptions.map((it) => [it.subscriptionId, it]));
  const renamed = new Map(stored?.renamed);
  const router = createRouter(known.values());

  function declareOne(spec: SubscriptionSpec): readonly RenamedSubscription[] {
    const { subscriptionId, ordering, onOrderedFailure } = spec;
    // A release that still has the earlier id: its subscription is declared under the present one.
    if (renamed.has(subscriptionId)) return [];
    const before = known.get(subscriptionId);
    const events = union(before?.events, spec.events);
    const aliases = union(before?.aliases, spec.aliases);
    known.set(subscriptionId, {
      subscriptionId,
      events,
      ordering,
      onOrderedFailure,
      aliases,
      lastSeenAt: clock.now(),
    });
    router.add(subscriptionId, spec.events);
    return spec.aliases
      .filter((alias) => alias !== subscriptionId && !renamed.has(alias))
      .map((alias) => rename(alias, subscriptionId));
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

  return {
    declare(specs) {
      // Throws if a pattern is malformed, before anything has changed.
      createRouter(specs);
      return specs.flatMap(declareOne);
    },

    retire(id, events) {
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

    list: () =>
      Array.from(known.values(), (it) => ({ ...it, orphaned: isOrphaned(it.lastSeenAt) })),

    match(name) {
      const ids = router.match(name);
      if (orphanedAfterMs === Infinity) return ids;
      return ids.filter((id) => !isOrphaned(known.get(id)?.lastSeenAt ?? 0));
    },

    has: (id) => known.has(id),
    presentId: (id) => renamed.get(id) ?? id,
    toJSON: () => ({ subscriptions: [...known.values()], renamed: [...renamed] }),
  };
}

function union(known: readonly string[] = [], added: readonly string[]): readonly string[] {
  return [...new Set([...known, ...added])];
}
