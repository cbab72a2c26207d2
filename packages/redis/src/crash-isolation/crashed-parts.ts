import { type BodyReference, partOf } from "../store/body-reference.ts";
import type { JobSpec } from "../store/publish-script.ts";
import { hasBody, settledIn, type TakenJob, writeData, writeReference } from "../store/job-data.ts";

/** A job to add, with its data. */
export interface Recovered {
  readonly job: JobSpec;
  readonly data: string;
}

/** Makes the id of a job that goes to the front of the queue, before its parent. */
type FrontId = (parentId: string, events: number) => string;

/**
 * Takes apart a job of several events whose holder has died: the unsettled events come back at once, each
 * alone, and as suspects. Nobody knows which of them it was, so no crash is counted. Of several packs, each
 * becomes a job first, which is taken apart when it is taken.
 */
export function partsOfCrashed(job: TakenJob, frontId: FrontId): readonly Recovered[] {
  const settled = new Set(settledIn(job.progress));
  const left = Array.from({ length: job.size }, (_, at) => at).filter((at) => !settled.has(at));
  return hasBody(job.data) ? partsOf(job, job.data, left, frontId) : eventsOf(job, left, frontId);
}

function eventsOf(
  { id, priority, data: { subscription, events = [] } }: TakenJob,
  left: readonly number[],
  frontId: FrontId,
): readonly Recovered[] {
  return left.flatMap((at) => {
    const event = events[at];
    if (!event) return [];
    const name = event.name.toWellFormed();
    return {
      job: { id: frontId(id, 1), name, priority, delay: 0, front: true },
      data: writeData(subscription, [JSON.stringify(event)], { suspect: true }),
    };
  });
}

/** The events stay where they are. */
function partsOf(
  { id, name, priority, data: { subscription } }: TakenJob,
  reference: BodyReference,
  left: readonly number[],
  frontId: FrontId,
): readonly Recovered[] {
  const parts = reference.packs.length > 1 ? byPack(reference, left) : left.map((at) => [at]);
  return parts.map((positions) => ({
    job: {
      id: frontId(id, positions.length),
      name,
      priority,
      delay: 0,
      front: true,
      body: reference.body,
    },
    data: writeReference(
      subscription,
      partOf(reference, positions),
      positions.length > 1 ? { crashed: true } : { suspect: true },
    ),
  }));
}

function byPack({ packs }: BodyReference, left: readonly number[]): readonly (readonly number[])[] {
  let until = 0;
  return packs
    .map(([, events]) => {
      const from = until;
      until += events;
      return left.filter((at) => at >= from && at < from + events);
    })
    .filter((positions) => positions.length > 0);
}
