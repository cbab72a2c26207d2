import type { Delivery, Envelope, Settlement } from "@busbar/core/provider";
import { SuspectRun } from "../crash-isolation/suspects.ts";
import type { HeldJob, RunOwner, RunReader } from "./run-owner.ts";
import {
  type History,
  handoversOf,
  hasBody,
  historyOf,
  type JobData,
  type JobProgress,
  settledIn,
  type TakenJob,
  writeProgress,
} from "../store/job-data.ts";
import { originalsOf, StoredContents } from "./pack-contents.ts";
import { PackSettlements, sharesOf } from "./pack-settlements.ts";

/** What became of each event of a job, by its position. */
type EventStates = Uint8Array;

const WAITING = 0;
const IN_HAND = 1;
const SETTLED = 2;

/** Runs the events of a pack, of several, or of a job of one, and settles each on its own. */
export class PackRun implements HeldJob {
  readonly job: TakenJob;
  readonly whenOver: Promise<void>;
  readonly #owner: RunOwner;
  readonly #reader: RunReader;
  readonly #maxEvents: number;
  readonly #splitAfterMs: number;
  /** The present id of its subscription. */
  readonly #subscription: string;
  /** The events of a job that has them in its data. */
  readonly #events: readonly Envelope[];
  /** The events of a job that refers to them. */
  readonly #stored: StoredContents | undefined;
  readonly #states: EventStates;
  /** A job of one may have a history; the events of a larger pack have none. */
  readonly #history: History;
  /** Made for the first settlement that is no acknowledgement. */
  #settlements: PackSettlements | undefined;
  /** When the first of them was started: until then they waited for others. */
  #startedAt: number | undefined;
  /** When the last of them had been handled. */
  #handledAt: number | undefined;
  /** Of those from here on, none has started. */
  #next = 0;
  #inHand = 0;
  #delivered = 0;
  /** There are settlements that Redis does not know of. */
  #isDirty = false;
  #isSaving = false;
  #savesSoon = false;
  /** It is a suspect that has its slot. */
  #suspect: SuspectRun | undefined;
  #isLost = false;
  #isOver = false;
  #resolveOver!: () => void;

