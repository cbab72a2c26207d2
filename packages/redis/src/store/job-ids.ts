import { randomBytes } from "node:crypto";
import type { ServerClock } from "./store.ts";

/**
 * Makes ids of jobs and dead letters, unique among all processes. Each tells how many events its job
 * has, so that a queue is counted without reading its jobs: `k3f0…a9-1cx50` has fifty.
 */
export interface JobIds {
  /** Stands for this process in all of them. */
  readonly emitter: string;
  next(events: number): string;
}

/** Ids sort in the order in which they were made, so that what happens in the same millisecond does. */
export function createJobIds(): JobIds {
  // BullMQ refuses ids with a colon and ids that look like integers.
  const emitter = `k${randomBytes(9).toString("hex")}`;
  let last = 0;
  return {
    emitter,
    next(events) {
      last += 1;
      return `${emitter}-${last.toString(36).padStart(9, "0")}x${events}`;
    },
  };
}

/** How many events the job of this id has. 1 for an id that is none of ours. */
export function eventsOf(jobId: string): number {
  const count = /x(\d+)$/.exec(jobId)?.[1];
  return count === undefined ? 1 : Number(count);
}

/** The id of a job that takes the place of another with so many of its events. */
export function withEvents(jobId: string, events: number): string {
  return `${jobId.replace(/x\d+$/, "")}x${events}`;
}

const FROM_FRONT = /^f.*(?=x\d+$)/;

/** Ids get longer as parts of parts go to the front. */
const LONGEST = 120;

/**
 * Makes ids of jobs that go to the front of a queue. All there have the same score, and Redis sorts those
 * by id: parts of a job stay in their order, and before what went to the front later.
 * Their time is that of Redis, which is the same for all processes.
 */
export function createFrontIds(
  { emitter }: JobIds,
  { now }: Pick<ServerClock, "now">,
): (parentId: string, events: number) => string {
  let last = 0;
  return (parentId, events) => {
    last = (last + 1) % 36 ** 4;
    const sequence = last.toString(36).padStart(4, "0");
    const parent = FROM_FRONT.exec(parentId)?.[0];
    const isShort = parent !== undefined && parent.length < LONGEST;
    // The wrap of the sequence is told apart by the time, which has moved on.
    const head = isShort ? parent : `f${Math.floor(now()).toString(36).padStart(9, "0")}${emitter}`;
    return `${head}.${sequence}x${events}`;
  };
}
