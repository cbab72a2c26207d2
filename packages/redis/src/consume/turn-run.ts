import {
  type Delivery,
  type JsonValue,
  type Settlement,
  stateOfCorrupt,
} from "@busbar/core/provider";
import { CORRUPT, readJobData } from "../store/stored-events.ts";
import type { TurnAnswer, TurnRequest } from "../store/turn-script.ts";
import { SuspectRun } from "../crash-isolation/suspects.ts";
import type { HeldJob, RunOwner, RunReader } from "./run-owner.ts";
import {
  type History,
  type JobData,
  type JobProgress,
  readData,
  type TakenJob,
  writeData,
} from "../store/job-data.ts";
import type { TurnSpec } from "../store/publish-script.ts";
import { createDeadLetter } from "../store/dead-letter-scripts.ts";

/** What a step of a turn asks for, with the texts that go with it. */
type TurnStep = Partial<Pick<TurnRequest, "replacesHead" | "dead" | "next" | "take">> & {
  readonly texts?: readonly string[];
};

const NO_CRASHES: Readonly<Required<Omit<JobProgress, "settled">>> = { handovers: 0, trusted: 0 };

/** Delivers what is in a lane, one after the other, for as long as it is the lane's turn. */
export class TurnRun implements HeldJob {
  readonly job: TakenJob;
  readonly whenOver: Promise<void>;
  readonly #owner: RunOwner;
  readonly #reader: RunReader;
  readonly #subscription: string;
  readonly #maxEvents: number;
  readonly #splitAfterMs: number;
  readonly #key: string;
  /** The same turn as this process had it before its lock ended. */
  readonly #before: Promise<void> | undefined;
  readonly #startedAt: number;
  /** Entries at the head of the lane that are done, which Redis does not know of. */
  #done = 0;
  #delivered = 0;
  /** When its first delivery began, on the clock's monotonic scale. */
  #runsSince = 0;
  /** What is known of the head's crashes, besides those in its data. */
  #progress: typeof NO_CRASHES;
  /** After a crash each of its deliveries is a suspect. */
  readonly #isSuspect: boolean;
  /** The suspect that is handed over, or is to be. */
  #suspect: SuspectRun | undefined;
  /** Ends its wait: the turn is handed back. */
  #giveUp: (() => void) | undefined;
  #hasStarted = false;
  /** The lane's first entry, while it is handed over. */
  #inHand: string | undefined;
  #stopping = false;
  #isHandingBack = false;
  #isLost = false;
  #isOver = false;
  /** The latest of the requests, which go one after the other. */
  #sent: Promise<unknown> = Promise.resolve();
  #resolveOver!: () => void;

