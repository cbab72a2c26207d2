import type {
  RegisteredSubscription,
  RetiredBacklog,
  SubscriptionSpec,
} from "../contracts/provider-parts.ts";
import { createRouter, matchesPattern } from "../router.ts";
import type { DeliveryChannel } from "./delivery-channel.ts";
import type { QueueHost } from "./queue-host.ts";
import { SubscriptionQueue } from "./subscription-queue.ts";

interface Registration {
  readonly spec: SubscriptionSpec;
  readonly lastSeenAt: number;
}

/** The subscriptions of one provider and their queues. */
export class MemorySubscriptions {
  readonly #host: QueueHost;
  readonly #channel: DeliveryChannel;
  readonly #router = createRouter();
  readonly #registered = new Map<string, Registration>();
  /** Also those of retired subscriptions that have something left. */
  readonly #queues = new Map<string, SubscriptionQueue>();
  /** From earlier ids to present ones. */
  readonly #aliases = new Map<string, string>();
  /** By what the router found: it finds the same list again until something changes. */
  #targets = new WeakMap<readonly string[], readonly SubscriptionQueue[]>();
  #lastIds: readonly string[] | undefined;
  #lastQueues: readonly SubscriptionQueue[] = [];

  constructor(host: QueueHost, channel: DeliveryChannel) {
    this.#host = host;
    this.#channel = channel;
  }

  /** The queue of a subscription, under whichever of its ids. */
  queue(subscriptionId: string): SubscriptionQueue | undefined {
    return this.#queues.get(this.#aliases.get(subscriptionId) ?? subscriptionId);
  }

  queues(): Iterable<SubscriptionQueue> {
    return this.#queues.values();
  }

  /** The queues of those that want an event. */
  queuesFor(name: string): readonly SubscriptionQueue[] {
    const ids = this.#router.match(name);
    // A publish asks twice.
    if (ids === this.#lastIds) return this.#lastQueues;
    let queues = this.#targets.get(ids);
    if (!queues) {
      queues = ids.flatMap((id) => this.#queues.get(id) ?? []);
      this.#targets.set(ids, queues);
    }
    this.#lastIds = ids;
    this.#lastQueues = queues;
    return queues;
  }

  declare(spec: SubscriptionSpec): void {
    const { subscriptionId } = spec;
    // A release that still uses the earlier id: its subscription is declared under the new one.
    if (this.#aliases.has(subscriptionId)) return;
    this.#router.add(subscriptionId, spec.events);
    const known = this.#registered.get(subscriptionId)?.spec;
    const queue = this.#queues.get(subscriptionId) ?? this.#addQueue(spec);
    this.#registered.set(subscriptionId, {
      spec: {
        // As first declared.
        ...queue.policy,
        events: union(known?.events, spec.events),
        aliases: union(known?.aliases, spec.aliases),
      },
      lastSeenAt: this.#host.clock.now(),
    });
    queue.park(false);
    for (const alias of spec.aliases) this.#rename(alias, queue);
  }

  list(): RegisteredSubscription[] {
    return [...this.#registered.values()].map(({ spec, lastSeenAt }) => ({
      ...spec,
      lastSeenAt,
      // Whoever declared it is this process.
      orphaned: false,
    }));
  }

  retire(
    subscriptionId: string,
    events: readonly string[] | undefined,
    backlog: RetiredBacklog,
  ): number {
    // Not by an earlier id: nothing is left under it, and the present subscription is not meant.
    const queue = this.#queues.get(subscriptionId);
    if (!queue) return 0;
    const registration = this.#registered.get(subscriptionId);
    const left = events
      ? (registration?.spec.events.filter((event) => !events.includes(event)) ?? [])
      : [];
    this.#router.remove(subscriptionId, left.length > 0 ? events : undefined);
    if (registration && left.length > 0) {
      this.#registered.set(subscriptionId, {
        ...registration,
        spec: { ...registration.spec, events: left },
      });
    } else {
      this.#registered.delete(subscriptionId);
      for (const [earlier, id] of this.#aliases) {
        if (id === subscriptionId) this.#aliases.delete(earlier);
      }
      queue.park(true);
    }
    const isWanted = (name: string) => left.some((pattern) => matchesPattern(pattern, name));
    const count = backlog === "keep" ? 0 : queue.removeUnwanted(isWanted, backlog);
    this.removeIfUnused(queue);
    return count;
  }

  /** Forgets the queue of a retired subscription once nothing is left of it. */
  removeIfUnused(queue: SubscriptionQueue): void {
    const { subscriptionId } = queue;
    if (this.#registered.has(subscriptionId) || !queue.isUnused) return;
    if (this.#queues.get(subscriptionId) === queue) this.#removeQueue(queue);
  }

  /** Ends all queues. Returns how many deliveries each leaves. */
  stop(): Map<string, number> {
    const left = new Map<string, number>();
    for (const queue of this.#queues.values()) {
      this.#channel.off(queue.subscriptionId, queue.accept);
      left.set(queue.subscriptionId, queue.stop());
    }
    return left;
  }

  #addQueue(spec: SubscriptionSpec): SubscriptionQueue {
    const { subscriptionId, ordering, onOrderedFailure } = spec;
    const queue = new SubscriptionQueue({ subscriptionId, ordering, onOrderedFailure }, this.#host);
    this.#queues.set(subscriptionId, queue);
    this.#channel.on(subscriptionId, queue.accept);
    return queue;
  }

  #removeQueue(queue: SubscriptionQueue): void {
    this.#queues.delete(queue.subscriptionId);
    this.#channel.off(queue.subscriptionId, queue.accept);
    queue.stop();
  }

  #rename(alias: string, queue: SubscriptionQueue): void {
    const { subscriptionId } = queue;
    if (alias === subscriptionId || this.#aliases.has(alias)) return;
    this.#aliases.set(alias, subscriptionId);
    for (const [earlier, id] of this.#aliases) {
      if (id === alias) this.#aliases.set(earlier, subscriptionId);
    }
    this.#router.remove(alias);
    this.#registered.delete(alias);
    const old = this.#queues.get(alias);
    if (!old) return;
    queue.absorb(old);
    this.#removeQueue(old);
  }
}

function union(known: readonly string[] | undefined, added: readonly string[]): readonly string[] {
  return [...new Set([...(known ?? []), ...added])];
}
