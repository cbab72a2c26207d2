import type { TakenJob } from "./job-data.ts";

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
