import { stateOfCorrupt } from "@busbar/core/provider";
import { CORRUPT, isEnvelope } from "../store/stored-events.ts";
import { eventsOf } from "../store/job-ids.ts";
import { NORMAL_PRIORITY } from "../store/job-data.ts";
import { turnHead } from "../registry/routes.ts";
import { createDeadLetter } from "../store/dead-letter-scripts.ts";
import { readData, type TakenJob, writeData } from "../store/job-data.ts";
import { settledIn } from "../store/job-data.ts";
import type { RunReader } from "./run-owner.ts";
import { SettlementBatch } from "./pack-settlements.ts";

/** How many lanes are looked at in one go. */
const AT_ONCE = 1_000;

/**
 * Deals with a job that cannot be read, which somebody has changed or removed by hand. It becomes a dead
 * letter with its data as it is. Events of a pack that can be read come again, and a turn is written anew.
 * Resolves with how many dead letters were dropped at their bound.
 */
export async function setAside(
  job: TakenJob,
  subscriptionId: string,
  reader: RunReader,
): Promise<number> {
  const { queue } = reader;
  const { logger } = queue.session.context;
  const { problem = "" } = job;
  const fields = { key: `${queue.key}${job.id}`, problem, subscriberId: subscriptionId };
  if (eventsOf(job.id) === 0) {
    logger.error(fields, `A job ${problem}: it is the turn of a key, and is written anew`);
    await rewriteTurn(job, subscriptionId, reader);
    return 0;
  }
  logger.error(fields, `A job ${problem}: what cannot be read is a dead letter now, as it is`);
  const batch = new SettlementBatch();
  const bury = (data: string): void =>
    batch.addDead(
      createDeadLetter({
        id: queue.deadLetterId(),
        subscription: subscriptionId,
        data,
        reason: CORRUPT,
        state: stateOfCorrupt(`The job ${fields.key} ${problem}`, queue.serverNow),
        queue: queue.key,
        name: job.name,
        priority: priorityOf(job),
      }),
    );
  const { events, key, subscription } = job.data;
  if (events && key === undefined) {
    const settled = new Set(settledIn(job.progress));
    for (const [index, event] of events.entries()) {
      if (settled.has(index)) continue;
      const data = writeData(subscription || subscriptionId, [JSON.stringify(event)]);
      if (!isEnvelope(event)) {
        bury(data);
        continue;
      }
      const again = { name: job.name, priority: priorityOf(job), delay: 0, front: true };
      batch.addJob({ id: reader.frontId(job.id, 1), ...again }, data);
    }
  } else {
    bury(job.text);
  }
  const { request, data } = batch.take();
  const how = { completes: true, isOver: () => false };
  const [, dropped = []] = await queue.settle(job, request, data, how);
  return dropped.reduce((sum, count) => sum + count, 0);
}

/** One whose hash is gone has no priority. */
function priorityOf({ priority }: TakenJob): number {
  return priority > 0 ? priority : NORMAL_PRIORITY;
}

/** Which lane it is the turn of, the list of the queue's lanes tells. */
async function rewriteTurn(
  job: TakenJob,
  subscriptionId: string,
  { queue }: RunReader,
): Promise<void> {
  const { keys, link } = queue.session;
  const lanes = `${keys.own}lanes:${queue.key}`;
  let cursor = "0";
  do {
    const [next, found] = await link.client.hscan(lanes, cursor, "COUNT", AT_ONCE);
    for (let at = 0; at < found.length; at += 2) {
      if (found[at + 1] !== job.id) continue;
      const lane = found[at] as string;
      const head = await link.client.lindex(`${keys.own}lane:${queue.key}${lane}`, 0);
      const { subscription = subscriptionId } = readData(head ?? "").data;
      const data = `${turnHead(subscription)}${JSON.stringify(lane)}}`;
      await link.client.hset(`${queue.key}${job.id}`, {
        name: job.name,
        data,
        priority: priorityOf(job),
      });
      await queue.giveBack(job.id, 0);
      return;
    }
    cursor = next;
  } while (cursor !== "0");
  // No lane waits for it.
  await queue.complete(job, () => false);
}
