import type { Envelope } from "@busbar/core/provider";
import { eventsReferredTo, numbersIn } from "./body-reference.ts";
import { hasBody, type JobData, readData } from "./job-data.ts";
import type { Store } from "./store.ts";

/** Reads the events of a job's data, also those that are stored apart from it. Undefined where some cannot be read. */
export async function eventsOfJob(
  { keys, link }: Pick<Store, "keys" | "link">,
  data: Partial<JobData>,
): Promise<readonly Envelope[] | undefined> {
  if (!hasBody(data)) return data.events;
  const numbers = data.packs.map(([number]) => String(number));
  const texts = await link.client.hmget(`${keys.own}body:${data.body}`, ...numbers);
  const events = data.packs.flatMap(([, count, which], at) => {
    const { events: all = [] } = readData(texts[at] ?? "").data;
    const positions = which ? [...numbersIn(which)] : [...Array(count).keys()];
    return positions.flatMap((position) => all[position] ?? []);
  });
  return events.length === eventsReferredTo(data) ? events : undefined;
}
