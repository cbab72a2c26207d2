import type { SubscriptionRecord } from "../registry/registry.ts";
import { createRemover, laterIdOf, PARTS_AFTER, type Remover } from "../registry/retirement.ts";
import type { Session } from "../registry/session.ts";
import { insistently } from "../store/insistently.ts";
import { readData } from "../store/job-data.ts";
import { eventsOf, type JobIds } from "../store/job-ids.ts";
import { deduplicationKey } from "../store/key-text.ts";
import { ownerOf } from "../store/keys.ts";
import { isEnvelope } from "../store/stored-events.ts";

/** How many jobs or lanes are looked at in one step: Redis does nothing else meanwhile. */
const LOOKED_AT_ONCE = 250;
/** How many queues are looked at at the same time. */
const MOST_QUEUES = 50;

/** Delayed jobs first: they move to the others when they are due, never back. */
const PLACES = [
  ["delayed", "zset"],
  ["prioritized", "zset"],
  ["wait", "list"],
] as const;

/** What is cancelled, and where. */
interface Search {
  readonly session: Session;
  readonly eventId: string;
  /** The text that the data of a job has, if it holds the event. */
  readonly needle: string;
  /** Whether the bodies that were looked into hold the event. */
  readonly bodies: Map<string, boolean>;
  /** The present record of the subscription that a job or lane entry belongs to, if it is to be looked at. */
  recordOf(subscriptionId: string): SubscriptionRecord | undefined;
  removerOf(record: SubscriptionRecord): Remover;
  readonly cancelled: (count: number) => void;
}

/** Takes the deliveries of an event that no worker has out of all queues, or out of one subscription's. */
export async function cancelEvent(
  session: Session,
  jobIds: JobIds,
  eventId: string,
  only: string | undefined,
): Promise<number> {
  const { records } = await session.registry.snapshot(true);
  const removers = new Map<string, Remover>();
  let count = 0;

  function presentOf(subscriptionId: string): SubscriptionRecord | undefined {
    let record = records.get(subscriptionId);
    while (record?.renamedTo !== undefined) record = records.get(record.renamedTo);
    return record;
  }

  const wanted = only === undefined ? undefined : presentOf(only);
  const search: Search = {
    session,
    eventId,
    needle: `"id":${JSON.stringify(eventId)}`,
    bodies: new Map(),
    cancelled: (more) => {
      count += more;
    },
    recordOf(subscriptionId) {
      const record = presentOf(subscriptionId);
      return only === undefined || record === wanted ? record : undefined;
    },
    removerOf(record) {
      const { subscriptionId } = record;
      let remover = removers.get(subscriptionId);
      if (!remover) {
        remover = createRemover(
          session,
          jobIds,
          {
            record,
            ids: new Set([...records.keys()].filter((id) => presentOf(id) === record)),
            isUnwanted: (envelope) => isEnvelope(envelope) && envelope.id === eventId,
            backlog: "discard",
            reason: "drained",
          },
          search.cancelled,
        );
        removers.set(subscriptionId, remover);
      }
      return remover;
    },
  };
  const searched = only === undefined ? [...records.values()] : wanted ? [wanted] : [];
  const left = new Set(searched.flatMap(({ queues }) => queues)).values();
  const cancelAll = async (): Promise<void> => {
    for (const name of left) await insistently(session, () => cancelInQueue(search, name));
  };
  await Promise.all(Array.from({ length: MOST_QUEUES }, cancelAll));
  return count;
}

/** What a worker gives back of a pack, because it is slow, is waited for. */
async function cancelInQueue(search: Search, name: string): Promise<void> {
  const { context, options } = search.session;
  const { splitAfterMs } = options.batch;
  const until = context.clock.monotonic() + PARTS_AFTER * splitAfterMs;
  for (;;) {
    const wasOnItsWay = await isOnItsWay(search, name);
    for (const [state, kind] of PLACES) {
      for (const id of await findJobs(search, name, state, kind)) {
        const record = await recordOfJob(search, name, id);
        if (record) await search.removerOf(record).removeFromJob(name, { id, state });
      }
    }
    await cancelInLanes(search, name);
    // A worker may have taken it before its place was looked at.
    const comesBack = wasOnItsWay || (await isOnItsWay(search, name));
    if (!comesBack || context.clock.monotonic() >= until) return;
    await new Promise<void>((resolve) => {
      context.clock.setTimeout(resolve, splitAfterMs, { keepAlive: true });
    });
  }
}

