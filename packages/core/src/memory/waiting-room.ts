import type { Envelope, PublishResult } from "../contract/provider.ts";
import { quoted } from "../errors/quoted.ts";
import { Deque } from "./deque.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";
import type { Waiter, WaiterGroup, WaitingPublish } from "./waiting-publish.ts";

/** Waiters with a result that stay in a list before it is cleaned. */
const MAX_DONE = 64;

/** Where what waits wants to go. */
export interface PublishTarget {
  /** The most deliveries that wait in one queue. */
  readonly maxPending: number;
  /** The queues that an envelope goes to. */
  queuesOf(envelope: Envelope): readonly SubscriptionQueue[];
  /** Puts an envelope in all its queues. */
  place(envelope: Envelope): PublishResult;
}

/**
 * Where envelopes wait while a queue they go to is full. One goes on when there is room in all its
 * queues, and those that came first go first. Envelopes whose queues have room pass those that wait,
 * unless they share a queue that keeps an order.
 */
export class WaitingRoom {
  readonly #target: PublishTarget;
  /** By the ids of their subscriptions, so that they are few. */
  readonly #groups = new Map<string, WaiterGroup>();
  /** How many envelopes wait. */
  size = 0;
  #lastSequence = 0;

  constructor(target: PublishTarget) {
    this.#target = target;
  }

  /** The queue for which an envelope that comes now has to wait. */
  obstacle(queues: readonly SubscriptionQueue[]): SubscriptionQueue | undefined {
    for (const queue of queues) {
      if (queue.isFull || (this.size > 0 && queue.isOrdered && this.#isAwaited(queue))) {
        return queue;
      }
    }
    return undefined;
  }

  /** Lets an envelope wait, and gives its result to `publish` later. */
  wait(publish: WaitingPublish, index: number, envelope: Envelope): void {
    const group = this.#groupFor(envelope);
    const sequence = ++this.#lastSequence;
    const waiter = { publish, index, envelope, sequence, group, done: false };
    publish.waiters.push(waiter);
    this.#line(waiter);
    this.size++;
  }

  /** Lets in those for whom there is room. */
  admit(): void {
    const open = new Set(this.#groups.values());
    /** Queues that keep an order, and that somebody who goes on waiting wants. */
    const awaited = new Set<SubscriptionQueue>();
    for (;;) {
      const waiter = firstOf(open);
      if (!waiter) return;
      const { group } = waiter;
      if (group.queues.some((queue) => queue.isFull || awaited.has(queue))) {
        open.delete(group);
        for (const queue of group.queues) if (queue.isOrdered) awaited.add(queue);
      } else {
        group.waiters.shift();
        this.#finish(waiter, this.#target.place(waiter.envelope));
      }
    }
  }

  /** The subscriptions have changed, and with them who goes where. */
  regroup(): void {
    if (this.size === 0) return;
    const waiters = this.#all();
    this.#groups.clear();
    for (const waiter of waiters) {
      waiter.group = this.#groupFor(waiter.envelope);
      this.#line(waiter);
    }
    this.admit();
  }

  /** Rejects what waits of a publish: its deadline has come. */
  expire(publish: WaitingPublish): void {
    for (const waiter of publish.waiters) {
      if (!waiter.done) this.#finish(waiter, this.overloaded(waiter.envelope));
    }
    // They may have been in the way of others.
    this.admit();
  }

  /** Rejects all that wait. */
  close(reason: string): void {
    for (const waiter of this.#all()) {
      this.#finish(waiter, { status: "rejected", code: "refused", reason });
    }
  }

  /** The result of an envelope for which there is no room in time. */
  overloaded(envelope: Envelope): PublishResult {
    const queues = this.#target.queuesOf(envelope);
    const queue = queues.find((it) => it.isFull) ?? this.obstacle(queues);
    const reason = `Subscription ${quoted(queue?.subscriptionId ?? "")} has no room (maxPending: ${this.#target.maxPending})`;
    return { status: "rejected", code: "overloaded", reason };
  }

  #isAwaited(queue: SubscriptionQueue): boolean {
    for (const { queues } of this.#groups.values()) if (queues.includes(queue)) return true;
    return false;
  }

  #groupFor(envelope: Envelope): WaiterGroup {
    const queues = this.#target.queuesOf(envelope);
    const key = queues.map((queue) => queue.subscriptionId).join("\n");
    let group = this.#groups.get(key);
    if (!group) {
      group = { key, queues, waiters: new Deque(), live: 0 };
      this.#groups.set(key, group);
    }
    return group;
  }

  #line(waiter: Waiter): void {
    waiter.group.waiters.push(waiter);
    waiter.group.live++;
  }

  /** In the order in which they came. */
  #all(): Waiter[] {
    const waiters: Waiter[] = [];
    for (const group of this.#groups.values()) {
      for (const waiter of group.waiters) if (!waiter.done) waiters.push(waiter);
    }
    return waiters.toSorted((a, b) => a.sequence - b.sequence);
  }

  #finish(waiter: Waiter, result: PublishResult): void {
    const { group } = waiter;
    waiter.done = true;
    this.size--;
    group.live--;
    if (group.live === 0) {
      this.#groups.delete(group.key);
    } else if (group.waiters.size > 2 * group.live + MAX_DONE) {
      for (const other of group.waiters.takeAll()) if (!other.done) group.waiters.push(other);
    }
    waiter.publish.settle(waiter.index, result);
  }
}

/** Who came first of all who wait in these groups. */
function firstOf(groups: ReadonlySet<WaiterGroup>): Waiter | undefined {
  let first: Waiter | undefined;
  for (const { waiters } of groups) {
    while (waiters.first()?.done) waiters.shift();
    const candidate = waiters.first();
    if (candidate && (!first || candidate.sequence < first.sequence)) first = candidate;
  }
  return first;
}
