import { readJobData } from "../store/stored-events.ts";
import { placeOf } from "../registry/routes.ts";
import { presentId } from "../registry/declarations.ts";
import type { Session } from "../registry/session.ts";
import { type JobData, type TakenJob, writeData } from "../store/job-data.ts";
import type { JobQueue } from "./job-queue.ts";

/** Moves a delayed delivery of a key, which is due, to where the others of its key are. */
export async function enterLane(job: TakenJob, key: string, queue: JobQueue): Promise<void> {
  const { subscription } = job.data;
  const [event] = readJobData<JobData>(job.text).events ?? [];
  const turn = {
    id: queue.ids.next(0),
    name: job.name.toWellFormed(),
    priority: job.priority,
    delay: 0,
    data: JSON.stringify({ subscription, key }),
  };
  const entry = writeData(subscription, [JSON.stringify(event)]);
  for (let isStale = false; ; isStale = true) {
    const lane = {
      ...(await placeNow(queue.session, subscription, queue.key, isStale)),
      key,
      turn,
    };
    if (await queue.enterLane(job.id, lane, entry)) return;
  }
}

async function placeNow(
  { registry, keys, options }: Session,
  subscription: string,
  queue: string,
  afresh: boolean,
) {
  const { version, records } = await registry.snapshot(afresh);
  const record = records.get(presentId(records, subscription));
  const reviveAfterMs = options.lockDurationMs;
  return {
    version,
    place: record ? placeOf(record, keys, reviveAfterMs) : { queue, reviveAfterMs },
  };
}