/** Whether a worker has a pack with the event, or moves a delayed delivery of it to its ordered key. */
async function isOnItsWay(search: Search, name: string): Promise<boolean> {
  for (const id of await findJobs(search, name, "active", "list")) {
    if (eventsOf(id) > 1) return true;
    const { key } = await dataOfJob(search, name, id);
    if (key !== undefined) return true;
  }
  return false;
}

async function findJobs(
  { session, needle, bodies }: Search,
  name: string,
  state: string,
  kind: "zset" | "list",
): Promise<ReadonlySet<string>> {
  const { keys, scripts } = session;
  const queue = keys.queue(name);
  const all = new Set<string>();
  let cursor = "0";
  do {
    const args = [queue, kind, cursor, LOOKED_AT_ONCE, needle];
    const [next, found, referring] = await scripts.findJobs(`${queue}${state}`, args);
    for (const id of found) all.add(id);
    for (let at = 0; at < referring.length; at += 2) {
      const body = referring[at + 1] as string;
      const isInBody =
        bodies.get(body) ?? (await scripts.findInBody(`${keys.own}body:${body}`, [needle])) > 0;
      bodies.set(body, isInBody);
      if (isInBody) all.add(referring[at] as string);
    }
    cursor = next;
  } while (cursor !== "0");
  return all;
}

async function dataOfJob({ session }: Search, name: string, id: string) {
  const { keys, link } = session;
  const queue = keys.queue(name);
  let json: string | null = null;
  for (let at: string | undefined = id; at !== undefined && !json;) {
    json = await link.client.hget(`${queue}${at}`, "data");
    if (!json) at = await laterIdOf(session, queue, at);
  }
  return readData(json ?? "").data;
}

async function recordOfJob(
  search: Search,
  name: string,
  id: string,
): Promise<SubscriptionRecord | undefined> {
  const { subscription = ownerOf(name) ?? "" } = await dataOfJob(search, name, id);
  return search.recordOf(subscription);
}

async function cancelInLanes(search: Search, name: string): Promise<void> {
  const { keys, scripts } = search.session;
  const queue = keys.queue(name);
  let cursor = "0";
  do {
    const args = [keys.own, queue, cursor, LOOKED_AT_ONCE, search.needle];
    const [next, found, long] = await scripts.findInLanes(`${keys.own}lanes:${queue}`, args);
    for (let at = 0; at < found.length; at += 2) {
      await cancelInLane(search, name, found[at] as string, found[at + 1] as string);
    }
    for (const key of long) await cancelInLongLane(search, name, key);
    cursor = next;
  } while (cursor !== "0");
}

/**
 * From its end: what workers take from the head meanwhile does not move what is looked at. What is added at the end
 * does, away from it, and what is taken out behind it, towards it: so each page looks at the page before again.
 */
async function cancelInLongLane(search: Search, name: string, key: string): Promise<void> {
  const { keys, link, scripts } = search.session;
  const lane = `${keys.own}lane:${keys.queue(name)}${key}`;
  for (let end = 0; end < (await link.client.llen(lane)); end += LOOKED_AT_ONCE) {
    const page = [-end - 2 * LOOKED_AT_ONCE, -end - 1];
    const found = await scripts.findInLane(lane, [...page, search.needle]);
    for (const item of found) await cancelInLane(search, name, key, item);
  }
}

async function cancelInLane(
  search: Search,
  name: string,
  key: string,
  item: string,
): Promise<void> {
  const { keys, scripts } = search.session;
  const { subscription = ownerOf(name) ?? "", events } = readData(item).data;
  const record = search.recordOf(subscription);
  const envelope = events?.[0];
  if (!record || !isEnvelope(envelope) || envelope.id !== search.eventId) return;
  const { deduplicationId: id } = envelope;
  const remembered = id === undefined ? "" : deduplicationKey(encodeURIComponent(record.scope), id);
  const queue = keys.queue(name);
  const args = [keys.own, queue, key, item, remembered];
  search.cancelled(await scripts.cancelInLane(`${keys.own}lanes:${queue}`, args));
}
