import type { Delivery, Envelope, Settlement } from "@busbar/core";
import { encodeLabel } from "../key-text.ts";
import { readJobData } from "../lean-events.ts";
import type { TurnSpec } from "../scripts/publish-script.ts";
import type { TurnAnswer, TurnRequest } from "../scripts/turn-script.ts";
import { createDeadLetter } from "./dead-letter.ts";
import type { HeldJob } from "./held-job.ts";
import { type JobData, type TakenJob, writeData } from "./job-data.ts";
import type { RunOwner, RunReader } from "./run-owner.ts";

/** What a step of a turn asks for, with the texts that go with it. */
type Step = Partial<Pick<TurnRequest, "replacesHead" | "dead" | "next" | "take">> & {
  readonly texts?: readonly string[];
};

/** Delivers what is in a lane, one after the other, for as long as it is the lane's turn. */
export class TurnRun implements HeldJob {
  readonly job: TakenJob;
  readonly whenOver: Promise<void>;
  readonly #owner: RunOwner;
  readonly #reader: RunReader;
  readonly #subscription: string;
  readonly #maxEvents: number;
  readonly #key: string;
  /** The same turn as this process had it before its lock ended. */
  readonly #before: Promise<void> | undefined;
  readonly #startedAt: number;
  /** Entries at the head of the lane that are done, which Redis does not know of. */
  #done = 0;
  #delivered = 0;
  /** Hand-overs of the head that are written down. */
  #handovers: number;
  /** After a crash each hand-over is written down before it is. */
  readonly #isSuspect: boolean;
  #hasStarted = false;
  /** The lane's first entry, while it is handed over. */
  #inHand: string | undefined;
  #isMarked = false;
  #stopping = false;
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
    options: { readonly maxEvents: number; readonly before: Promise<void> | undefined },
  ) {
    this.job = job;
    this.#subscription = subscription;
    this.#owner = owner;
    this.#reader = reader;
    this.#maxEvents = options.maxEvents;
    this.#before = options.before;
    this.#key = job.data.key ?? "";
    this.#handovers = job.progress.handovers ?? 0;
    this.#isSuspect = job.stalled > 0;
    this.#startedAt = reader.queue.now;
    this.whenOver = new Promise((resolve) => (this.#resolveOver = resolve));
  }

  get hasWaiting(): boolean {
    return !this.#hasStarted;
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

  stop(): void {
    this.giveBack(0);
    this.#stopping = true;
  }

  checkpoint(): void {
    if (this.#inHand === undefined || this.#isMarked || this.#isLost || this.#isOver) return;
    this.#isMarked = true;
    void this.#send({}, { handovers: this.#handovers + 1 });
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
    if (!this.#isLost && this.#inHand !== undefined) await this.#handBack(this.#inHand);
    this.#end();
  }

  async #run(): Promise<void> {
    await this.#before;
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
    const take = isOver ? 0 : this.#maxEvents - this.#delivered;
    const step = isOver ? { next: this.#nextTurn() } : { take };
    const answer = await this.#send(step, { handovers: this.#handovers });
    return answer[0] === "goes-on" ? answer[2] : undefined;
  }

  /** Delivers the head. Answers with what a settlement other than an acknowledgement led to. */
  async #handle(text: string): Promise<TurnAnswer | undefined> {
    const { crashes = 0, state, events } = readJobData<JobData>(text);
    const envelope = events?.[0] as Envelope;
    const counted = crashes + this.#handovers;
    const delivery: Delivery =
      state === undefined ? { envelope, crashes: counted } : { envelope, crashes: counted, state };
    const settlement = await this.#deliver(delivery, text);
    if (this.#isLost || this.#isOver) return undefined;
    if (settlement?.type === "ack") return this.#passOver();
    this.#delivered += 1;
    return settlement?.type === "dead"
      ? this.#bury(text, settlement)
      : this.#repeat(text, counted, settlement);
  }

  #passOver(): undefined {
    this.#delivered += 1;
    this.#done += 1;
    this.#handovers = 0;
    this.#isMarked = false;
    return undefined;
  }

  async #deliver(delivery: Delivery, text: string): Promise<Settlement | undefined> {
    const { suspects } = this.#owner;
    if (this.#isSuspect) {
      await new Promise<void>((resolve) => suspects.enter(this, resolve));
      this.#isMarked = true;
      await this.#send({}, { handovers: this.#handovers + 1 });
    }
    try {
      if (this.#isLost || this.#isOver) return undefined;
      this.#inHand = text;
      if (!this.#isMarked) this.#reader.checkpointSoon(this);
      return await this.#owner.deliver(delivery);
    } catch (err) {
      this.#owner.unsettled(err);
      return undefined;
    } finally {
      this.#inHand = undefined;
      suspects.leave(this);
    }
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

  async #bury(text: string, { reason, state }: Settlement & { type: "dead" }): Promise<TurnAnswer> {
    const { queue } = this.#reader;
    const [envelope] = readJobData<JobData>(text).events ?? [];
    const { spec, texts } = createDeadLetter({
      id: queue.deadLetterId(),
      subscription: this.#subscription,
      event: JSON.stringify(envelope),
      reason,
      state,
      diedAt: queue.now,
      queue: queue.key,
      name: encodeLabel(envelope?.name ?? ""),
      priority: this.job.priority,
      key: this.#key,
      turn: this.#nextTurn(),
      ...(this.#owner.blocks ? { blocks: true } : {}),
    });
    const isOver = this.#delivered >= this.#maxEvents;
    this.#handovers = 0;
    this.#isMarked = false;
    const answer = await this.#send(
      {
        dead: { ...spec, blocks: this.#owner.blocks },
        texts,
        ...(isOver || this.#stopping
          ? { next: this.#nextTurn({ front: this.#stopping }) }
          : { take: this.#maxEvents - this.#delivered }),
      },
      { handovers: 0 },
    );
    if (answer[0] !== "lost" && answer[1] > 0) this.#owner.dropped(this.#subscription, answer[1]);
    return answer;
  }

  #replaceHead(text: string, history: Pick<JobData, "state" | "crashes">): Step {
    const { subscription, events = [] } = readJobData<JobData>(text);
    const data = writeData(
      subscription,
      events.map((event) => JSON.stringify(event)),
      history,
    );
    return { replacesHead: true, texts: [data] };
  }

  /** Ends the turn before its head is settled. What is known of that one's crashes goes with it. */
  #handBack(text: string): Promise<TurnAnswer> {
    const { state, crashes = 0 } = readJobData<JobData>(text);
    const history = {
      ...(state === undefined ? {} : { state }),
      crashes: crashes + this.#handovers,
    };
    const head = this.#handovers > 0 ? this.#replaceHead(text, history) : {};
    return this.#send({ ...head, next: this.#nextTurn({ front: true }) });
  }

  #nextTurn({ delayMs = 0, front = false } = {}): TurnSpec {
    const { job } = this;
    const delay = Math.max(Math.ceil(delayMs), 0);
    const isFirst = front && delay === 0;
    return {
      id: isFirst ? this.#reader.frontId(job.id, 0) : this.#reader.queue.ids.next(0),
      name: job.name,
      priority: job.priority,
      delay,
      data: JSON.stringify({ subscription: job.data.subscription, key: this.#key }),
      ...(isFirst ? { front: true } : {}),
    };
  }

  #send(
    { texts = [], take = 0, ...step }: Step,
    progress?: { readonly handovers: number },
  ): Promise<TurnAnswer> {
    const sent = this.#sent.then(() => this.#sendNow(step, take, texts, progress));
    this.#sent = sent;
    return sent;
  }

  async #sendNow(
    step: Omit<Step, "texts" | "take">,
    take: number,
    texts: readonly string[],
    progress: { readonly handovers: number } | undefined,
  ): Promise<TurnAnswer> {
    if (this.#isLost || this.#isOver) return ["lost"];
    const done = this.#done;
    const answer = await this.#reader.queue.turn(
      this.job.id,
      {
        step: this.#reader.queue.nextStep(),
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
    this.#owner.ended(this, this.#delivered, this.#reader.queue.now - this.#startedAt);
  }
}
