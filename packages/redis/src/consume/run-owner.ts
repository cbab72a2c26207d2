import type { Delivery, Settlement } from "@busbar/core/provider";
import type { StoredPack } from "./body-cache.ts";
import type { JobQueue } from "./job-queue.ts";
import type { Suspects } from "../crash-isolation/suspects.ts";
import type { TakenJob } from "../store/job-data.ts";

/** A job that this process has in hand. */
export interface HeldJob {
  readonly job: TakenJob;
  /** Whether something of it could start, if there was a slot. */
  readonly hasWaiting: boolean;
  /** How many of its deliveries have not started, at hand or not. */
  readonly waiting: number;
  /** Starts one delivery, in a slot that is taken for it. */
  startNext(): void;
  /** Gives back what has no slot yet. */
  giveBack(delayMs: number): void;
  /**
   * Gives back what has no slot yet; of a job that is quick, only what it would not get to in as long again
   * as it has been in hand. Returns whether it keeps any of that.
   */
  split(delayMs: number): boolean;
  /** Gives back what has not been handed over. */
  stop(): void;
  /** Writes down what is settled. */
  checkpoint(): void;
  /** The lock has ended, and perhaps somebody else has the job. */
  lose(): void;
  /** The job was taken again while it was in hand: goes on with it. False: that must not be. */
  adopt(job: TakenJob): boolean;
  /** Hands all of it back, uncounted; what its handlers say later is passed over. */
  release(): Promise<void>;
  /** Resolves when nothing of it runs any more. */
  readonly whenOver: Promise<void>;
}

/** Told what becomes of a delivery. */
export type Settle = (settlement: Settlement | undefined) => void;

/** What a job in hand asks of the consumer that runs its deliveries. */
export interface RunOwner {
  readonly concurrency: number;
  /** Whether this release wants a dead letter of an ordered subscription to block its key. */
  readonly blocks: boolean;
  readonly suspects: Suspects;
  /** Milliseconds that a handler takes on average, if that is known yet. */
  readonly averageMs: number | undefined;
  /**
   * Hands a delivery over, and tells `settle` what becomes of it, perhaps at once: undefined if it ended
   * without a settlement. Never throws.
   */
  deliver(delivery: Delivery, settle: Settle): void;
  /** A delivery ended without a settlement. */
  unsettled(err: unknown): void;
  /** Something of the job may start. */
  add(run: HeldJob): void;
  /** Starts what waits, as far as there are slots. */
  fill(): void;
  /** A slot that was taken for a delivery is free again. */
  slotFreed(): void;
  /** Nothing of the job runs any more, and so many deliveries of it took that many milliseconds. */
  ended(run: HeldJob, deliveries: number, tookMs: number): void;
  /** Dead letters were dropped at their bound. */
  dropped(subscriptionId: string, count: number): void;
}

/** What the reader of a queue asks of a consumer that it takes jobs for. */
export interface ReaderMember extends RunOwner {
  readonly subscriptionId: string;
  readonly freeSlots: number;
  /** The free slots that it need not leave to others: at least one, if it could take any. */
  readonly usableSlots: number;
  /** How many events have not started, of all jobs in hand. */
  readonly waiting: number;
  /** How many events it may have that wait for slots, while jobs are on their way for `roundTripMs`. */
  ahead(roundTripMs: number): number;
  /** Whether jobs of that subscription are for this consumer: it may have had another id. */
  accepts(subscriptionId: string): boolean;
  /** What was fetched had to wait: nothing more is fetched ahead, until a job is quick again. */
  slowDown(): void;
}

/** What a job in hand asks of the reader that took it. */
export interface RunReader {
  readonly queue: JobQueue;
  /** Whether there are several subscriptions in this process, which may want the same events. */
  readonly isOneOfMany: boolean;
  /** Resolves, after a turn of the event loop if that is due. */
  takeBreak(): Promise<void>;
  /** Packs of a body by their numbers. Null: it is not there. Undefined: that is over. */
  load(body: string, numbers: readonly number[]): readonly Promise<StoredPack | null | undefined>[];
  frontId(parentId: string, events: number): string;
  /** Something is handed back for that many milliseconds: others may have more use for it. */
  makeWay(delayMs: number): void;
  /** A checkpoint of the job is due, that many milliseconds from now at the latest. */
  checkpointSoon(run: HeldJob): void;
  /** The job is completed, handed back or somebody else's. */
  forget(run: HeldJob): void;
}
