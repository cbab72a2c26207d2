import type { Envelope, Page, ProviderAdmin, WaitingDelivery } from "@busbar/core/provider";
import { presentId } from "../registry/declarations.ts";
import type { Session } from "../registry/session.ts";
import { insistently } from "../store/insistently.ts";
import { readData, readProgress, settledIn } from "../store/job-data.ts";
import { eventsOfJob } from "../store/job-events.ts";
import { eventsOf } from "../store/job-ids.ts";
import { ownerOf } from "../store/keys.ts";
import { isEnvelope } from "../store/stored-events.ts";

/** Jobs that are read in one go. */
const JOBS_AT_ONCE = 50;
/** Deliveries of a lane that are read in one go. */
const LANE_AT_ONCE = 500;
/** How many deliveries are looked at for a page: where an event is looked up, a page may be empty. */
const MOST_LOOKED_AT = 20_000;
/** BullMQ's scores of delayed jobs have a counter in their lowest twelve bits. */
const PER_MS = 0x1000;

type WaitingPage = Parameters<NonNullable<ProviderAdmin["listWaiting"]>>[1];
type State = WaitingDelivery["state"];

/**
 * Where a delivery is: in which queue, in which of its parts, and behind what. The parts are in the order in which
 * their deliveries become ready, roughly: waiting jobs, jobs by priority, lanes of ordered keys, and delayed jobs.
 */
interface Place {
  readonly queue: number;
  readonly part: number;
  /** The score of a job; 0 in a list. */
  readonly score: number;
  /** The id of a job, or the key of a lane. */
  readonly id: string;
  /** The position in the job or lane. */
  readonly position: number;
}

interface Found extends Place {
  readonly envelope: Envelope;
  readonly state: State;
  readonly dueAt?: number | undefined;
}

/** What is looked for. */
interface Search {
  readonly session: Session;
  /** The ids that jobs of the subscription may have in their data. */
  readonly ids: ReadonlySet<string>;
  /** The part of a text without which the event is not in it. Undefined: every event is looked for. */
  readonly needle: string | undefined;
  readonly eventId: string | undefined;
  readonly now: number;
  /** Counts what was looked at. */
  lookedAt: number;
}

const PARTS = [findInList, findByPriority, findInLanes, findDelayed];

/** Lists deliveries of a subscription that have not begun. */
export async function listWaiting(
  session: Session,
  subscriptionId: string,
  { limit, cursor, eventId }: WaitingPage,
): Promise<Page<WaitingDelivery>> {
  const after = cursor === undefined ? undefined : readCursor(cursor);
  const { records } = await session.registry.snapshot(true);
  const id = presentId(records, subscriptionId);
  const record = records.get(id);
  if (!record) return { items: [] };
  const earlier = [...records.values()].filter(({ renamedTo }) => renamedTo === id);
  const search: Omit<Search, "lookedAt"> = {
    session,
    ids: new Set([id, ...earlier.map((it) => it.subscriptionId)]),
    needle: eventId === undefined ? undefined : JSON.stringify(eventId).slice(1, -1),
    eventId,
    now: session.serverClock.now(),
  };
  return insistently(session, () =>
    pageOf({ ...search, lookedAt: 0 }, record.queues, after, limit),
  );
}

async function pageOf(
  search: Search,
  queues: readonly string[],
  after: Place | undefined,
  limit: number,
): Promise<Page<WaitingDelivery>> {
  const items: WaitingDelivery[] = [];
  let last = after;
  for await (const found of findAll(search, queues, after)) {
    const isFull = items.length === limit;
    const isEnough = !("envelope" in found) && search.lookedAt >= MOST_LOOKED_AT;
    if (isFull && "envelope" in found) return { items, cursor: writeCursor(last) };
    last = found;
    if ("envelope" in found) items.push(deliveryOf(found));
    if (isEnough) return { items, cursor: writeCursor(last) };
  }
  return { items };
}

