import { type Settlement, stateOfCorrupt } from "@busbar/core/provider";
import { CORRUPT } from "../store/stored-events.ts";
import { partOf } from "../store/body-reference.ts";
import { packName } from "../store/key-text.ts";
import type { JobSpec } from "../store/publish-script.ts";
import { createDeadLetter } from "../store/dead-letter-scripts.ts";
import {
  hasBody,
  type History,
  type TakenJob,
  writeData,
  writeReference,
} from "../store/job-data.ts";
import type { Originals } from "./pack-contents.ts";
import type { RunReader } from "./run-owner.ts";
import type { SettleRequest } from "../store/settle-script.ts";
import type { NewDeadLetter } from "../store/dead-letter-scripts.ts";

/** Turns settlements of a pack's events, told by their positions, into jobs and dead letters. */
export class PackSettlements {
  readonly batch: SettlementBatch = new SettlementBatch();
  readonly #job: TakenJob;
  readonly #subscription: string;
  readonly #reader: RunReader;
  readonly #originals: Originals;

  /** @param subscription The present id of the subscription. */
  constructor(job: TakenJob, subscription: string, reader: RunReader, originals: Originals) {
    this.#job = job;
    this.#originals = originals;
    this.#subscription = subscription;
    this.#reader = reader;
  }

  /** What the bus said of an event; undefined if its delivery ended without a settlement. */
  record(index: number, settlement: Settlement | undefined, history: History): void {
    const { state, crashes = 0 } = history;
    switch (settlement?.type) {
      case "ack":
        break;
      case "retry":
        this.#repeat(index, settlement.delayMs, { state: settlement.state });
        break;
      case "dead":
        this.#bury(index, settlement);
        break;
      case "release":
        this.putBack([index], settlement.delayMs ?? 0, history);
        if (settlement.delayMs) this.#reader.makeWay(settlement.delayMs);
        break;
      default: {
        const kept = state === undefined ? {} : { state };
        this.putBack([index], 0, { ...kept, crashes: crashes + 1 });
      }
    }
  }

  /** The event comes again: behind what waits, or when its time has come. */
  #repeat(index: number, delayMs: number, history: History): void {
    const delay = Math.max(Math.ceil(delayMs), 0);
    this.#add([index], this.#reader.queue.ids.next(1), { delay }, history);
  }

  /** The events come again: before what waits, or when their time has come. */
  putBack(indexes: readonly number[], delayMs: number, history: History): void {
    const delay = Math.max(Math.ceil(delayMs), 0);
    const id = this.#reader.frontId(this.#job.id, indexes.length);
    this.#add(indexes, id, delay === 0 ? { delay, front: true } : { delay }, history);
  }

  #bury(index: number, { reason, state }: Extract<Settlement, { readonly type: "dead" }>): void {
    const { queue } = this.#reader;
    this.batch.addDead(
      createDeadLetter({
        id: queue.deadLetterId(),
        subscription: this.#subscription,
        data: writeData(this.#subscription, [this.#text(index)]),
        reason,
        state,
        queue: queue.key,
        name: this.#nameOf([index]),
        priority: this.#job.priority,
      }),
    );
  }

  /** Events of a body that cannot be read become one dead letter, which refers to them. */
  setAside(indexes: readonly number[], problem: string): void {
    const { queue } = this.#reader;
    const { id, data, name, priority } = this.#job;
    if (!hasBody(data) || indexes.length === 0) return;
    const key = `${queue.key}${id}`;
    queue.session.context.logger.error(
      { key, problem, subscriberId: this.#subscription, events: indexes.length },
      `A job ${problem}: what cannot be read is a dead letter now, as it is`,
    );
    this.batch.addDead(
      createDeadLetter({
        id: queue.deadLetterId(),
        subscription: this.#subscription,
        data: writeReference(data.subscription, partOf(data, indexes)),
        reason: CORRUPT,
        state: stateOfCorrupt(`The job ${key} ${problem}`, queue.serverNow),
        queue: queue.key,
        name,
        priority,
      }),
    );
  }

  #add(
    indexes: readonly number[],
    id: string,
    when: Pick<JobSpec, "delay" | "front">,
    history: History,
  ): void {
    const { priority, data, name } = this.#job;
    const { subscription } = data;
    const isAtHand = indexes.every((index) => index < this.#originals.ready);
    // One that comes again later must not hold a body for so long.
    if (hasBody(data) && (indexes.length > 1 || !isAtHand)) {
      const reference = partOf(data, indexes);
      const job = { id, name, priority, ...when, body: data.body };
      this.batch.addJob(job, writeReference(subscription, reference, history));
      return;
    }
    const texts = indexes.map((index) => this.#text(index));
    const job = { id, name: this.#nameOf(indexes), priority, ...when };
    this.batch.addJob(job, writeData(subscription, texts, history));
  }

  #nameOf(indexes: readonly number[]): string {
    return packName(indexes.map((index) => this.#originals.originalAt(index)));
  }

  /** The event as it was published. */
  #text(index: number): string {
    return JSON.stringify(this.#originals.originalAt(index));
  }
}

/** What is given back of a job, and in what portions. */
export interface Portions {
  /** The positions that are looked at: from one to before another. */
  readonly from: number;
  readonly end: number;
  readonly isWaiting: (position: number) => boolean;
  /** The first position, that one or one behind it, at which a pack begins; or the end. */
  readonly nextPackAt: (position: number) => number;
  /** How many whole packs, of which nothing has begun, go together. */
  readonly packs: number;
  /** How many events go together of a pack that has begun. */
  readonly events: number;
}

/** Positions of what waits, in the portions in which it is given back. */
export function sharesOf(portions: Portions): readonly (readonly number[])[] {
  const { nextPackAt, packs, events } = portions;
  const shares: (readonly number[])[] = [];
  let [whole, count]: [number[], number] = [[], 0];
  const closeWhole = (): void => {
    if (count > 0) shares.push(whole);
    [whole, count] = [[], 0];
  };
  for (let start = portions.from, end = 0; start < portions.end; start = end) {
    end = nextPackAt(start + 1);
    const waiting: number[] = [];
    for (let at = start; at < end; at += 1) if (portions.isWaiting(at)) waiting.push(at);
    const isWhole = waiting.length === end - start && nextPackAt(start) === start;
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

/** What a job's settlements add to Redis, until that is written. */
export class SettlementBatch {
  readonly #again: { readonly job: JobSpec; readonly data: string }[] = [];
  readonly #dead: NewDeadLetter[] = [];

  get isEmpty(): boolean {
    return this.#again.length === 0 && this.#dead.length === 0;
  }

  /** A job that takes up events of this one. */
  addJob(job: JobSpec, data: string): void {
    this.#again.push({ job, data });
  }

  addDead(letter: NewDeadLetter): void {
    this.#dead.push(letter);
  }

  /** What there is now. More may come while it is being written. */
  take(): WrittenBatch {
    const [again, dead] = [this.#again.slice(), this.#dead.slice()];
    return {
      request: { again: again.map(({ job }) => job), dead: dead.map(({ spec }) => spec) },
      data: [...again.map(({ data }) => data), ...dead.flatMap(({ texts }) => texts)],
      forget: () => {
        this.#again.splice(0, again.length);
        this.#dead.splice(0, dead.length);
      },
    };
  }
}

/** Part of a request, and the texts that go with it. */
export interface WrittenBatch {
  readonly request: Pick<SettleRequest, "again" | "dead">;
  readonly data: readonly string[];
  /** It is written. */
  forget(): void;
}