  constructor(
    job: TakenJob,
    subscription: string,
    owner: RunOwner,
    reader: RunReader,
    options: {
      readonly maxEvents: number;
      readonly splitAfterMs: number;
      readonly before: Promise<void> | undefined;
    },
  ) {
    this.job = job;
    this.#subscription = subscription;
    this.#owner = owner;
    this.#reader = reader;
    this.#maxEvents = options.maxEvents;
    this.#splitAfterMs = options.splitAfterMs;
    this.#before = options.before;
    this.#key = job.data.key ?? "";
    this.#progress = { ...NO_CRASHES, ...job.progress };
    this.#isSuspect = job.stalled > 0;
    this.#startedAt = reader.queue.clock.monotonic();
    this.whenOver = new Promise((resolve) => (this.#resolveOver = resolve));
  }

  get hasWaiting(): boolean {
    return !this.#hasStarted;
  }

  get waiting(): number {
    return this.#hasStarted ? 0 : 1;
  }

  startNext(): void {
    this.#hasStarted = true;
    void this.#run()
      .catch((err: unknown) => this.#owner.unsettled(err))
      .finally(() => {
        this.#end();
        this.#owner.slotFreed();
      });
  }

  giveBack(delayMs: number): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#end();
    void this.#reader.queue.giveBack(this.job.id, delayMs);
  }

  split(delayMs: number): boolean {
    this.giveBack(delayMs);
    return false;
  }

  stop(): void {
    this.giveBack(0);
    this.#stopping = true;
    if (this.#suspect?.isWaiting) this.#giveUp?.();
  }

  checkpoint(): void {
    if (this.#done > 0 && !this.#isLost && !this.#isOver) void this.#send({});
  }

  lose(): void {
    this.#isLost = true;
  }

  /** The lane may have moved on meanwhile: the turn is begun anew, when its delivery here has ended. */
  adopt(): boolean {
    this.#isLost = true;
    return false;
  }

  async release(): Promise<void> {
    this.stop();
    if (this.#isOver) return;
    if (this.#isHandingBack) {
      await this.whenOver;
      return;
    }
    if (!this.#isLost && this.#inHand !== undefined) await this.#handBack(this.#inHand);
    this.#end();
  }

  async #run(): Promise<void> {
    await this.#before;
    this.#runsSince = this.#reader.queue.clock.monotonic();
    let entries = await this.#take();
    while (entries && entries.length > 0) {
      let answer: TurnAnswer | undefined;
      for (const text of entries) {
        if (this.#stopping) {
          await this.#handBack(text);
          return;
        }
        answer = await this.#handle(text);
        if (answer || this.#isLost || this.#isOver) break;
      }
      if (this.#isLost || this.#isOver || answer?.[0] === "ended") return;
      entries = answer?.[0] === "goes-on" ? answer[2] : await this.#take();
    }
  }

  /** The lane's next entries; none if the turn is over. */
  async #take(): Promise<readonly string[] | undefined> {
    const isOver = this.#delivered >= this.#maxEvents;
    const step = isOver ? { next: this.#nextTurn() } : { take: this.#takeable };
    const answer = await this.#send(step, this.#progress);
    return answer[0] === "goes-on" ? answer[2] : undefined;
  }

  /** How many entries to take: what is slow stays in Redis until it begins, where it can be cancelled. */
  get #takeable(): number {
    const tookMs = this.#reader.queue.clock.monotonic() - this.#runsSince;
    const averageMs = this.#delivered > 0 ? tookMs / this.#delivered : this.#owner.averageMs;
    const soon = averageMs === undefined ? 1 : Math.floor(this.#splitAfterMs / averageMs);
    return Math.min(Math.max(soon, 1), this.#maxEvents - this.#delivered);
  }

  /** Delivers the head. Answers with what anything but an acknowledgement led to. */
  async #handle(text: string): Promise<TurnAnswer | undefined> {
    const { data, problem } = readData(text);
    const { crashes = 0, state, events } = data;
    const envelope = events?.[0];
    if (problem !== undefined || !envelope) return this.#setAside(text, problem ?? "has no events");
    const counted = crashes + this.#progress.handovers;
    const delivery: Delivery =
      state === undefined ? { envelope, crashes: counted } : { envelope, crashes: counted, state };
    if (this.#isSuspect) {
      await this.#waitForTurn();
      if (this.#isHandingBack) return this.#handBack(text);
    }
    const settlement = await this.#deliver(delivery, text);
    if (this.#isLost || this.#isOver) return undefined;
    if (settlement?.type === "ack") return this.#passOver();
    this.#delivered += 1;
    return settlement?.type === "dead"
      ? this.#bury(this.#burialOf(text, settlement))
      : this.#repeat(text, counted, settlement);
  }

  #passOver(): undefined {
    this.#delivered += 1;
    this.#done += 1;
    this.#progress = NO_CRASHES;
    return undefined;
  }

  #waitForTurn(): Promise<void> {
    return new Promise((resolve) => {
      const suspect = new SuspectRun({
        suspects: this.#owner.suspects,
        ...this.#progress,
        write: (progress) => this.#send({}, progress),
        start: resolve,
      });
      this.#giveUp = () => {
        this.#isHandingBack = true;
        suspect.leave();
        resolve();
      };
      this.#suspect = suspect;
      suspect.enter();
    });
  }

  async #deliver(delivery: Delivery, text: string): Promise<Settlement | undefined> {
    let settlement: Settlement | undefined;
    if (!this.#isLost && !this.#isOver) {
      this.#inHand = text;
      if (this.#done > 0) this.#reader.checkpointSoon(this);
      settlement = await new Promise((resolve) => this.#owner.deliver(delivery, resolve));
      this.#inHand = undefined;
    }
    this.#suspect?.leave();
    return settlement;
  }

  /** A retry, a release or an end without a settlement: the head stays, and the turn ends. */
  #repeat(text: string, crashes: number, settlement: Settlement | undefined): Promise<TurnAnswer> {
    if (settlement?.type === "retry") {
      const { delayMs, state } = settlement;
      return this.#send({
        ...this.#replaceHead(text, { state }),
        next: this.#nextTurn({ delayMs }),
      });
    }
    const { state } = readJobData<JobData>(text);
    const kept = state === undefined ? {} : { state };
    if (settlement?.type === "release") {
      const { delayMs = 0 } = settlement;
      if (delayMs > 0) this.#reader.makeWay(delayMs);
      return this.#send({
        ...this.#replaceHead(text, { ...kept, crashes }),
        next: this.#nextTurn({ delayMs, front: true }),
      });
    }
    return this.#send({
      ...this.#replaceHead(text, { ...kept, crashes: crashes + 1 }),
      next: this.#nextTurn({ front: true }),
    });
  }

