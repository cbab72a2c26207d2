import type { Timer } from "../contract/clock.ts";
import type {
  ConsumerHandle,
  ConsumeSpec,
  DeadDelivery,
  Delivery,
  Envelope,
  EventProvider,
  Page,
  ProviderAdmin,
  ProviderContext,
  PublishOptions,
  PublishResult,
  Settlement,
  SubscriptionStats,
} from "../contract/provider.ts";
import { detached } from "../causality/detached.ts";
import { DeadLetters } from "../memory/dead-letters.ts";
import { RecentIds } from "../memory/recent-ids.ts";
import { matchesPattern } from "../provider/router.ts";

const DEDUPLICATION_WINDOW_MS = 3_600_000;

/** Stands for the subscriptions of a delayed event: which they are is known when its time has come. */
const DELAYED = "(delayed events)";

type Deliver = (delivery: Delivery) => Promise<Settlement>;

/** A subscription that is consumed through an {@link ProviderEmulation}. */
interface Consumed {
  readonly subscriptionId: string;
  readonly events: readonly string[];
  readonly deliver: Deliver;
  readonly dead: DeadLetters;
  inFlight: number;
}

/** A wait before a retry. */
interface Wait {
  readonly dueAt: number;
  /** The inner provider has the delivery in hand, and waits for it when it stops. */
  readonly isInHand: boolean;
  readonly giveUp: () => void;
}

/**
 * A provider that is not durable, with delays, deduplication and dead letters added in memory.
 *
 * A delayed retry holds its slot while it waits: there is nowhere else to keep it.
 */
export class ProviderEmulation {
  readonly admin: ProviderAdmin;
  readonly #inner: EventProvider;
  readonly #recent = new RecentIds(DEDUPLICATION_WINDOW_MS);
  /** Deduplication ids of events that the inner provider has not answered for. */
  readonly #undecided = new Set<string>();
  readonly #consumed = new Map<string, Consumed>();
  /** Events whose time has not come. */
  readonly #delayed = new Map<Timer, Envelope>();
  /** Waits before a retry, and what ends one that `stop` has no time for. */
  readonly #waits = new Map<Timer, Wait>();
  /** When `stop` has to end, on the clock's monotonic scale. */
  #stopBy: number | undefined;
  #context: ProviderContext | undefined;