/** Everything behind a place, and in between the places up to which all was looked at. */
async function* findAll(
  search: Search,
  queues: readonly string[],
  after: Place | undefined,
): AsyncGenerator<Found | Place> {
  for (let queue = after?.queue ?? 0; queue < queues.length; queue += 1) {
    const isFirstQueue = queue === after?.queue;
    for (let part = isFirstQueue ? after.part : 0; part < PARTS.length; part += 1) {
      const from = isFirstQueue && part === after.part ? after : undefined;
      const find = PARTS[part]!;
      const name = queues[queue] as string;
      for await (const found of find(search, name, from)) yield { ...found, queue, part };
    }
  }
}

type Finding = AsyncGenerator<Omit<Found, "queue" | "part"> | Omit<Place, "queue" | "part">>;

/** Jobs without a priority, which BullMQ has in a list: few, as of this provider none has. */
async function* findInList(search: Search, name: string, from: Place | undefined): Finding {
  const { keys, link } = search.session;
  const listed = (await link.client.lrange(`${keys.queue(name)}wait`, 0, -1)).toReversed();
  const jobs = listed.map((id) => ({ id, score: 0 }));
  const start = from ? listed.indexOf(from.id) : 0;
  // The job of the cursor has been taken: what is left was behind it, or has come since.
  yield* findInJobs(search, name, jobs.slice(Math.max(0, start)), from);
}

async function* findByPriority(search: Search, name: string, from: Place | undefined): Finding {
  yield* findSorted(search, name, "prioritized", from);
}

async function* findDelayed(search: Search, name: string, from: Place | undefined): Finding {
  yield* findSorted(search, name, "delayed", from);
}

async function* findSorted(
  search: Search,
  name: string,
  set: "prioritized" | "delayed",
  from: Place | undefined,
): Finding {
  const { keys, link } = search.session;
  const key = `${keys.queue(name)}${set}`;
  let [score, offset]: [string | number, number] = [from?.score ?? "-inf", 0];
  for (;;) {
    const some = ["WITHSCORES", "LIMIT", offset, JOBS_AT_ONCE] as const;
    const listed = await link.client.zrangebyscore(key, score, "+inf", ...some);
    const jobs: Job[] = [];
    for (let index = 0; index < listed.length; index += 2) {
      jobs.push({ id: listed[index] as string, score: Number(listed[index + 1]) });
    }
    const left = jobs.filter(
      (job) => !from || job.score > from.score || (job.score === from.score && job.id >= from.id),
    );
    yield* findInJobs(search, name, left, from, set === "delayed");
    const last = jobs.at(-1);
    if (!last || jobs.length < JOBS_AT_ONCE) return;
    // Many may have one score: those that went to the front of the queue.
    offset = last.score === score ? offset + jobs.length : countOf(jobs, last.score);
    score = last.score;
  }
}

function countOf(jobs: readonly Job[], score: number): number {
  return jobs.filter((job) => job.score === score).length;
}

interface Job {
  readonly id: string;
  readonly score: number;
}

async function* findInJobs(
  search: Search,
  name: string,
  all: readonly Job[],
  from: Place | undefined,
  isDelayed: boolean = false,
): Finding {
  const queue = search.session.keys.queue(name);
  // Turns have their deliveries in lanes.
  const jobs = all.filter(({ id }) => eventsOf(id) > 0);
  for (let index = 0; index < jobs.length; index += JOBS_AT_ONCE) {
    const some = jobs.slice(index, index + JOBS_AT_ONCE);
    const read = await Promise.all(some.map(({ id }) => eventsLeft(search, name, `${queue}${id}`)));
    for (const [at, job] of some.entries()) {
      search.lookedAt += eventsOf(job.id);
      const dueAt = isDelayed ? Math.floor(job.score / PER_MS) : undefined;
      const state = dueAt !== undefined && dueAt > search.now ? "delayed" : "ready";
      const isCursors = job.id === from?.id && job.score === from.score;
      for (const { position, envelope } of read[at] ?? []) {
        if (isCursors && position <= from.position) continue;
        yield { ...job, position, envelope, state, ...(state === "delayed" && { dueAt }) };
      }
      yield { ...job, position: Number.MAX_SAFE_INTEGER };
    }
  }
}

interface Left {
  readonly position: number;
  readonly envelope: Envelope;
}