  #setAside(text: string, problem: string): Promise<TurnAnswer> {
    const { session, key } = this.#reader.queue;
    session.context.logger.error(
      {
        key: `${session.keys.own}lane:${key}${this.#key}`,
        problem,
        subscriberId: this.#subscription,
      },
      `A delivery ${problem}: it is a dead letter now, as it is`,
    );
    this.#delivered += 1;
    return this.#bury(this.#burialAsIs(text, problem));
  }

  async #bury(death: TurnStep): Promise<TurnAnswer> {
    const isOver = this.#delivered >= this.#maxEvents;
    this.#progress = NO_CRASHES;
    const answer = await this.#send(
      {
        ...death,
        ...(isOver || this.#stopping
          ? { next: this.#nextTurn({ front: this.#stopping }) }
          : { take: this.#takeable }),
      },
      this.#progress,
    );
    if (answer[0] !== "lost" && answer[1] > 0) this.#owner.dropped(this.#subscription, answer[1]);
    return answer;
  }

  /** Ends the turn before its head is settled. What is known of that one's crashes goes with it. */
  #handBack(text: string): Promise<TurnAnswer> {
    const { state, crashes = 0 } = readData(text).data;
    const history = {
      ...(state === undefined ? {} : { state }),
      crashes: crashes + this.#progress.handovers,
    };
    const head = this.#progress.handovers > 0 ? this.#replaceHead(text, history) : {};
    return this.#send({ ...head, next: this.#nextTurn({ front: true }) });
  }

  #send({ texts = [], take = 0, ...step }: TurnStep, progress?: JobProgress): Promise<TurnAnswer> {
    const sent = this.#sent.then(() => this.#sendNow(step, take, texts, progress));
    this.#sent = sent;
    return sent;
  }

  async #sendNow(
    step: Omit<TurnStep, "texts" | "take">,
    take: number,
    texts: readonly string[],
    progress: JobProgress | undefined,
  ): Promise<TurnAnswer> {
    if (this.#isLost || this.#isOver) return ["lost"];
    const done = this.#done;
    const answer = await this.#reader.queue.turn(
      this.job.id,
      {
        key: this.#key,
        done,
        take,
        ...step,
        ...(progress ? { progress: JSON.stringify(progress) } : {}),
      },
      texts,
      { completes: step.next !== undefined || take > 0, isOver: () => this.#isOver },
    );
    if (answer[0] === "lost") this.#isLost = true;
    else this.#done -= done;
    return answer;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reader.forget(this);
    this.#resolveOver();
    this.#owner.ended(
      this,
      this.#delivered,
      this.#reader.queue.clock.monotonic() - this.#startedAt,
    );
  }

  /** The job for the lane's next turn: before what waits in the queue, or behind it. */
  #nextTurn({
    delayMs = 0,
    front = false,
  }: { readonly delayMs?: number; readonly front?: boolean } = {}): TurnSpec {
    const { id, name, priority, data } = this.job;
    const { queue } = this.#reader;
    const delay = Math.max(Math.ceil(delayMs), 0);
    const isFirst = front && delay === 0;
    return {
      id: isFirst ? this.#reader.frontId(id, 0) : queue.ids.next(0),
      name,
      priority,
      delay,
      data: JSON.stringify({ subscription: data.subscription, key: data.key ?? "" }),
      ...(isFirst ? { front: true } : {}),
    };
  }

  /** The head, as it was, has another history. */
  #replaceHead(text: string, history: History): TurnStep {
    const { subscription, events = [] } = readJobData<JobData>(text);
    const texts = events.map((event) => JSON.stringify(event));
    return { replacesHead: true, texts: [writeData(subscription, texts, history)] };
  }

  /** The head is dead. */
  #burialOf(text: string, { reason, state }: Settlement & { readonly type: "dead" }): TurnStep {
    const [envelope] = readData(text).data.events ?? [];
    const data = writeData(this.#subscription, [JSON.stringify(envelope)]);
    return this.#burial(data, (envelope?.name ?? "").toWellFormed(), reason, state);
  }

  /** The head cannot be read: it is a dead letter as it is. */
  #burialAsIs(text: string, problem: string): TurnStep {
    const state = stateOfCorrupt(`The delivery ${problem}`, this.#reader.queue.serverNow);
    return this.#burial(text, "", CORRUPT, state);
  }

  #burial(data: string, name: string, reason: string, state: JsonValue): TurnStep {
    const { queue } = this.#reader;
    const { spec, texts } = createDeadLetter({
      id: queue.deadLetterId(),
      subscription: this.#subscription,
      data,
      reason,
      state,
      queue: queue.key,
      name,
      priority: this.job.priority,
      key: this.job.data.key ?? "",
      turn: this.#nextTurn(),
    });
    return { dead: { ...spec, blocks: this.#owner.blocks }, texts };
  }
}
