import type { ConsumerHandle, ConsumeSpec, Deliver, Delivery, Timer } from "@busbar/core/provider";
import { queueName } from "../store/keys.ts";
import type { RegistrySnapshot } from "../registry/registry.ts";
import type { Session } from "../registry/session.ts";
import type { HeldJob, ReaderMember, Settle } from "./run-owner.ts";
import { createProcessShare, type ProcessShare } from "./process-share.ts";
import { type QueueReader, SharedReaders } from "./queue-reader.ts";
import type { Suspects } from "../crash-isolation/suspects.ts";

/**
 * A consumer has jobs fetched ahead for as many milliseconds, besides those that Redis takes to answer. Jobs
 * that take longer are not fetched ahead: others may have slots for them.
 */
const AHEAD_MS = 5;

/** The least that a handler is taken to need, in milliseconds. */
const LEAST_MS = 0.01;

/** Milliseconds that handing back may take at the end of a close, while Redis answers. */
const HAND_BACK_MS = 2_000;

/** The consumers of a provider, which share its readers and slots. */
export interface Consumers {
  /** Begins to consume a subscription. Resolves when its queues are being read, or tried to be. */
  consume(spec: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle>;
}

export function createConsumers(session: Session): Consumers {
  const share = createProcessShare(session);
  const readers = new SharedReaders(share);
  return {
    async consume(spec, deliver) {
      const consumer = new Consumer(share, readers, spec, deliver);
      await consumer.start();
      return { close: ({ graceMs }) => consumer.close(graceMs) };
    },
  };
}

/** Runs the deliveries of one subscription, in its slots. */
class Consumer implements ReaderMember {
  readonly concurrency: number;
  readonly blocks: boolean;
  readonly suspects: Suspects;
  readonly #share: ProcessShare;
  readonly #shared: SharedReaders;
  readonly #spec: ConsumeSpec;
  readonly #deliver: Deliver;
  readonly #readers = new Map<string, QueueReader>();
  readonly #runs = new Set<HeldJob>();
  /** Jobs of which something waits for a slot, in the order in which they came. */
  readonly #waiting: HeldJob[] = [];
  #freeSlots: number;
  #subscriptionId: string;
  #ids: ReadonlySet<string>;
  #averageMs: number | undefined;
  /** How long the latest job took that was run. */
  #tookMs = Number.POSITIVE_INFINITY;
  #isFilling = false;
  #stopListening: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;
  #deadline = Number.POSITIVE_INFINITY;
  #deadlineTimer: Timer | undefined;
  #onDeadline: (() => void) | undefined;
  #onIdle: (() => void) | undefined;

  constructor(share: ProcessShare, readers: SharedReaders, spec: ConsumeSpec, deliver: Deliver) {
    this.#share = share;
    this.#shared = readers;
    this.#spec = spec;
    this.#deliver = deliver;
    this.concurrency = spec.concurrency;
    this.blocks = spec.onOrderedFailure === "block";
    this.suspects = share.suspects;
    this.#freeSlots = spec.concurrency;
    this.#subscriptionId = spec.subscriptionId;
    this.#ids = new Set([spec.subscriptionId]);
  }

  get subscriptionId(): string {
    return this.#subscriptionId;
  }

  get averageMs(): number | undefined {
    return this.#averageMs;
  }

