import type { Delivery, Settlement } from "@busbar/core/provider";
import type { StoredPack } from "./body-cache.ts";
import type { HeldJob } from "./held-job.ts";
import type { JobQueue } from "./job-queue.ts";
import type { Suspects } from "./suspects.ts";

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
