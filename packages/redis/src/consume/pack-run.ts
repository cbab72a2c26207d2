import type { Delivery, Settlement } from "@busbar/core/provider";
import { SuspectRun } from "../crash-isolation/suspects.ts";
import type { HeldJob, RunOwner, RunReader } from "./run-owner.ts";
import {
  type History,
  handoversOf,
  hasBody,
  historyOf,
  type JobProgress,
  settledIn,
  type TakenJob,
  writeProgress,
} from "../store/job-data.ts";
import { OwnContents, type PackContents, StoredContents } from "./pack-contents.ts";
import { PackSettlements } from "./pack-settlements.ts";

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
  readonly #contents: PackContents;
  readonly #states: EventStates;
  /** A job of one may have a history; the events of a larger pack have none. */
  readonly #history: History;
  readonly #settlements: PackSettlements;
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
    this.#contents = this.#contentsOf(job);
    this.#settlements = new PackSettlements(job, subscription, reader, this.#contents);
    this.whenOver = new Promise((resolve) => (this.#resolveOver = resolve));
  }

  get hasWaiting(): boolean {
    return this.#next < this.#contents.ready && !this.#isLost && !this.#isOver;
  }

  get waiting(): number {
    return this.#isLost || this.#isOver ? 0 : this.#states.length - this.#next;
  }

  startNext(): void {
    const index = this.#next;
    this.#startedAt ??= this.#reader.queue.monotonic;
    this.#next += 1;
    this.#skipSettled();
    this.#contents.want(this.#next);
    this.#states[index] = IN_HAND;
    this.#inHand += 1;
    if (this.#history.suspect) this.#startSuspect();
    else this.#deliver(index);
  }

  giveBack(delayMs: number): void {
    this.#giveBackFrom(this.#next, delayMs, 1);
  }

  split(delayMs: number): boolean {
    const tookMs = this.#reader.queue.monotonic - (this.#startedAt ?? Number.POSITIVE_INFINITY);
    const soon = tookMs > 0 ? Math.floor((this.#delivered * this.#splitAfterMs) / tookMs) : 0;
    const packs = Math.floor(soon / this.#maxEvents);
    if (packs === 0 || delayMs > 0) {
      this.giveBack(delayMs);
      return false;
    }
    this.#giveBackFrom(this.#contents.nextPackAt(this.#next + soon), delayMs, packs);
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
      this.#contents.settled(index);
    }
    this.#skipSettled();
    this.#contents.want(this.#next);
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

  #contentsOf({ text, data }: TakenJob): PackContents {
    if (!hasBody(data)) return new OwnContents(text, data.events ?? []);
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

  /** What cannot be read is a dead letter, and the others go on. */
  #setAside(from: number, end: number, problem: string): void {
    const waiting = positionsOf(WAITING, this.#states, from, end);
    this.#settlements.setAside(waiting, problem);
    for (const index of waiting) this.#settle(index);
    this.#skipSettled();
    this.#contents.want(this.#next);
    this.#saveSoon();
  }

  /** Gives back what waits from there on: so many whole packs to a job, and others in parts. */
  #giveBackFrom(from: number, delayMs: number, packs: number): void {
    if (this.waiting === 0) return;
    const portions = { packs, events: this.#chunkSize() };
    for (const share of sharesOf(this.#states, this.#contents, from, portions)) {
      this.#putBack(share, delayMs);
    }
    this.#skipSettled();
    this.#saveSoon();
  }

  #skipSettled(): void {
    while (this.#states[this.#next] === SETTLED) this.#next += 1;
  }

  #deliver(index: number): void {
    const { state, crashes = 0 } = this.#history;
    const envelope = this.#contents.eventAt(index);
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
      this.#settlements.record(index, settlement, this.#history);
      this.#settle(index);
      if (this.#isLost && this.#inHand === 0) this.#end();
      else if (!this.#settlements.batch.isEmpty || this.#isComplete) this.#saveSoon();
    }
    this.#owner.slotFreed();
  }

  #settle(index: number): void {
    this.#states[index] = SETTLED;
    this.#contents.settled(index);
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#reader.checkpointSoon(this);
  }

  #putBack(indexes: readonly number[], delayMs: number): void {
    this.#settlements.putBack(indexes, delayMs, this.#history);
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
    while (
      !this.#isOver &&
      !this.#isLost &&
      (due || !this.#settlements.batch.isEmpty || this.#isComplete)
    ) {
      due = false;
      await this.#saveOnce();
    }
    this.#isSaving = false;
  }

  async #saveOnce(): Promise<void> {
    const written = this.#settlements.batch.take();
    const completes = this.#isComplete;
    const { queue } = this.#reader;
    if (completes) this.#handledAt ??= queue.monotonic;
    this.#isDirty = false;
    const progress =
      completes || this.#states.length === 1
        ? undefined
        : writeProgress(positionsOf(SETTLED, this.#states));
    const [answer, dropped] = await queue.settle(
      this.job,
      { step: queue.nextStep(), ...(progress ? { progress } : {}), ...written.request },
      written.data,
      { completes, isOver: () => this.#isOver },
    );
    if (answer === "lost") {
      // Completed in an answer that was lost, or somebody else's.
      if (completes) this.#end();
      else this.lose();
      return;
    }
    written.forget();
    this.#report(written.request.dead, dropped ?? []);
    if (completes) this.#end();
  }

  #report(dead: readonly { readonly subscription: string }[], dropped: readonly number[]): void {
    for (const [index, { subscription }] of dead.entries()) {
      this.#owner.dropped(subscription, dropped[index] ?? 0);
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#contents.end();
    this.#reader.forget(this);
    this.#resolveOver();
    const endedAt = this.#handledAt ?? this.#reader.queue.monotonic;
    this.#owner.ended(this, this.#delivered, endedAt - (this.#startedAt ?? endedAt));
  }
}

/** In what portions a job's events are given back. */
interface Portions {
  /** How many whole packs, of which nothing has begun, go together. */
  readonly packs: number;
  /** How many events go together of a pack that has begun. */
  readonly events: number;
}

/** Positions of what waits, from one on, in the portions in which it is given back. */
function sharesOf(
  states: EventStates,
  contents: PackContents,
  from: number,
  { packs, events }: Portions,
): readonly (readonly number[])[] {
  const shares: (readonly number[])[] = [];
  let [whole, count]: [number[], number] = [[], 0];
  const closeWhole = (): void => {
    if (count > 0) shares.push(whole);
    [whole, count] = [[], 0];
  };
  for (let start = from, end = 0; start < states.length; start = end) {
    end = contents.nextPackAt(start + 1);
    const waiting = positionsOf(WAITING, states, start, end);
    const isWhole = waiting.length === end - start && contents.nextPackAt(start) === start;
    if (!isWhole) {
      closeWhole();
      for (let at = 0; at < waiting.length; at += events) {
        shares.push(waiting.slice(at, at + events));
      }
      continue;
    }
    whole.push(...waiting);
    count += 1;
    if (count === packs) closeWhole();
  }
  closeWhole();
  return shares;
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