  ahead(roundTripMs: number): number {
    // A busy event loop makes quick handlers take as long as answers, and either may miss a turn.
    if (this.#tookMs > 2 * roundTripMs + AHEAD_MS) return 0;
    const eachMs = Math.max(this.#averageMs ?? 0, LEAST_MS) / this.concurrency;
    return Math.floor((roundTripMs + AHEAD_MS) / eachMs);
  }

  get freeSlots(): number {
    return this.#freeSlots;
  }

  get usableSlots(): number {
    return Math.min(this.#freeSlots, this.#share.slots.share);
  }

  get waiting(): number {
    let count = 0;
    for (const run of this.#runs) count += run.waiting;
    return count;
  }

  accepts(subscriptionId: string): boolean {
    return this.#ids.has(subscriptionId);
  }

  async start(): Promise<void> {
    const { registry, context } = this.#share.session;
    this.#share.slots.join(this);
    try {
      this.#follow(await registry.snapshot());
    } catch (err) {
      // It is followed as soon as it is known.
      context.logger.debug({ err }, "The list of subscriptions is not known yet");
      this.#read([queueName(this.#spec.subscriptionId)]);
    }
    this.#stopListening = registry.onChange((snapshot) => this.#follow(snapshot));
  }

  add(run: HeldJob): void {
    this.#runs.add(run);
    if (run.hasWaiting && !this.#waiting.includes(run)) this.#waiting.push(run);
    this.#startWaiting();
  }

  fill(): void {
    this.#startWaiting();
    if (this.#waiting.length === 0) this.#wakeReaders();
  }

  #startWaiting(): void {
    // What ends at once would fill its slot from within this very call, ever deeper.
    if (this.#isFilling) return;
    this.#isFilling = true;
    let run = this.#waiting[0];
    while (run) {
      if (!run.hasWaiting) this.#waiting.shift();
      else if (this.#takeSlot()) run.startNext();
      else break;
      run = this.#waiting[0];
    }
    this.#isFilling = false;
  }

  slotFreed(): void {
    this.#freeSlots += 1;
    this.#share.slots.give();
    this.fill();
  }

  ended(run: HeldJob, deliveries: number, tookMs: number): void {
    this.#runs.delete(run);
    if (deliveries > 0) {
      const ms = (tookMs * Math.min(this.concurrency, deliveries)) / deliveries;
      this.#averageMs = this.#averageMs === undefined ? ms : (3 * this.#averageMs + ms) / 4;
      const { maxEvents } = this.#share.session.options.batch;
      this.#tookMs = tookMs / Math.max(1, deliveries / maxEvents);
    }
    if (this.#runs.size === 0) this.#onIdle?.();
    this.#wakeReaders();
  }

  slowDown(): void {
    this.#tookMs = Number.POSITIVE_INFINITY;
  }

  deliver(delivery: Delivery, settle: Settle): void {
    const fail = (err: unknown): void => {
      this.unsettled(err);
      settle(undefined);
    };
    try {
      this.#deliver(delivery).then(settle, fail);
    } catch (err) {
      fail(err);
    }
  }

  unsettled(err: unknown): void {
    const { logger } = this.#share.session.context;
    const fields = { err, subscriberId: this.#subscriptionId };
    logger.warn(fields, "A delivery ended without a settlement; it will come again");
  }

  dropped(subscriptionId: string, count: number): void {
    if (count === 0) return;
    const { context } = this.#share.session;
    try {
      context.report({ type: "dead-letters-dropped", subscriptionId, count });
    } catch (err) {
      context.logger.error({ err }, "A report to the bus failed");
    }
  }

  /** A second call may only bring the end nearer. */
  close(graceMs: number): Promise<void> {
    const { clock } = this.#share.session.context;
    const deadline = clock.monotonic() + graceMs;
    if (deadline < this.#deadline && !this.#isClosed) {
      this.#deadline = deadline;
      this.#deadlineTimer?.cancel();
      const end = (): void => this.#onDeadline?.();
      this.#deadlineTimer = clock.setTimeout(end, graceMs, { keepAlive: true });
    }
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopListening?.();
    const { slots, session } = this.#share;
    const left = [...this.#readers.keys()].map((name) => this.#shared.leave(name, this));
    for (const run of this.#runs) run.stop();
    const drained = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (this.#runs.size === 0) resolve();
    });
    const hasTimedOut = new Promise<void>((resolve) => (this.#onDeadline = resolve));
    await Promise.race([drained, hasTimedOut]);
    this.#deadlineTimer?.cancel();
    const released = Promise.all([...this.#runs].map((run) => run.release()));
    // While Redis is away, locks that end hand back the rest.
    if (session.link.isReady) await this.#within(HAND_BACK_MS, Promise.all([released, ...left]));
    slots.leave(this);
    this.#readers.clear();
    this.#isClosed = true;
    this.#deadlineTimer?.cancel();
  }

  #within(limitMs: number, work: Promise<unknown>): Promise<unknown> {
    const { clock } = this.#share.session.context;
    return new Promise((resolve) => {
      const timer = clock.setTimeout(() => resolve(undefined), limitMs, { keepAlive: true });
      void work.finally(() => {
        timer.cancel();
        resolve(undefined);
      });
    });
  }

  #takeSlot(): boolean {
    if (this.#freeSlots === 0 || !this.#share.slots.take(this)) return false;
    this.#freeSlots -= 1;
    return true;
  }

  #wakeReaders(): void {
    for (const reader of this.#readers.values()) reader.wake();
  }

  /** The list of subscriptions says what this one is called, and which queues it has. */
  #follow({ records, renamed }: RegistrySnapshot): void {
    if (this.#closing) return;
    let id = this.#spec.subscriptionId;
    for (let record = records.get(id); record?.renamedTo; record = records.get(id)) {
      id = record.renamedTo;
    }
    this.#subscriptionId = id;
    const ids = [this.#spec.subscriptionId, id];
    for (const [earlier, present] of renamed) if (present === id) ids.push(earlier);
    this.#ids = new Set(ids);
    this.#read(records.get(id)?.queues ?? [queueName(id)]);
  }

  #read(queues: readonly string[]): void {
    for (const name of queues) {
      if (!this.#readers.has(name)) this.#readers.set(name, this.#shared.join(name, this));
    }
    for (const name of this.#readers.keys()) {
      if (queues.includes(name)) continue;
      this.#readers.delete(name);
      void this.#shared.leave(name, this);
    }
  }
}
