import type { Clock, Timer } from "@busbar/core/provider";
import type { HeldJob } from "./run-owner.ts";

/** Intervals of {@link JobTimers}, in milliseconds. */
export interface JobTimes {
  readonly splitAfterMs: number;
  readonly checkpointMs: number;
  readonly renewEveryMs: number;
}

/** What is done when its time has come. */
export interface JobDeadlines {
  /** Something of the job has waited for a slot for long enough. */
  split(run: HeldJob): void;
  /** The locks of all that is in hand are to be renewed. */
  renew(): void;
}

/** Does for the jobs in hand of one queue what has its time, with one timer for all. */
export class JobTimers {
  readonly #clock: Clock;
  readonly #times: JobTimes;
  readonly #deadlines: JobDeadlines;
  readonly #inHand = new Set<HeldJob>();
  readonly #checkpoints = new Map<HeldJob, number>();
  readonly #splits = new Map<HeldJob, number>();
  #renewAt: number;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, times: JobTimes, deadlines: JobDeadlines) {
    this.#clock = clock;
    this.#times = times;
    this.#deadlines = deadlines;
    this.#renewAt = clock.monotonic() + times.renewEveryMs;
  }

  /** @param moreMs For how much longer than usual the job may wait for slots, in milliseconds. */
  add(run: HeldJob, moreMs: number): void {
    this.#inHand.add(run);
    if (run.waiting === 0) {
      this.#tickBy(this.#renewAt);
      return;
    }
    const at = this.#clock.monotonic() + this.#times.splitAfterMs + moreMs;
    this.#splits.set(run, at);
    this.#tickBy(at);
  }

  checkpointSoon(run: HeldJob): void {
    if (this.#checkpoints.has(run)) return;
    const at = this.#clock.monotonic() + this.#times.checkpointMs;
    this.#checkpoints.set(run, at);
    this.#tickBy(at);
  }

  forget(run: HeldJob): void {
    this.#inHand.delete(run);
    this.#checkpoints.delete(run);
    this.#splits.delete(run);
  }

  /** Nothing will be in hand any more. */
  end(): void {
    this.#timer?.cancel();
  }

  /** The timer stays when what it was for has ended: the next of many quick jobs needs it again. */
  #tickBy(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.setTimeout(
      () => this.#tick(),
      Math.max(at - this.#clock.monotonic(), 0),
    );
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    const nextSplit = doDue(this.#splits, now, (run) => this.#deadlines.split(run));
    const nextCheckpoint = doDue(this.#checkpoints, now, (run) => run.checkpoint());
    if (now >= this.#renewAt) {
      this.#renewAt = now + this.#times.renewEveryMs;
      this.#deadlines.renew();
    }
    if (this.#inHand.size === 0) return;
    this.#tickBy(Math.min(nextSplit, nextCheckpoint, this.#renewAt));
  }
}

/** Answers with when the next one is due. */
function doDue(due: Map<HeldJob, number>, now: number, act: (run: HeldJob) => void): number {
  let next = Number.POSITIVE_INFINITY;
  for (const [run, at] of due) {
    if (at > now) {
      next = Math.min(next, at);
      continue;
    }
    due.delete(run);
    act(run);
  }
  return next;
}
