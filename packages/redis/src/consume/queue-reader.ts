import { setImmediate } from "node:timers";
import type { StoredPack } from "./body-cache.ts";
import { enterLane } from "./enter-lane.ts";
import type { HeldJob, ReaderMember, RunReader } from "./run-owner.ts";
import type { TakenJob } from "../store/job-data.ts";
import { JobQueue, type NextJobs } from "./job-queue.ts";
import { JobSource, type SourceReader } from "./job-source.ts";
import { type JobDeadlines, JobTimers } from "./job-timers.ts";
import { PackRun } from "./pack-run.ts";
import { Pauses } from "./pauses.ts";
import type { ProcessShare } from "./process-share.ts";
import { partsOfCrashed } from "../crash-isolation/crashed-parts.ts";
import { setAside } from "./set-aside.ts";
import { TurnRun } from "./turn-run.ts";

/** Milliseconds for which a busy subscription's jobs make way for others in the same queue. */
const SHARED_AFTER_MS = 100;

/** The longest of such waits, when its handlers are slow. */
const SHARED_MOST_MS = 1_000;

/** How many packs of quick events are on their way, or wait for slots, at a time. More bring little. */
const PACKS_AHEAD = 4;

/** Takes the jobs of one queue, for all consumers in this process that empty it. */
export class QueueReader implements RunReader, NextJobs, SourceReader, JobDeadlines {
  readonly queue: JobQueue;
  readonly #share: ProcessShare;
  readonly #source: JobSource;
  readonly #timers: JobTimers;
  readonly #pauses: Pauses;
  readonly #members = new Set<ReaderMember>();
  readonly #held = new Map<string, HeldJob>();
  /** Ids of jobs that are on their way to somewhere else. */
  readonly #passing = new Set<string>();
  readonly #steps = new Set<Promise<unknown>>();
  readonly #unwanted = new Unwanted();
  /** Events that answers on their way may bring. */
  #reserved = 0;
  #isRenewing = false;
  #closing: Promise<void> | undefined;

