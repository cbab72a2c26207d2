import { createFrontIds, createJobIds, type JobIds } from "../store/job-ids.ts";
import type { Session } from "../registry/session.ts";
import { BodyCache } from "./body-cache.ts";
import { LoopBreaks, OneATurn } from "./event-loop.ts";
import { Slots } from "./slots.ts";
import { Suspects } from "../crash-isolation/suspects.ts";

/** What the consumers of a provider share, and the readers of their queues. */
export interface ProcessShare {
  readonly session: Session;
  readonly ids: JobIds;
  readonly frontId: (parentId: string, events: number) => string;
  readonly slots: Slots;
  readonly suspects: Suspects;
  readonly bodies: BodyCache;
  readonly breaks: LoopBreaks;
  /** In which workers of BullMQ are made. */
  readonly workerTurns: OneATurn;
}

export function createProcessShare(session: Session): ProcessShare {
  const ids = createJobIds();
  const { context, options } = session;
  return {
    session,
    ids,
    frontId: createFrontIds(ids, session.serverClock),
    slots: new Slots(options.concurrency),
    bodies: new BodyCache(),
    breaks: new LoopBreaks(context.clock),
    workerTurns: new OneATurn(),
    suspects: new Suspects(context.clock, {
      aloneMs: options.suspectAloneMs,
      // Locks of one process end within a third of their duration, and a check may just have been.
      yieldMs: options.lockDurationMs / 3 + options.stalledCheckMs,
    }),
  };
}
