import type {
  Envelope,
  PublishResult,
  RegisteredSubscription,
  RetiredBacklog,
  SubscriptionSpec,
} from "../contract/provider.ts";
import { quoted } from "../errors/quoted.ts";
import { createSubscriptionList, type SubscriptionList } from "../provider/subscription-list.ts";
import type { DeliveryChannel } from "./delivery-channel.ts";
import type { QueueHost } from "./queue-host.ts";
import type { RecentIds } from "./recent-ids.ts";
import { SubscriptionQueue } from "./subscription-queue.ts";

/** The subscriptions of one provider and their queues. */
export class MemorySubscriptions {
  readonly #host: QueueHost;
  readonly #channel: DeliveryChannel;
  readonly #list: SubscriptionList;
  /** Also those of retired subscriptions that have something left. */
  readonly #queues = new Map<string, SubscriptionQueue>();
  /** What retired subscriptions remember of which nothing else is left, for one of the same id. */
  readonly #remembered = new Map<string, RecentIds>();
  /** By what the list found: it finds the same list again until something changes. */
  #targets = new WeakMap<readonly string[], readonly SubscriptionQueue[]>();
  #lastName: string | undefined;
  #lastQueues: readonly SubscriptionQueue[] = [];

  constructor(host: QueueHost, channel: DeliveryChannel) {
    this.#host = host;
    this.#channel = channel;
    // Whoever declared a subscription is this process: none is ever orphaned.
    this.#list = createSubscriptionList({ clock: host.clock, orphanedAfterMs: Infinity });
  }

  /** The queue of a subscription, under whichever of its ids. */
  queue(subscriptionId: string): SubscriptionQueue | undefined {
    return this.#queues.get(this.#list.presentId(subscriptionId));
  }

  queues(): Iterable<SubscriptionQueue> {
    return this.#queues.values();
  }

  /** The queues of those that want an event. */
  #queuesFor(name: string): readonly SubscriptionQueue[] {
    // A publish asks twice, and most of its events have one name.
    if (name === this.#lastName) return this.#lastQueues;
    const ids = this.#list.match(name);
    let queues = this.#targets.get(ids);
    if (!queues) {
      queues = ids.flatMap((id) => this.#queues.get(id) ?? []);
      this.#targets.set(ids, queues);
    }
    this.#lastName = name;
    this.#lastQueues = queues;
    return queues;
  }

  /** The queues that an envelope goes to. */
  queuesOf({ name, to }: Envelope): readonly SubscriptionQueue[] {
    const queues = this.#queuesFor(name);
    if (!to) return queues;
    const targets = new Set(to.map((id) => this.queue(id)));
    return queues.filter((queue) => targets.has(queue));
  }

  /** Rejects an envelope to a subscription that does not get it. */
  unknownTarget({ name, to }: Envelope): PublishResult | undefined {
    const subscriptionId = to?.find((id) => !this.#gets(id, name));
    if (subscriptionId === undefined) return undefined;
    const isKnown = this.#list.get(this.#list.presentId(subscriptionId)) !== undefined;
    const reason = isKnown ? `it does not subscribe to ${quoted(name)}` : "nobody knows it";
    return { status: "rejected", code: "unknown-subscription", reason, subscriptionId };
  }

  #gets(id: string, name: string): boolean {
    const queue = this.queue(id);
    return queue !== undefined && this.#queuesFor(name).includes(queue);
  }

  /** @throws TypeError when a pattern is malformed; nothing was declared. */
  declare(specs: readonly SubscriptionSpec[]): void {
    this.#lastName = undefined;
    const renamed = this.#list.declare(specs);
    for (const { subscriptionId } of specs) {
      // A release that still uses an earlier id means the present one.
      const spec = this.#list.get(this.#list.presentId(subscriptionId));
      if (spec) this.#queueWith(spec).park(false);
    }
    for (const { from } of renamed) this.#rename(from);
  }

  list(): RegisteredSubscription[] {
    return this.#list.list();
  }

  setPaused(subscriptionId: string, paused: boolean): void {
    this.#list.setPaused(subscriptionId, paused);
  }

  retire(
    subscriptionId: string,
    events: readonly string[] | undefined,
    backlog: RetiredBacklog,
  ): number {
    this.#lastName = undefined;
    const isWanted = this.#list.retire(subscriptionId, events);
    // Not by an earlier id: nothing is left under it, and the present subscription is not meant.
    const queue = this.#queues.get(subscriptionId);
    if (!queue) return 0;
    if (!this.#list.get(subscriptionId)) queue.park(true);
    const count = backlog === "keep" ? 0 : queue.removeUnwanted(isWanted, backlog, "retired");
    this.removeIfUnused(queue);
    return count;
  }

  /** Forgets the queue of a retired subscription once nothing is left of it. */
  removeIfUnused(queue: SubscriptionQueue): void {
    const { subscriptionId } = queue;
    if (this.#list.get(subscriptionId) || !queue.isUnused) return;
    if (this.#queues.get(subscriptionId) !== queue) return;
    this.#removeQueue(queue);
    this.#remember(subscriptionId, queue.recentIds);
  }

  #remember(subscriptionId: string, ids: RecentIds): void {
    this.#remembered.set(subscriptionId, ids);
    const now = this.#host.clock.monotonic();
    for (const [id, recent] of this.#remembered) {
      if (recent.isEmpty(now)) this.#remembered.delete(id);
    }
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

  /** The queue of a subscription, under the policies that hold now. */
  #queueWith({ subscriptionId, ordering, onOrderedFailure }: SubscriptionSpec): SubscriptionQueue {
    const before = this.#queues.get(subscriptionId);
    const isSame =
      before?.policy.ordering === ordering && before.policy.onOrderedFailure === onOrderedFailure;
    if (before && isSame) return before;
    const queue = new SubscriptionQueue({ subscriptionId, ordering, onOrderedFailure }, this.#host);
    const remembered = this.#remembered.get(subscriptionId);
    if (remembered) queue.recentIds.addAll(remembered);
    this.#remembered.delete(subscriptionId);
    if (before) {
      queue.absorb(before);
      this.#removeQueue(before);
      this.#targets = new WeakMap();
    }
    this.#queues.set(subscriptionId, queue);
    this.#channel.on(subscriptionId, queue.accept);
    return queue;
  }

  #removeQueue(queue: SubscriptionQueue): void {
    this.#queues.delete(queue.subscriptionId);
    this.#channel.off(queue.subscriptionId, queue.accept);
    queue.stop();
  }

  #rename(earlier: string): void {
    const old = this.#queues.get(earlier);
    // Not the one that it was renamed to: that may have been renamed in the same declaration.
    const queue = this.queue(earlier);
    if (!old || !queue) return;
    queue.absorb(old);
    this.#removeQueue(old);
  }
}
