import { encodeLabel } from "../key-text.ts";
import type { JobSpec } from "../scripts/publish-script.ts";
import { type TakenJob, writeData } from "./job-data.ts";
import { settledIn } from "./pack-progress.ts";
import type { RunReader } from "./run-owner.ts";

/**
 * Takes apart a pack whose holder has died: its unsettled events come back at once, each alone, and as
 * suspects. Nobody knows which of them it was, so no crash is counted.
 */
export async function recoverPack(job: TakenJob, reader: RunReader): Promise<void> {
  const { id, priority, data, progress } = job;
  const { subscription, events = [] } = data;
  const settled = new Set(settledIn(progress));
  const again: JobSpec[] = [];
  const texts: string[] = [];
  for (const [index, event] of events.entries()) {
    if (settled.has(index)) continue;
    const name = encodeLabel(event.name);
    again.push({ id: reader.frontId(id, 1), name, priority, delay: 0, front: true });
    texts.push(writeData(subscription, [JSON.stringify(event)], { suspect: true }));
  }
  const request = { step: reader.queue.nextStep(), again, dead: [] };
  await reader.queue.settle(id, request, texts, { completes: true, isOver: () => false });
}
