import type { ServerClock } from "../connection/server-clock.ts";
import type { JobIds } from "../publish/job-ids.ts";

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
