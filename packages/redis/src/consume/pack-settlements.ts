import type { Envelope, Settlement } from "@busbar/core";
import { readJobData } from "../lean-events.ts";
import { packName } from "../publish/pack-name.ts";
import type { JobSpec } from "../scripts/publish-script.ts";
import { createDeadLetter } from "./dead-letter.ts";
import { type History, type JobData, type TakenJob, writeData } from "./job-data.ts";
import type { RunReader } from "./run-owner.ts";
import { SettlementBatch } from "./settlement-batch.ts";

/** Turns settlements of a pack's events, told by their positions, into jobs and dead letters. */
export class PackSettlements {
  readonly batch: SettlementBatch = new SettlementBatch();
  readonly #job: TakenJob;
  readonly #subscription: string;
  readonly #reader: RunReader;
  #originals: readonly Envelope[] | undefined;

  /** @param subscription The present id of the subscription. */
  constructor(job: TakenJob, subscription: string, reader: RunReader) {
    this.#job = job;
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

  #add(
    indexes: readonly number[],
    id: string,
    when: Pick<JobSpec, "delay" | "front">,
    history: History,
  ): void {
    const { priority, data } = this.#job;
    const texts = indexes.map((index) => this.#text(index));
    const job = { id, name: this.#nameOf(indexes), priority, ...when };
    this.batch.addJob(job, writeData(data.subscription, texts, history));
  }

  #nameOf(indexes: readonly number[]): string {
    const { events = [] } = this.#job.data;
    return packName(indexes.flatMap((index) => events[index] ?? []));
  }

  /** The event as it was published: a handler may have changed the one that it got. */
  #text(index: number): string {
    this.#originals ??= readJobData<JobData>(this.#job.text).events ?? [];
    return JSON.stringify(this.#originals[index]);
  }
}
