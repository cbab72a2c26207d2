import type { JsonValue } from "../contract/json.ts";
import type {
  DeadDelivery,
  Envelope,
  Page,
  Settlement,
  SubscriptionSpec,
  SubscriptionStats,
  WaitingDelivery,
} from "../contract/provider.ts";
import { Backlog } from "./backlog.ts";
import { type StoredLetter, MemoryDeadLetters } from "./memory-dead-letters.ts";
import { HandOver } from "./hand-over.ts";
import type { MemoryConsumer } from "./memory-consumer.ts";
import type { QueueHost } from "./queue-host.ts";
import { RecentIds } from "./recent-ids.ts";
import type { QueueItem } from "./waiting-items.ts";
import { pageOfWaiting, type WaitingPage } from "./waiting-page.ts";

/** The policy of a queue, as long as it lasts: another policy of the subscription is another queue. */
export type QueuePolicy = Pick<
  SubscriptionSpec,
  "subscriptionId" | "ordering" | "onOrderedFailure"
>;

/**
 * The queue of one subscription. A delivery is ready, delayed, waiting for its key, in flight or
 * dead, and in exactly one of the five.
 */
export class SubscriptionQueue {
  readonly policy: QueuePolicy;
  readonly subscriptionId: string;
  /** Deduplication ids that this subscription has been given. */
  readonly recentIds: RecentIds;
  readonly #host: QueueHost;
  readonly #backlog: Backlog;
  readonly #dead: MemoryDeadLetters;
  readonly #handOver: HandOver;
  /** Those that have something in hand or may get it. */
  readonly #consumers = new Set<MemoryConsumer>();
  #stopped = false;

