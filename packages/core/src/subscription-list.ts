import type { Clock } from "./contracts/clock.ts";
import type { RegisteredSubscription, SubscriptionSpec } from "./contracts/provider-parts.ts";
import type { ProviderContext } from "./contracts/provider.ts";
import type { Ordering } from "./contracts/subscriber.ts";
import { createRouter, matchesPattern } from "./router.ts";

/** When each ordering of a subscription was declared last, in milliseconds since the epoch. */
export type DeclaredOrderings = { readonly [Key in Ordering]?: number | undefined };

/** A subscription that goes by another id from now on. */
export interface RenamedSubscription {
  readonly from: string;
  readonly to: string;
}

/**
 * Milliseconds for which a declaration of a subscription's ordering counts: each process declares every minute.
 */
export const DECLARATION_COUNTS_MS = 180_000;

/** Finds the strictest ordering that meets a condition, such as that a release which runs has declared it. */
export function strictestOrdering(meets: (ordering: Ordering) => boolean): Ordering | undefined {
  return (["all", "key", "none"] as const).find(meets);
}

/** A {@link SubscriptionList} as it is stored: JSON. */
export interface StoredSubscriptions {
  readonly subscriptions: readonly (SubscriptionSpec & {
    readonly lastSeenAt: number;
    /** Absent: none. */
    readonly withheld?: number | undefined;
    /** When each ordering was declared last, in milliseconds since the epoch. */
    readonly declaredAt?: DeclaredOrderings | undefined;
  })[];
  /** Earlier ids, each with the present one. */
  readonly renamed: readonly (readonly [earlier: string, present: string])[];
}

/**
 * The list of a {@link SubscriptionRegistry} as a value: what is declared, renamed and retired, and
 * whom an event goes to. It knows nothing of queues.
 */
export interface SubscriptionList {
  /**
   * Adds subscriptions, or events to those known. Where releases that run at the same time declare different
   * orderings, the strictest holds. Returns who is renamed: what waits or is dead under
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
  /**
   * Ids of the subscriptions that an event of this name goes to. Counts it as withheld from those that
   * are orphaned: store the list in the same step if it has {@link changed}.
   */
  match(name: string): readonly string[];
  /** Whether it says something else than what was stored. */
  readonly changed: boolean;
  /** The id of today for one that may be of an earlier release. */
  presentId(subscriptionId: string): string;
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
    const { subscriptionId, ordering, onOrderedFailure } = spec;
    // A release that still has the earlier id: its subscription is declared under the present one.
    if (renamed.has(subscriptionId)) return [];
    const before = known.get(subscriptionId);
    const events = union(before?.events, spec.events);
    const aliases = union(before?.aliases, spec.aliases);
    const now = clock.now();
    const declaredAt: DeclaredOrderings = { ...before?.declaredAt, [ordering]: now };
    known.set(subscriptionId, {
      subscriptionId,
      events,
      ordering: strictestOrdering((it) => isLive(declaredAt[it], now)) ?? ordering,
      onOrderedFailure,
      aliases,
      lastSeenAt: now,
      withheld: before?.withheld,
      declaredAt,
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

    list: () =>
      Array.from(known.values(), (it) => {
        const { subscriptionId, events, ordering, onOrderedFailure, aliases, lastSeenAt } = it;
        return {
          subscriptionId,
          events,
          ordering,
          onOrderedFailure,
          aliases,
          lastSeenAt,
          orphaned: isOrphaned(lastSeenAt),
          withheld: it.withheld ?? 0,
        };
      }),

    match(name) {
      const ids = router.match(name);
      if (orphanedAfterMs === Infinity) return ids;
      return ids.filter(gets);
    },

    get changed() {
      return changed;
    },
    has: (id) => known.has(id),
    presentId: (id) => renamed.get(id) ?? id,
    toJSON: () => ({ subscriptions: [...known.values()], renamed: [...renamed] }),
  };
}

function union(known: readonly string[] = [], added: readonly string[]): readonly string[] {
  return [...new Set([...known, ...added])];
}

function isLive(declaredAt: number | undefined, now: number): boolean {
  return declaredAt !== undefined && now - declaredAt < DECLARATION_COUNTS_MS;
}
