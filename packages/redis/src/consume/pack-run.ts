import type { Delivery, Envelope, Settlement } from "@busbar/core";
import type { HeldJob } from "./held-job.ts";
import { type History, handoversOf, historyOf, type TakenJob } from "./job-data.ts";
import {
  type EventStates,
  IN_HAND,
  SETTLED,
  settledIn,
  WAITING,
  writeProgress,
} from "./pack-progress.ts";
import { PackSettlements } from "./pack-settlements.ts";
import type { RunOwner, RunReader } from "./run-owner.ts";

/** Runs the events of a pack, or of a job of one, and settles each on its own. */
export class PackRun implements HeldJob {
  readonly job: TakenJob;
  readonly whenOver: Promise<void>;
  readonly #owner: RunOwner;
  readonly #reader: RunReader;
  readonly #maxEvents: number;
  readonly #splitAfterMs: number;
  readonly #events: readonly Envelope[];
  readonly #states: EventStates;
  /** A job of one may have a history; the events of a larger pack have none. */
  readonly #history: History;
  readonly #settlements: PackSettlements;
  readonly #startedAt: number;
  /** Of those from here on, none has started. */
  #next = 0;
  #inHand = 0;
  #delivered = 0;
  /** There are settlements that Redis does not know of. */
  #isDirty = false;
  #isSaving = false;
  #savesSoon = false;
  /** It is a suspect that has its slot, and waits for its turn. */
  #waitsForHandOver = false;
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
    this.#settlements = new PackSettlements(job, subscription, reader);
    this.#owner = owner;
    this.#reader = reader;
    this.#maxEvents = limits.maxEvents;
    this.#splitAfterMs = limits.splitAfterMs;
    this.#events = job.data.events ?? [];
    this.#states = new Uint8Array(this.#events.length);
    this.#history = historyOf(job);
    this.#startedAt = reader.queue.now;
    this.whenOver = new Promise((resolve) => (this.#resolveOver = resolve));
  }

  get hasWaiting(): boolean {
    return this.#next < this.#events.length && !this.#isLost && !this.#isOver;
  }

  startNext(): void {
    const index = this.#next;
    this.#next += 1;
    this.#skipSettled();
    this.#states[index] = IN_HAND;
    this.#inHand += 1;
    if (this.#history.suspect) this.#startSuspect();
    else this.#deliver(index);
  }

  giveBack(delayMs: number): void {
    if (!this.hasWaiting) return;
    const waiting: number[] = [];
    for (let at = this.#next; at < this.#events.length; at += 1) {
      if (this.#states[at] === WAITING) waiting.push(at);
    }
    this.#next = this.#events.length;
    const size = this.#chunkSize();
    for (let from = 0; from < waiting.length; from += size) {
      this.#putBack(waiting.slice(from, from + size), delayMs);
    }
    this.#saveSoon();
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
      if (this.#states[index] === WAITING) this.#states[index] = SETTLED;
    }
    this.#skipSettled();
    this.#isDirty = true;
    this.#saveSoon();
    return true;
  }

  stop(): void {
    this.giveBack(0);
    if (!this.#waitsForHandOver || this.#isOver) return;
    this.#putBack([0], 0);
    this.#inHand = 0;
    this.#saveSoon();
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    this.giveBack(0);
    const inHand = [...this.#states.keys()].filter((index) => this.#states[index] === IN_HAND);
    for (const index of inHand) this.#putBack([index], 0);
    this.#inHand = 0;
    if (this.#isLost) this.#end();
    else this.#saveSoon();
    await this.whenOver;
  }

  #skipSettled(): void {
    while (this.#states[this.#next] === SETTLED) this.#next += 1;
  }

  #deliver(index: number): void {
    const { state, crashes = 0 } = this.#history;
    const envelope = this.#events[index] as Envelope;
    const delivery: Delivery =
      state === undefined ? { envelope, crashes } : { envelope, crashes, state };
    handOver(this.#owner, delivery).then(
      (settlement) => this.#settled(index, settlement),
      (err: unknown) => {
        this.#owner.unsettled(err);
        this.#settled(index, undefined);
      },
    );
  }

  /** Writes down that it is handed over before it is: whoever finds it after a crash counts that. */
  #startSuspect(): void {
    const { suspects } = this.#owner;
    this.#waitsForHandOver = true;
    suspects.enter(this, () => void this.#handOver());
  }

  async #handOver(): Promise<void> {
    const handovers = handoversOf(this.job) + 1;
    const isStillOurs = (): boolean =>
      this.#states[0] === IN_HAND && !this.#isLost && !this.#isOver;
    if (isStillOurs()) {
      const request = { step: this.#reader.queue.nextStep(), again: [], dead: [] };
      const [answer] = await this.#reader.queue.settle(
        this.job.id,
        { ...request, progress: JSON.stringify({ handovers }) },
        [],
        { completes: false, isOver: () => !isStillOurs() },
      );
      if (answer === "lost") this.#isLost = true;
    }
    this.#waitsForHandOver = false;
    if (isStillOurs()) {
      this.#deliver(0);
      return;
    }
    this.#owner.suspects.leave(this);
    this.#owner.slotFreed();
    if (this.#states[0] === IN_HAND) {
      this.#states[0] = WAITING;
      this.#inHand = 0;
    }
    if (this.#isLost) this.#end();
  }

  #settled(index: number, settlement: Settlement | undefined): void {
    if (this.#history.suspect) this.#owner.suspects.leave(this);
    // Handed back meanwhile: it is somebody else's now.
    if (!this.#isOver && this.#states[index] === IN_HAND) {
      this.#inHand -= 1;
      this.#delivered += 1;
      this.#record(index, settlement);
      if (this.#isLost && this.#inHand === 0) this.#end();
      else if (!this.#settlements.batch.isEmpty || this.#isComplete) this.#saveSoon();
    }
    this.#owner.slotFreed();
  }

  #record(index: number, settlement: Settlement | undefined): void {
    const { state, crashes = 0 } = this.#history;
    switch (settlement?.type) {
      case "ack":
        break;
      case "retry":
        this.#settlements.repeat(index, settlement.delayMs, { state: settlement.state });
        break;
      case "dead":
        this.#settlements.bury(index, settlement);
        break;
      case "release":
        this.#settlements.putBack([index], settlement.delayMs ?? 0, this.#history);
        if (settlement.delayMs) this.#reader.makeWay(settlement.delayMs);
        break;
      default: {
        const kept = state === undefined ? {} : { state };
        this.#settlements.putBack([index], 0, { ...kept, crashes: crashes + 1 });
      }
    }
    this.#settle(index);
  }

  #settle(index: number): void {
    this.#states[index] = SETTLED;
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
    return this.#inHand === 0 && this.#next >= this.#events.length;
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
    this.#isDirty = false;
    const progress =
      completes || this.#events.length === 1 ? undefined : writeProgress(this.#states, this.#next);
    const { queue } = this.#reader;
    const [answer, dropped] = await queue.settle(
      this.job.id,
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
    this.#reader.forget(this);
    this.#resolveOver();
    this.#owner.ended(this, this.#delivered, this.#reader.queue.now - this.#startedAt);
  }
}

function handOver(owner: RunOwner, delivery: Delivery): Promise<Settlement> {
  try {
    return owner.deliver(delivery);
  } catch (err) {
    return Promise.reject(err as Error);
  }
}