  constructor(policy: QueuePolicy, host: QueueHost) {
    this.policy = policy;
    this.subscriptionId = policy.subscriptionId;
    this.#host = host;
    this.recentIds = new RecentIds(host.deduplicationWindowMs);
    this.#backlog = new Backlog(host, policy.ordering, () => this.#handOver.schedule());
    this.#dead = new MemoryDeadLetters(host.clock, host.deadLetters, (letters) =>
      this.#dropped(letters),
    );
    this.#handOver = new HandOver(host, this.#backlog);
  }

  /** Deliveries that wait: ready, delayed, or for their key. */
  get pending(): number {
    return this.#backlog.size;
  }

  /** Whether that many more may come, and nothing waits for I/O and timers to have their turn. */
  takesAtOnce(count: number): boolean {
    return this.#backlog.size + count <= this.#host.maxPending && !this.#handOver.isBehind;
  }

  get isFull(): boolean {
    return this.pending >= this.#host.maxPending;
  }

  /** It could hand over more, and lets I/O and timers have their turn first. */
  get isBehind(): boolean {
    return this.#handOver.isBehind;
  }

  get isOrdered(): boolean {
    return this.policy.ordering !== "none";
  }

  /** Nothing is in it, and nobody is at it. */
  get isUnused(): boolean {
    return this.pending + this.#dead.size + this.#consumers.size === 0;
  }

  /** Takes an envelope in. Listens on the channel. */
  readonly accept = (envelope: Envelope): void => {
    if (!this.#stopped) this.#backlog.add(envelope);
  };

  attach(consumer: MemoryConsumer): void {
    this.#consumers.add(consumer);
    this.#handOver.add(consumer);
  }

  /** The consumer takes nothing new. */
  detach(consumer: MemoryConsumer): void {
    this.#handOver.remove(consumer);
    this.#host.progressed();
  }

  /** The consumer has nothing in hand any more. */
  ended(consumer: MemoryConsumer): void {
    this.#consumers.delete(consumer);
    this.#host.consumerEnded(this);
  }

  /** Of a retired subscription: its pending deliveries stay. */
  park(parked: boolean): void {
    this.#handOver.pause(parked);
  }

  /** Ends a delivery as the bus says. Without a settlement it comes again at once. */
  settle(item: QueueItem, settlement: Settlement | undefined): void {
    switch (settlement?.type) {
      case "ack":
        this.#backlog.leave(item);
        break;
      case "retry":
        item.state = settlement.state;
        item.crashes = 0;
        this.#backlog.takeBack(item, settlement.delayMs, false);
        break;
      case "dead":
        this.#die(item, settlement.reason, settlement.state);
        break;
      case "release":
        this.#backlog.takeBack(item, settlement.delayMs ?? 0, true);
        break;
      case undefined:
        item.crashes++;
        this.#backlog.takeBack(item, 0, true);
    }
    this.#handOver.slotFreed();
    this.#host.progressed();
  }

  stats(): SubscriptionStats {
    return {
      subscriptionId: this.subscriptionId,
      inFlight: this.#inFlight,
      dead: this.#dead.size,
      ...this.#backlog.stats(),
    };
  }

  /** What waits, in the order in which it becomes ready, as far as that is known. */
  listWaiting(page: WaitingPage): Page<WaitingDelivery> {
    return pageOfWaiting(this.#backlog.waiting(), page, this.#host.clock);
  }

  listDead(limit: number, cursor: string | undefined): Page<DeadDelivery> {
    return this.#dead.page(limit, cursor);
  }

  getDead(ids: readonly string[]): readonly DeadDelivery[] {
    return this.#dead.find(ids);
  }

  /** @param data Takes the place of each letter's own data. */
  replayDead(ids: readonly string[], data: JsonValue | undefined): number {
    const letters = this.#dead.take(ids);
    for (const { delivery, blockedKey } of letters) {
      const envelope = data === undefined ? delivery.envelope : { ...delivery.envelope, data };
      if (blockedKey === undefined) this.#backlog.addDue(envelope);
      else this.#backlog.addHolder(envelope, blockedKey);
    }
    return letters.length;
  }

  discardDead(ids: readonly string[]): number {
    const letters = this.#dead.take(ids);
    this.#unblock(letters);
    return letters.length;
  }

  /**
   * Removes the pending deliveries that are not wanted, the oldest first. If they become dead letters, it removes as many
   * as there is room for. Returns how many deliveries were removed.
   */
  removeUnwanted(
    isWanted: (name: string) => boolean,
    backlog: "dead-letter" | "discard",
    reason: "retired" | "drained",
  ): number {
    const items = this.#backlog.takeAll();
    const unwanted = items.filter((item) => !isWanted(item.envelope.name));
    const removed = backlog === "discard" ? unwanted : unwanted.slice(0, this.#dead.room);
    const isRemoved = new Set(removed);
    this.#backlog.putBack(items.filter((item) => !isRemoved.has(item)));
    for (const { envelope, state } of removed) {
      if (backlog === "dead-letter") this.#dead.add(envelope, reason, state ?? null, undefined);
      else this.#forgetId(envelope);
    }
    this.#host.progressed();
    return removed.length;
  }

  /** Removes the pending deliveries of an event. Returns how many there were. */
  cancel(eventId: string): number {
    const isOf = ({ envelope }: QueueItem): boolean => envelope.id === eventId;
    // To look takes less than to take out and to put back.
    if (!this.#backlog.has(isOf)) return 0;
    const items = this.#backlog.takeAll();
    this.#backlog.putBack(items.filter((item) => !isOf(item)));
    const cancelled = items.filter(isOf);
    for (const { envelope } of cancelled) this.#forgetId(envelope);
    this.#host.progressed();
    return cancelled.length;
  }

  /** Takes over all that another queue has: it is the same subscription under an earlier id or policy. */
  absorb(earlier: SubscriptionQueue): void {
    this.recentIds.addAll(earlier.recentIds);
    for (const consumer of earlier.#consumers) {
      consumer.queue = this;
      this.#consumers.add(consumer);
      if (!consumer.isClosing) this.#handOver.add(consumer);
      for (const item of consumer) this.#backlog.adoptKey(item);
    }
    for (const { delivery, blockedKey, addedAt } of earlier.#dead.takeAll()) {
      const blocks =
        blockedKey !== undefined &&
        this.policy.onOrderedFailure === "block" &&
        this.#backlog.holdKey(blockedKey);
      this.#dead.takeOver(delivery, blocks ? blockedKey : undefined, addedAt);
    }
    const waiting = earlier.#backlog.takeAll();
    earlier.#consumers.clear();
    earlier.stop();
    this.#backlog.putBack(waiting);
  }

  /** Whether it delivers anything before `deadline`, on the clock's monotonic scale. */
  canProgressBefore(deadline: number): boolean {
    if (this.#inFlight > 0) return true;
    if (!this.#handOver.isOpen) return false;
    const { ready, nextDue } = this.#backlog;
    return ready.size > 0 || (nextDue !== undefined && nextDue <= deadline);
  }

  /**
   * Ends its consumers at once and drops its pending deliveries. Returns how many there were. Dead letters stay to
   * be read.
   */
  stop(): number {
    for (const consumer of this.#consumers) consumer.abandon();
    this.#stopped = true;
    this.#handOver.stop();
    this.#dead.stop();
    return this.#backlog.takeAll().length;
  }

  get #inFlight(): number {
    let inFlight = 0;
    for (const consumer of this.#consumers) inFlight += consumer.inFlight;
    return inFlight;
  }

  #die(item: QueueItem, reason: string, state: JsonValue): void {
    const blocks = item.holdsKey && this.policy.onOrderedFailure === "block";
    this.#dead.add(item.envelope, reason, state, blocks ? item.key : undefined);
    if (!blocks) this.#backlog.leave(item);
  }

  #forgetId({ deduplicationId }: Envelope): void {
    if (deduplicationId !== undefined) this.recentIds.delete(deduplicationId);
  }

  #unblock(letters: readonly StoredLetter[]): void {
    for (const { blockedKey } of letters) {
      if (blockedKey !== undefined) this.#backlog.freeKey(blockedKey);
    }
  }

  #dropped(letters: readonly StoredLetter[]): void {
    this.#host.report({
      type: "dead-letters-dropped",
      subscriptionId: this.subscriptionId,
      count: letters.length,
    });
    this.#unblock(letters);
  }
}