  constructor(name: string, share: ProcessShare) {
    const { session, ids } = share;
    const { context, options } = session;
    this.#share = share;
    this.#pauses = new Pauses(context.clock);
    this.queue = new JobQueue(name, session, ids, this.#pauses, this);
    this.#source = new JobSource(name, share, this.queue, this);
    const { splitAfterMs, checkpointMs } = options.batch;
    const times = { splitAfterMs, checkpointMs, renewEveryMs: options.lockDurationMs / 3 };
    this.#timers = new JobTimers(context.clock, times, this);
  }

  add(consumer: ReaderMember): void {
    this.#members.add(consumer);
    this.#unwanted.reset();
    this.wake();
  }

  /** The consumer takes no more. Resolves once the queue is read for nobody, if it was the last. */
  remove(consumer: ReaderMember): Promise<void> | undefined {
    this.#members.delete(consumer);
    if (this.#members.size > 0) return undefined;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** There may be room for another job. */
  wake(): void {
    this.#source.wake();
  }

  get isOneOfMany(): boolean {
    return this.#share.slots.takers > 1;
  }

  takeBreak(): Promise<void> {
    return this.#share.breaks.take();
  }

  load(
    body: string,
    numbers: readonly number[],
  ): readonly Promise<StoredPack | null | undefined>[] {
    return this.#share.bodies.load(body, numbers, (missing) => this.queue.readPacks(body, missing));
  }

  frontId(parentId: string, events: number): string {
    return this.#share.frontId(parentId, events);
  }

  makeWay(delayMs: number): void {
    this.#source.makeWay(delayMs);
  }

  checkpointSoon(run: HeldJob): void {
    this.#timers.checkpointSoon(run);
  }

  forget(run: HeldJob): void {
    if (this.#held.get(run.job.id) === run) this.#held.delete(run.job.id);
    this.#timers.forget(run);
    this.#endIfIdle();
  }

  /** What is in hand is its consumers' to end. */
  async #close(): Promise<void> {
    await this.#source.close();
    // Jobs that had not reached a consumer yet are on their way back.
    await Promise.all(this.#steps);
    this.#endIfIdle();
  }

  /** What is in hand needs its locks renewed until it has ended. */
  #endIfIdle(): void {
    if (!this.#closing || this.#held.size > 0 || this.#steps.size > 0) return;
    this.#timers.end();
    this.#pauses.end();
  }

  /**
   * How many events more should be on their way: as many as there are slots for, and as quick handlers will
   * have slots for by the time of the answer. Otherwise they would wait for Redis most of the time, and for
   * the event loop where that is busy.
   */
  #wanted(alongWithAnswer: boolean): number {
    if (this.#closing) return 0;
    let [free, ahead, due] = [Number.POSITIVE_INFINITY, 0, this.#reserved];
    for (const member of this.#members) {
      // Nobody knows whose the next one is.
      const { usableSlots } = member;
      if (usableSlots > 0) free = Math.min(free, usableSlots);
      ahead = Math.max(ahead, member.ahead(this.queue.roundTripMs));
      due += member.waiting;
    }
    const hasFree = Number.isFinite(free);
    if (!hasFree && !alongWithAnswer) return 0;
    const { maxEvents } = this.#share.session.options.batch;
    const wanted = (hasFree ? free : 0) + Math.min(ahead, PACKS_AHEAD * maxEvents) - due;
    return Math.min(Math.max(wanted, 0), maxEvents);
  }

  wantsMore(): boolean {
    return this.#wanted(false) > 0;
  }

  reserve(alongWithAnswer: boolean): number {
    const wanted = this.#wanted(alongWithAnswer);
    this.#reserved += wanted;
    return wanted;
  }

  arrived(jobs: readonly TakenJob[], reserved: number, emptyUntil: number | undefined): void {
    this.#reserved -= reserved;
    this.#source.answered(emptyUntil);
    for (const job of jobs) this.#take(job);
    this.wake();
  }

  missed(reserved: number): void {
    this.#reserved -= reserved;
    const { link } = this.#share.session;
    this.#track(
      link.whenReady().then(
        () => this.#reclaim(),
        () => {},
      ),
    );
  }

  /** Takes up jobs that were handed out in an answer which was lost. */
  async #reclaim(): Promise<void> {
    const jobs = await this.queue.reclaim([...this.#held.keys(), ...this.#passing]);
    for (const job of jobs) {
      if (!this.#held.has(job.id) && !this.#passing.has(job.id)) this.#take(job);
    }
  }

  #take(job: TakenJob): void {
    const known = this.#held.get(job.id);
    if (known?.adopt(job)) return;
    if (this.#closing) {
      this.#pass(job, this.queue.giveBack(job.id, 0));
      return;
    }
    const { subscription, events, key, crashed } = job.data;
    if (job.problem !== undefined) {
      this.#pass(job, this.#setAside(job));
    } else if (job.size > 1 && (job.stalled > 0 || crashed)) {
      this.#pass(job, this.#takeApart(job));
    } else if (events && key !== undefined) {
      this.#pass(job, enterLane(job, key, this.queue));
    } else {
      const consumer = this.#consumerOf(subscription);
      if (consumer) this.#run(job, consumer, known);
      else this.#pass(job, this.#passOn(job));
    }
  }

  #run(job: TakenJob, consumer: ReaderMember, known: HeldJob | undefined): void {
    const { batch } = this.#share.session.options;
    const subscription = consumer.subscriptionId;
    const run =
      job.size > 0
        ? new PackRun(job, subscription, consumer, this, batch)
        : new TurnRun(job, subscription, consumer, this, {
            ...batch,
            before: known?.whenOver,
          });
    this.#held.set(job.id, run);
    consumer.add(run);
    this.#timers.add(run, this.queue.roundTripMs);
    // Behind it there may be something for a subscription that has slots.
    if (run.waiting > 0 && consumer.usableSlots === 0 && this.#isShared) this.split(run, consumer);
  }

  #consumerOf(subscription: string): ReaderMember | undefined {
    let best: ReaderMember | undefined;
    for (const member of this.#members) {
      if (!member.accepts(subscription)) continue;
      if (!best || member.freeSlots > best.freeSlots) best = member;
    }
    return best;
  }

  /** The subscription is nobody's here: perhaps it has been renamed, or it is another process's. */
  async #passOn(job: TakenJob): Promise<void> {
    const { subscription } = job.data;
    const delayMs = this.#unwanted.delayMs(subscription);
    if (this.#unwanted.isNew(subscription)) {
      await this.#share.session.registry.snapshot(true).catch(() => {});
      const consumer = this.#closing ? undefined : this.#consumerOf(subscription);
      if (consumer) {
        if (job.problem !== undefined) return this.#setAside(job);
        this.#run(job, consumer, undefined);
        return;
      }
    }
    this.makeWay(delayMs);
    await this.queue.giveBack(job.id, this.#closing ? 0 : delayMs);
  }

  /** A job that cannot be read is the dead letter of whom it is for, as far as anybody knows. */
  async #setAside(job: TakenJob): Promise<void> {
    const { subscription } = job.data;
    const [first] = this.#members;
    const consumer = subscription === "" ? first : this.#consumerOf(subscription);
    if (!consumer) return this.#passOn(job);
    const dropped = await setAside(job, consumer.subscriptionId, this);
    consumer.dropped(consumer.subscriptionId, dropped);
  }

  /** Its holder has died. */
  async #takeApart(job: TakenJob): Promise<void> {
    const parts = partsOfCrashed(job, this.#share.frontId);
    const again = parts.map((part) => part.job);
    const data = parts.map((part) => part.data);
    const how = { completes: true, isOver: () => false };
    await this.queue.settle(job, { again, dead: [] }, data, how);
  }

  #pass(job: TakenJob, step: Promise<unknown>): void {
    this.#passing.add(job.id);
    this.#track(step.finally(() => this.#passing.delete(job.id)));
  }

  #track(step: Promise<unknown>): void {
    const tracked = step
      .catch((err: unknown) => this.#warn({ err }, "A job could not be passed on; it comes again"))
      .finally(() => {
        this.#steps.delete(tracked);
        this.wake();
        this.#endIfIdle();
      });
    this.#steps.add(tracked);
  }

  /** What waits for a slot is given back, for others to take. */
  split(run: HeldJob, consumer?: ReaderMember): void {
    if (run.waiting === 0) return;
    const delayMs = Math.min(Math.max(consumer?.averageMs ?? 0, SHARED_AFTER_MS), SHARED_MOST_MS);
    if (run.split(this.#isShared ? Math.round(delayMs) : 0))
      this.#timers.add(run, this.queue.roundTripMs);
    else for (const member of this.#members) member.slowDown();
  }

  /** Whether consumers of several subscriptions empty it here. */
  get #isShared(): boolean {
    let first: string | undefined;
    for (const { subscriptionId } of this.#members) {
      first ??= subscriptionId;
      if (first !== subscriptionId) return true;
    }
    return false;
  }

  renew(): void {
    void this.#renew();
  }

  async #renew(): Promise<void> {
    const runs = new Map(this.#held);
    if (runs.size === 0 || this.#isRenewing) return;
    this.#isRenewing = true;
    const { link } = this.#share.session;
    try {
      if (!link.isReady) await link.whenReady();
      const ended = await this.queue.renew([...runs.keys()]);
      if (ended.length > 0) {
        // Most have ended with their jobs, in answers that came before this one and are being dealt with.
        await new Promise<void>((resolve) => setImmediate(resolve));
        const lost = ended.filter(
          (id) => this.#held.has(id) && this.#held.get(id) === runs.get(id),
        );
        for (const id of lost) this.#held.get(id)?.lose();
        if (lost.length > 0) {
          this.#warn({ jobs: lost.length }, "Locks ended; others repeat the work");
        }
      }
    } catch (err) {
      // They last for three renewals.
      const { logger } = this.#share.session.context;
      logger.debug({ err, queue: this.queue.key }, "Locks could not be renewed; will try again");
    }
    this.#isRenewing = false;
  }

  #warn(fields: object, message: string): void {
    const { logger } = this.#share.session.context;
    logger.warn({ ...fields, queue: this.queue.key }, message);
  }
}

/** The readers of a process: one for each queue, however many consumers empty it. */
export class SharedReaders {
  readonly #share: ProcessShare;
  readonly #readers = new Map<string, QueueReader>();

  constructor(share: ProcessShare) {
    this.#share = share;
  }

  join(queueName: string, consumer: ReaderMember): QueueReader {
    let reader = this.#readers.get(queueName);
    if (!reader) {
      reader = new QueueReader(queueName, this.#share);
      this.#readers.set(queueName, reader);
    }
    reader.add(consumer);
    return reader;
  }

  /** Resolves once the consumer gets nothing more from the queue. */
  async leave(queueName: string, consumer: ReaderMember): Promise<void> {
    const reader = this.#readers.get(queueName);
    const closing = reader?.remove(consumer);
    if (!closing) return;
    this.#readers.delete(queueName);
    await closing;
  }
}

/** Milliseconds for which a job that nobody here can run is left to others; doubles up to the longest. */
const FIRST_MS = 100;
const LONGEST_MS = 1_000;

/** For how long jobs of which subscription are handed back, because nobody here can run them now. */
class Unwanted {
  readonly #delays = new Map<string, number>();

  isNew(subscription: string): boolean {
    return (this.#delays.get(subscription) ?? 0) <= FIRST_MS;
  }

  delayMs(subscription: string): number {
    const delayMs = Math.min(2 * (this.#delays.get(subscription) ?? FIRST_MS / 2), LONGEST_MS);
    this.#delays.set(subscription, delayMs);
    return delayMs;
  }

  /** Somebody else is here. */
  reset(): void {
    this.#delays.clear();
  }
}