  /** @param subscription The present id of the subscription. */
  constructor(
    job: TakenJob,
    subscription: string,
    owner: RunOwner,
    reader: RunReader,
    limits: { readonly maxEvents: number; readonly splitAfterMs: number },
  ) {
    this.job = job;
    this.#owner = owner;
    this.#reader = reader;
    this.#maxEvents = limits.maxEvents;
    this.#splitAfterMs = limits.splitAfterMs;
    this.#states = new Uint8Array(job.size);
    this.#history = historyOf(job);
    this.#subscription = subscription;
    this.#events = job.data.events ?? [];
    this.#stored = this.#storedOf(job.data);
    this.whenOver = new Promise((resolve) => (this.#resolveOver = resolve));
  }

  get hasWaiting(): boolean {
    const ready = this.#stored ? this.#stored.ready : this.#states.length;
    return this.#next < ready && !this.#isLost && !this.#isOver;
  }

  get waiting(): number {
    return this.#isLost || this.#isOver ? 0 : this.#states.length - this.#next;
  }

  startNext(): void {
    const index = this.#next;
    this.#startedAt ??= this.#reader.queue.clock.monotonic();
    this.#next += 1;
    this.#skipSettled();
    this.#stored?.want(this.#next);
    this.#states[index] = IN_HAND;
    this.#inHand += 1;
    if (this.#history.suspect) this.#startSuspect();
    else this.#deliver(index);
  }

  giveBack(delayMs: number): void {
    this.#giveBackFrom(this.#next, delayMs, 1);
  }

  split(delayMs: number): boolean {
    const now = this.#reader.queue.clock.monotonic();
    const tookMs = now - (this.#startedAt ?? Number.POSITIVE_INFINITY);
    const soon = tookMs > 0 ? Math.floor((this.#delivered * this.#splitAfterMs) / tookMs) : 0;
    const packs = Math.floor(soon / this.#maxEvents);
    if (packs === 0 || delayMs > 0) {
      this.giveBack(delayMs);
      return false;
    }
    this.#giveBackFrom(this.#nextPackAt(this.#next + soon), delayMs, packs);
    return this.waiting > 0;
  }

  checkpoint(): void {
    if (this.#isDirty) void this.#save(true);
  }

  lose(): void {
    this.#isLost = true;
    if (this.#inHand === 0) this.#end();
  }

  adopt({ progress }: TakenJob): boolean {
    if (this.#isOver) return false;
    this.#isLost = false;
    // Somebody else may have had it in between.
    for (const index of settledIn(progress)) {
      if (this.#states[index] !== WAITING) continue;
      this.#states[index] = SETTLED;
      this.#stored?.settled(index);
    }
    this.#skipSettled();
    this.#stored?.want(this.#next);
    this.#isDirty = true;
    this.#saveSoon();
    if (this.hasWaiting) this.#owner.add(this);
    return true;
  }

  stop(): void {
    this.giveBack(0);
    if (!this.#suspect?.isWaiting || this.#isOver) return;
    this.#suspect.leave();
    this.#putBack([0], 0);
    this.#inHand = 0;
    this.#saveSoon();
    this.#owner.slotFreed();
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    this.stop();
    for (const index of positionsOf(IN_HAND, this.#states)) this.#putBack([index], 0);
    this.#inHand = 0;
    if (this.#isLost) this.#end();
    else this.#saveSoon();
    await this.whenOver;
  }

  #storedOf(data: JobData): StoredContents | undefined {
    if (!hasBody(data)) return undefined;
    return new StoredContents(data, {
      load: (numbers) => this.#reader.load(data.body, numbers),
      takeBreak: () => this.#reader.takeBreak(),
      isShared: () => this.#reader.isOneOfMany,
      onReady: () => {
        if (this.hasWaiting) this.#owner.add(this);
      },
      onUnreadable: (from, end, problem) => this.#setAside(from, end, problem),
    });
  }

  /** A job that has its events in its data is taken apart even if nothing of it has begun. */
  #nextPackAt(position: number): number {
    return this.#stored ? this.#stored.nextPackAt(position) : this.#states.length;
  }

  /** Where settlements that add something to Redis go. */
  #toWrite(): PackSettlements {
    this.#settlements ??= new PackSettlements(
      this.job,
      this.#subscription,
      this.#reader,
      this.#stored ?? originalsOf(this.job),
    );
    return this.#settlements;
  }

  get #hasToWrite(): boolean {
    return this.#settlements !== undefined && !this.#settlements.batch.isEmpty;
  }

  /** What cannot be read is a dead letter, and the others go on. */
  #setAside(from: number, end: number, problem: string): void {
    const waiting = positionsOf(WAITING, this.#states, from, end);
    this.#toWrite().setAside(waiting, problem);
    for (const index of waiting) this.#settle(index);
    this.#skipSettled();
    this.#stored?.want(this.#next);
    this.#saveSoon();
  }

  /** Gives back what waits from there on: so many whole packs to a job, and others in parts. */
  #giveBackFrom(from: number, delayMs: number, packs: number): void {
    if (this.waiting === 0) return;
    const shares = sharesOf({
      from,
      end: this.#states.length,
      isWaiting: (position) => this.#states[position] === WAITING,
      nextPackAt: (position) => this.#nextPackAt(position),
      packs,
      events: this.#chunkSize(),
    });
    for (const share of shares) this.#putBack(share, delayMs);
    this.#skipSettled();
    this.#saveSoon();
  }

  #skipSettled(): void {
    while (this.#states[this.#next] === SETTLED) this.#next += 1;
  }

  #deliver(index: number): void {
    const { state, crashes = 0 } = this.#history;
    const envelope = this.#stored ? this.#stored.eventAt(index) : (this.#events[index] as Envelope);
    const delivery: Delivery =
      state === undefined ? { envelope, crashes } : { envelope, crashes, state };
    this.#owner.deliver(delivery, (settlement) => this.#settled(index, settlement));
  }

  #startSuspect(): void {
    this.#suspect = new SuspectRun({
      suspects: this.#owner.suspects,
      handovers: handoversOf(this.job),
      trusted: this.#history.trusted ?? 0,
      write: (progress) => this.#writeCrashes(progress),
      start: () => this.#handOver(),
    });
    this.#suspect.enter();
  }

  async #writeCrashes(progress: JobProgress): Promise<void> {
    if (!this.#isStillOurs) return;
    const isOver = (): boolean => !this.#isStillOurs;
    const isWritten = await this.#reader.queue.writeProgress(this.job, progress, isOver);
    if (!isWritten) this.#isLost = true;
  }

  #handOver(): void {
    if (this.#isStillOurs) {
      this.#deliver(0);
      return;
    }
    this.#suspect?.leave();
    this.#owner.slotFreed();
    if (this.#states[0] === IN_HAND) {
      this.#states[0] = WAITING;
      this.#inHand = 0;
    }
    if (this.#isLost) this.#end();
  }

  /** Of a suspect. */
  get #isStillOurs(): boolean {
    return this.#states[0] === IN_HAND && !this.#isLost && !this.#isOver;
  }

  #settled(index: number, settlement: Settlement | undefined): void {
    this.#suspect?.leave();
    // Handed back meanwhile: it is somebody else's now.
    if (!this.#isOver && this.#states[index] === IN_HAND) {
      this.#inHand -= 1;
      this.#delivered += 1;
      if (settlement?.type !== "ack") this.#toWrite().record(index, settlement, this.#history);
      this.#settle(index);
      if (this.#isLost && this.#inHand === 0) this.#end();
      else if (this.#isComplete || this.#hasToWrite) this.#saveSoon();
    }
    this.#owner.slotFreed();
  }

  #settle(index: number): void {
    this.#states[index] = SETTLED;
    this.#stored?.settled(index);
    if (this.#isDirty) return;
    this.#isDirty = true;
    // A job of one is over with its event.
    if (this.#states.length > 1) this.#reader.checkpointSoon(this);
  }

  #putBack(indexes: readonly number[], delayMs: number): void {
    this.#toWrite().putBack(indexes, delayMs, this.#history);
    for (const index of indexes) this.#settle(index);
  }

  #chunkSize(): number {
    const { averageMs, concurrency } = this.#owner;
    const size =
      averageMs === undefined
        ? concurrency
        : Math.floor((concurrency * this.#splitAfterMs) / averageMs);
    return Math.min(Math.max(size, 1), this.#maxEvents);
  }

  get #isComplete(): boolean {
    return this.#inHand === 0 && this.#next >= this.#states.length;
  }

  /** Once all that settles now has done so. */
  #saveSoon(): void {
    if (this.#savesSoon) return;
    this.#savesSoon = true;
    queueMicrotask(() => {
      this.#savesSoon = false;
      void this.#save(false);
    });
  }

  async #save(isDue: boolean): Promise<void> {
    if (this.#isSaving) return;
    this.#isSaving = true;
    let due = isDue;
    while (!this.#isOver && !this.#isLost && (due || this.#isComplete || this.#hasToWrite)) {
      due = false;
      const completes = this.#isComplete;
      if (completes) this.#handledAt ??= this.#reader.queue.clock.monotonic();
      this.#isDirty = false;
      const isSaved =
        completes && !this.#hasToWrite ? await this.#complete() : await this.#write(completes);
      // If it completes it, it was completed in an answer that was lost, or it is somebody else's.
      if (completes) this.#end();
      else if (!isSaved) this.lose();
    }
    this.#isSaving = false;
  }

  async #complete(): Promise<boolean> {
    const [answer] = await this.#reader.queue.complete(this.job, () => this.#isOver);
    return answer !== "lost";
  }

  /** Writes what is settled. False: the job is not ours any more. */
  async #write(completes: boolean): Promise<boolean> {
    const written = this.#toWrite().batch.take();
    const progress =
      completes || this.#states.length === 1
        ? undefined
        : writeProgress(positionsOf(SETTLED, this.#states));
    const [answer, dropped = []] = await this.#reader.queue.settle(
      this.job,
      { ...(progress ? { progress } : {}), ...written.request },
      written.data,
      { completes, isOver: () => this.#isOver },
    );
    if (answer === "lost") return false;
    written.forget();
    for (const [index, { subscription }] of written.request.dead.entries()) {
      this.#owner.dropped(subscription, dropped[index] ?? 0);
    }
    return true;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stored?.end();
    this.#reader.forget(this);
    this.#resolveOver();
    const endedAt = this.#handledAt ?? this.#reader.queue.clock.monotonic();
    this.#owner.ended(this, this.#delivered, endedAt - (this.#startedAt ?? endedAt));
  }
}

/** Positions of the events in that state, from one to before another. */
function positionsOf(
  state: number,
  states: EventStates,
  start = 0,
  end: number = states.length,
): readonly number[] {
  const found: number[] = [];
  for (let at = start; at < end; at += 1) if (states[at] === state) found.push(at);
  return found;
}