  constructor(inner: EventProvider) {
    this.#inner = inner;
    this.admin = inner.admin ?? {
      stats: () => Promise.resolve(this.#stats()),
      listDead: (id, page) => Promise.resolve(this.#listDead(id, page)),
      replayDead: (id, ids) => Promise.resolve(this.#replayDead(id, ids)),
      discardDead: (id, ids) => Promise.resolve(this.#dead(id)?.take(ids).length ?? 0),
    };
  }

  start(context: ProviderContext): Promise<void> {
    this.#context = context;
    return this.#inner.start(context);
  }

  async publish(
    batch: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    const results: (PublishResult | undefined)[] = batch.map((envelope) => this.#keep(envelope));
    const now = batch.filter((_, index) => results[index] === undefined);
    const published = now.length > 0 ? await this.#publishNow(now, options) : [];
    let next = 0;
    return results.map((result) => result ?? (published[next++] as PublishResult));
  }

  async consume(spec: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle> {
    const { subscriptionId, events } = spec;
    const dead = this.#dead(subscriptionId) ?? this.#newDeadLetters(subscriptionId);
    const consumed: Consumed = { subscriptionId, events, deliver, dead, inFlight: 0 };
    this.#consumed.set(subscriptionId, consumed);
    return this.#inner.consume(spec, (delivery) => this.#settle(consumed, deliver, delivery));
  }

  async stop(options: { readonly graceMs: number }): Promise<void> {
    const stopBy = this.#now + options.graceMs;
    this.#stopBy ??= stopBy;
    this.#giveUpWaits(stopBy);
    for (const { dead } of this.#consumed.values()) dead.stop();
    for (const timer of this.#delayed.keys()) timer.cancel();
    if (this.#delayed.size > 0) this.#discard(DELAYED, this.#delayed.size);
    this.#delayed.clear();
    await this.#inner.stop(options);
    for (const timer of this.#waits.keys()) timer.cancel();
    this.#waits.clear();
  }

  /** Keeps an envelope that must not be published now, and says what becomes of it. */
  #keep(envelope: Envelope): PublishResult | undefined {
    const { delay, deduplication } = this.#inner.capabilities;
    const now = this.#now;
    const { deduplicationId, delayMs = 0 } = envelope;
    if (deduplicationId !== undefined && !deduplication) {
      const subscriptions = this.#wantedBy(envelope.name);
      if (this.#recent.has(deduplicationId, now) || this.#undecided.has(deduplicationId)) {
        return { status: "duplicate", subscriptions };
      }
      this.#undecided.add(deduplicationId);
    }
    if (delayMs <= 0 || delay) return undefined;
    this.#decide(envelope, true);
    this.#delay(envelope, delayMs);
    return { status: "accepted", subscriptions: this.#wantedBy(envelope.name) };
  }

  /** An id that is remembered for an event that was refused would lose the next try. */
  #decide({ deduplicationId }: Envelope, isAccepted: boolean): void {
    if (deduplicationId === undefined || !this.#undecided.delete(deduplicationId)) return;
    if (isAccepted) this.#recent.add(deduplicationId, this.#now);
  }

  async #publishNow(
    batch: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    let results: readonly PublishResult[] = [];
    try {
      results = await this.#inner.publish(batch, options);
      return results;
    } finally {
      batch.forEach((envelope, index) => {
        this.#decide(envelope, results[index]?.status === "accepted");
      });
    }
  }

  #delay(envelope: Envelope, delayMs: number): void {
    const clock = this.#context?.clock;
    if (!clock || this.#stopBy !== undefined) {
      this.#discard(DELAYED, 1);
      return;
    }
    const publish = (): void => {
      this.#delayed.delete(timer);
      void this.#publishLate({ ...envelope, delayMs: undefined });
    };
    const timer = clock.setTimeout(publish, delayMs, { keepAlive: true });
    this.#delayed.set(timer, envelope);
  }

  async #publishLate(envelope: Envelope): Promise<void> {
    const options = { deadline: this.#now + 60_000, inHandler: true };
    try {
      const [result] = await this.#inner.publish([envelope], options);
      if (result?.status === "rejected") throw new Error(result.reason, { cause: result.cause });
    } catch (err) {
      const { id: eventId, name: event } = envelope;
      this.#context?.logger.error(
        { err, eventId, event },
        "A delayed event could not be published",
      );
      this.#discard(DELAYED, 1);
    }
  }

  async #settle(
    consumed: Consumed,
    deliver: Deliver,
    delivery: Delivery,
    isInHand = true,
  ): Promise<Settlement> {
    consumed.inFlight += 1;
    try {
      const settlement = await deliver(delivery);
      if (settlement.type === "dead" && !this.#inner.admin) {
        consumed.dead.add(delivery.envelope, settlement.reason, settlement.state, undefined);
      }
      const delayMs = "delayMs" in settlement ? (settlement.delayMs ?? 0) : 0;
      if (delayMs === 0 || this.#inner.capabilities.delay) return settlement;
      if (await this.#wait(delayMs, isInHand)) return { ...settlement, delayMs: 0 } as Settlement;
      // Handed back, it would be delivered again at once, for as long as the inner provider drains.
      this.#discard(consumed.subscriptionId, 1);
      return { type: "ack" };
    } finally {
      consumed.inFlight -= 1;
    }
  }

  #replayDead(subscriptionId: string, ids: readonly string[]): number {
    const consumed = this.#consumed.get(subscriptionId);
    const letters = consumed?.dead.take(ids) ?? [];
    for (const { delivery } of letters) {
      void detached(() => this.#redeliver(consumed as Consumed, delivery));
    }
    return letters.length;
  }

  /** Delivers without the inner provider: it has no way to reach a single subscription. */
  async #redeliver(consumed: Consumed, { envelope }: DeadDelivery): Promise<void> {
    let delivery: Delivery = { envelope, crashes: 0 };
    while (this.#stopBy === undefined) {
      const settlement = await this.#settle(consumed, consumed.deliver, delivery, false);
      if (settlement.type === "ack" || settlement.type === "dead") return;
      if (settlement.type === "retry") delivery = { ...delivery, state: settlement.state };
    }
    this.#discard(consumed.subscriptionId, 1);
  }

  /** Resolves with false when there is no time for it before the end of `stop`. */
  #wait(delayMs: number, isInHand: boolean): Promise<boolean> {
    const clock = this.#context?.clock;
    const dueAt = this.#now + delayMs;
    const hasTime = this.#stopBy === undefined || (isInHand && dueAt <= this.#stopBy);
    if (!clock || !hasTime) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waits.delete(timer);
        resolve(true);
      };
      const timer = clock.setTimeout(end, delayMs, { keepAlive: true });
      this.#waits.set(timer, { dueAt, isInHand, giveUp: () => resolve(false) });
    });
  }

  #giveUpWaits(stopBy: number): void {
    for (const [timer, { dueAt, isInHand, giveUp }] of this.#waits) {
      if (isInHand && dueAt <= stopBy) continue;
      this.#waits.delete(timer);
      timer.cancel();
      giveUp();
    }
  }

  #discard(subscriptionId: string, count: number): void {
    this.#context?.report({ type: "discarded", subscriptionId, count });
  }

  #dead(subscriptionId: string): DeadLetters | undefined {
    return this.#consumed.get(subscriptionId)?.dead;
  }

  #newDeadLetters(subscriptionId: string): DeadLetters {
    const context = this.#context;
    if (!context) throw new TypeError("Call start() before consume()");
    return new DeadLetters(context.clock, context.deadLetters, ({ length: count }) =>
      context.report({ type: "dead-letters-dropped", subscriptionId, count }),
    );
  }

  #listDead(
    subscriptionId: string,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Page<DeadDelivery> {
    return this.#dead(subscriptionId)?.page(limit, cursor) ?? { items: [] };
  }

  /** What waits inside the inner provider is not known. */
  #stats(): readonly SubscriptionStats[] {
    const delayed = [...this.#delayed.values()];
    return [...this.#consumed].map(([subscriptionId, { events, inFlight, dead }]) => ({
      subscriptionId,
      ready: 0,
      delayed: delayed.filter(({ name }) => isWanted(name, events)).length,
      inFlight,
      dead: dead.size,
    }));
  }

  get #now(): number {
    return this.#context?.clock.monotonic() ?? 0;
  }

  #wantedBy(name: string): number {
    const all = [...this.#consumed.values()];
    return all.filter(({ events }) => isWanted(name, events)).length;
  }
}

function isWanted(name: string, events: readonly string[]): boolean {
  return events.some((event) => matchesPattern(event, name));
}