/** The events of a job that are looked for, of the subscription and not settled, with their positions. */
async function eventsLeft(search: Search, name: string, jobKey: string): Promise<readonly Left[]> {
  const { session, ids, needle } = search;
  const [text, progress] = await session.link.client.hmget(jobKey, "data", "progress");
  if (!text) return [];
  // A body is read to see what is in it.
  if (needle !== undefined && !text.includes(needle) && !text.includes('"body":')) return [];
  const { data } = readData(text);
  if (!ids.has(data.subscription ?? ownerOf(name) ?? "")) return [];
  const events = (await eventsOfJob(session, data)) ?? [];
  const settled = new Set(settledIn(readProgress(progress) ?? {}));
  return [...events.entries()]
    .filter(([position, envelope]) => !settled.has(position) && isWanted(search, envelope))
    .map(([position, envelope]) => ({ position, envelope }));
}

function isWanted({ eventId }: Search, envelope: Envelope): boolean {
  // What cannot be read becomes a dead letter as soon as it is taken.
  return isEnvelope(envelope) && (eventId === undefined || envelope.id === eventId);
}

/** The deliveries of ordered keys: the first of a key waits for its time or for a worker, the others for it. */
async function* findInLanes(search: Search, name: string, from: Place | undefined): Finding {
  const { keys, link } = search.session;
  const lanes = (await link.client.hkeys(`${keys.own}lanes:${keys.queue(name)}`)).toSorted();
  for (const key of lanes) {
    if (from && key < from.id) continue;
    yield* findInLane(search, name, key, key === from?.id ? from.position + 1 : 0);
    yield { id: key, score: 0, position: Number.MAX_SAFE_INTEGER };
  }
}

async function* findInLane(search: Search, name: string, key: string, first: number): Finding {
  const { keys, scripts } = search.session;
  const queue = keys.queue(name);
  const [lanes, lane] = [`${keys.own}lanes:${queue}`, `${keys.own}lane:${queue}${key}`];
  for (let from = first; ; from += LANE_AT_ONCE) {
    const args = [queue, lane, key, from, LANE_AT_ONCE];
    const [state, inHand, score, items] = await scripts.laneLook(lanes, args);
    search.lookedAt += items.length;
    for (const [index, item] of items.entries()) {
      const position = from + index;
      if (position < inHand) continue;
      const envelope = envelopeOfItem(search, name, item);
      if (!envelope) continue;
      const isHead = position === 0 && state !== "blocked";
      const dueAt = score === "" ? undefined : Math.floor(Number(score) / PER_MS);
      const isDelayed = isHead && dueAt !== undefined && dueAt > search.now;
      const place = { id: key, score: 0, position, envelope };
      if (isDelayed) yield { ...place, state: "delayed", dueAt };
      else yield { ...place, state: isHead ? "ready" : "blocked" };
    }
    if (items.length < LANE_AT_ONCE) return;
    yield { id: key, score: 0, position: from + LANE_AT_ONCE - 1 };
  }
}

function envelopeOfItem(search: Search, name: string, item: string): Envelope | undefined {
  const { ids, needle } = search;
  if (needle !== undefined && !item.includes(needle)) return undefined;
  const { subscription = ownerOf(name) ?? "", events } = readData(item).data;
  const envelope = events?.[0];
  return envelope && ids.has(subscription) && isWanted(search, envelope) ? envelope : undefined;
}

function deliveryOf({ queue, part, id, position, envelope, state, dueAt }: Found): WaitingDelivery {
  const delivery = { id: `${queue}.${part}.${id}.${position}`, envelope, state };
  return dueAt === undefined ? delivery : { ...delivery, dueAt };
}

function writeCursor(place: Place | undefined): string {
  const { queue, part, score, id, position } = place as Place;
  return JSON.stringify([queue, part, score, id, position]);
}

/** @throws TypeError when the cursor is of no page before. */
function readCursor(cursor: string): Place {
  try {
    const [queue, part, score, id, position] = JSON.parse(cursor) as unknown[];
    const numbers = [queue, part, score, position];
    if (typeof id === "string" && numbers.every(Number.isFinite)) {
      return { queue, part, score, id, position } as Place;
    }
  } catch {
    // What it is instead does not matter.
  }
  throw new TypeError(`cursor must be the cursor of the page before: ${cursor}`);
}
