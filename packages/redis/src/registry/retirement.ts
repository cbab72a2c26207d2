import {
  type Envelope,
  type JsonValue,
  matchesPattern,
  type RetiredBacklog,
} from "@busbar/core/provider";
import { partOf } from "../store/body-reference.ts";
import { hasBody, readData, readProgress } from "../store/job-data.ts";
import { settledIn } from "../store/job-data.ts";
import { eventsOfJob } from "../store/job-events.ts";
import { CORRUPT, isEnvelope } from "../store/stored-events.ts";
import { deduplicationKey, packName } from "../store/key-text.ts";
import { ownerOf } from "../store/keys.ts";
import { eventsOf, type JobIds, withEvents } from "../store/job-ids.ts";
import { NORMAL_PRIORITY } from "../store/job-data.ts";
import { packHead, turnHead } from "./routes.ts";
import type { DeadInfo } from "../store/dead-letter-scripts.ts";
import type { RetiredDead, RetireJobRequest } from "../store/retire-scripts.ts";
import type { Store } from "../store/store.ts";
import type { SubscriptionRecord } from "./registry.ts";

/** How many jobs are read, or changed, in one go. */
const PAGE = 100;
/** How many ids are asked for in one go. */
const ASKED_AT_ONCE = 100;
/** Deliveries of a lane that are looked at in one go. As many before them are looked at again. */
const LANE_PAGE = 250;
/** How many lanes are emptied at the same time. */
const LANES_AT_ONCE = 10;
/** How many times `splitAfterMs` to wait for what workers have in hand and have not started. */
export const PARTS_AFTER = 5;

/** Which deliveries leave the queues of a subscription, and what becomes of them. */
export interface Removal {
  readonly record: SubscriptionRecord;
  /** The ids that its jobs may have in their data. */
  readonly ids: ReadonlySet<string>;
  /** Whether a delivery leaves. What cannot be read is given as it is. */
  readonly isUnwanted: (envelope: Envelope) => boolean;
  readonly backlog: Exclude<RetiredBacklog, "keep">;
  /** Why they are dead, if they become dead letters. */
  readonly reason: "retired" | "drained";
}

/** What waits in a subscription that lost some of its events, or all. */
export interface Retirement extends Omit<Removal, "isUnwanted"> {
  /** Names and patterns that it still wants. */
  readonly wanted: readonly string[];
}

/** A delivery that becomes a dead letter, with what it has behind it. */
interface Letter {
  readonly envelope: Envelope;
  readonly state?: JsonValue | undefined;
}

type Parts = Store;
type Job = Pick<RetireJobRequest, "id" | "state">;

/** Takes deliveries out of jobs and lanes, each in one step. */
export interface Remover {
  /** Dead letters have no room for more. */
  readonly isFull: boolean;
  /** Takes them out of a job that waits, also if another removal takes others out of it. What was read of it is read anew. */
  removeFromJob(queueName: string, job: Job): Promise<void>;
  removeFromLane(queueName: string, key: string): Promise<void>;
}

/**
 * Resolves with the id that a pack has now if it has lost events to a removal: the same, with fewer events. Ends what
 * follows it, as each has fewer events than the one before.
 *
 * @param queue Key prefix of the queue, with its last colon.
 */
export async function laterIdOf(
  { link }: Parts,
  queue: string,
  id: string,
): Promise<string | undefined> {
  for (let left = eventsOf(id) - 1; left > 0; left -= ASKED_AT_ONCE) {
    const count = Math.min(left, ASKED_AT_ONCE);
    const later = Array.from({ length: count }, (_, at) => withEvents(id, left - at));
    const there = await Promise.all(later.map((it) => link.client.exists(`${queue}${it}`)));
    const found = later.find((_, at) => there[at] === 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** @param onRemoved Called with how many deliveries there were, bit by bit. */
export function createRemover(
  parts: Parts,
  jobIds: JobIds,
  removal: Removal,
  onRemoved: (count: number) => void,
): Remover {
  const { record, ids, isUnwanted, backlog, reason: why } = removal;
  const { link, keys, scripts, context } = parts;
  const { client } = link;
  const { subscriptionId } = record;
  const maxDead = context.deadLetters.maxPerSubscription;
  let isFull = false;

  /** @param done What a script has answered. */
  function removed(done: number, events: number): void {
    if (done > 0) onRemoved(done * events);
    isFull ||= done < 0;
  }

  /** The ids and arguments of dead letters, none if they are to be discarded. */
  function deadLetters(
    letters: readonly Letter[],
    queue: string,
    key: string | undefined,
    priority: number,
  ): { dead: readonly RetiredDead[]; data: readonly string[] } {
    if (backlog === "discard") return { dead: [], data: [] };
    const data = letters.flatMap(({ envelope, state = null }) => {
      const isReadable = isEnvelope(envelope);
      const name = isReadable ? envelope.name.toWellFormed() : "";
      const reason = isReadable ? why : CORRUPT;
      const info: DeadInfo = { reason, state, queue, name, priority };
      const turn = key !== undefined && {
        key,
        turn: {
          name,
          priority: NORMAL_PRIORITY,
          delay: 0,
          data: `${turnHead(subscriptionId)}${JSON.stringify(key)}}`,
        },
      };
      return [
        JSON.stringify({ ...info, ...turn }),
        typeof envelope === "string"
          ? envelope
          : `${packHead(subscriptionId)}${JSON.stringify(envelope)}]}`,
      ];
    });
    return { dead: letters.map(() => ({ id: jobIds.next(1) })), data };
  }

  /** Under which deduplication remembers envelopes that are discarded: "" for one that it does not. */
  function remembered(envelopes: readonly Envelope[]): readonly string[] {
    if (backlog !== "discard") return [];
    return envelopes.map((envelope) => {
      const id = isEnvelope(envelope) ? envelope.deduplicationId : undefined;
      return id === undefined ? "" : deduplicationKey(encodeURIComponent(record.scope), id);
    });
  }

  async function removeFromJob(name: string, { id, state }: Job): Promise<void> {
    const queue = keys.queue(name);
    for (let at: string | undefined = id; at !== undefined;) {
      if (await removeFromJobAsRead(queue, name, { id: at, state })) return;
      at = await laterIdOf(parts, queue, at);
    }
  }

  /** Resolves with false if the job is gone, or not as it was read any more. */
  async function removeFromJobAsRead(
    queue: string,
    name: string,
    { id, state }: Job,
  ): Promise<boolean> {
    const fields = await client.hmget(`${queue}${id}`, "data", "progress", "priority");
    const [json, progress, priority] = fields;
    if (!json) return false;
    const { data } = readData(json);
    const owner = data.subscription ?? ownerOf(name);
    if (owner === undefined || !ids.has(owner)) return true;
    // Of what cannot be read the text is all that there is.
    const events = (await eventsOfJob(parts, data)) ?? [json as unknown as Envelope];
    const settled = new Set(settledIn(readProgress(progress) ?? {}));
    const left = [...events.keys()].filter((at) => !settled.has(at));
    const isKept = (at: number): boolean => !isUnwanted(events[at] as Envelope);
    const keptAt = left.filter(isKept);
    const kept = keptAt.map((at) => events[at] as Envelope);
    const unwanted = left.filter((at) => !isKept(at)).map((at) => events[at] as Envelope);
    if (unwanted.length === 0) return true;
    const jobPriority = Number(priority) || NORMAL_PRIORITY;
    // A delivery that was retried is a job of its own, and has its errors with it.
    const letters = unwanted.map((envelope) => ({ envelope, state: data.state }));
    const { dead, data: deadData } = deadLetters(letters, queue, data.key, jobPriority);
    const request: RetireJobRequest = {
      own: keys.own,
      queue,
      id,
      subscription: subscriptionId,
      state,
      progress: progress ?? "",
      ...(kept[0] && { kept: { id: withEvents(id, kept.length), name: packName(kept) } }),
      dead,
      maxDead,
      forget: remembered(unwanted).filter((key) => key !== ""),
      ...(hasBody(data) && { body: data.body }),
    };
    const part = hasBody(data) ? partOf(data, keptAt) : { events: kept };
    const keptData = kept.length > 0 ? JSON.stringify({ ...data, ...part }) : "";
    const done = await scripts.retireJob(`${queue}${id}`, request, [keptData, ...deadData]);
    removed(done, unwanted.length);
    return done !== 0;
  }

  /**
   * Empties a lane page by page: Redis does nothing else during a script. What a worker takes from the head meanwhile
   * moves the rest, so that each page begins before the end of the page before. Deliveries that come meanwhile stay.
   */
  async function removeFromLane(name: string, key: string): Promise<void> {
    const lane = `${keys.own}lane:${keys.queue(name)}${key}`;
    let end = await client.llen(lane);
    for (let from = 0; from < end && !isFull;) {
      const first = Math.max(0, from - LANE_PAGE);
      const to = Math.min(from + LANE_PAGE, end);
      const items = await client.lrange(lane, first, to - 1);
      const gone = await removeItems(name, key, first, items);
      if (items.length < to - first) return;
      from = to - gone;
      end -= gone;
    }
  }

  /** Resolves with how many of the items of a lane were taken out of it. */
  async function removeItems(
    name: string,
    key: string,
    first: number,
    items: readonly string[],
  ): Promise<number> {
    const queue = keys.queue(name);
    const owner = ownerOf(name) ?? "";
    const unwanted: (Letter & { readonly item: string })[] = [];
    for (const item of items) {
      const { subscription = owner, events, state } = readData(item).data;
      const [envelope = item as unknown as Envelope] = events ?? [];
      if (ids.has(subscription) && isUnwanted(envelope)) unwanted.push({ item, envelope, state });
    }
    if (unwanted.length === 0) return 0;
    const envelopes = unwanted.map(({ envelope }) => envelope);
    const { dead, data } = deadLetters(unwanted, queue, key, NORMAL_PRIORITY);
    const request = {
      own: keys.own,
      queue,
      key,
      subscription: subscriptionId,
      first: Math.max(0, first - LANE_PAGE),
      last: first + items.length - 1,
      count: unwanted.length,
      dead,
      maxDead,
      forget: remembered(envelopes),
    };
    const args = [...unwanted.map(({ item }) => item), ...data];
    const done = await scripts.retireLane(`${keys.own}lanes:${queue}`, request, args);
    removed(done, 1);
    return Math.max(0, done);
  }

  return {
    get isFull() {
      return isFull;
    },
    removeFromJob,
    removeFromLane,
  };
}

/**
 * Takes what is not wanted any more out of the queues of a subscription: a job at a time, each in one
 * step. What a worker has in hand is left alone, but the part of a pack that it gives back because it is
 * slow is waited for. Ends when dead letters have no room for more. Safe to call again. Calls `onRetired` with how
 * many deliveries there were, bit by bit.
 *
 * @returns Whether dead letters had room for all.
 */
export async function retireBacklog(
  parts: Parts,
  jobIds: JobIds,
  { wanted, ...retirement }: Retirement,
  onRetired: (count: number) => void,
): Promise<boolean> {
  const { record } = retirement;
  const { link, keys, context } = parts;
  const { client } = link;
  const { splitAfterMs } = parts.options.batch;
  const remover = createRemover(parts, jobIds, { ...retirement, isUnwanted }, onRetired);

  /** What cannot be read is nobody's, once nothing of the subscription is wanted. */
  function isUnwanted(envelope: Envelope): boolean {
    if (!isEnvelope(envelope)) return wanted.length === 0;
    return !wanted.some((pattern) => matchesPattern(pattern, envelope.name));
  }

  async function retireJobs(name: string, state: Job["state"]): Promise<void> {
    const queue = keys.queue(name);
    const waiting = await idsIn(queue, state);
    for (let from = 0; from < waiting.length && !remover.isFull; from += PAGE) {
      const page = waiting.slice(from, from + PAGE);
      await Promise.all(page.map((id) => remover.removeFromJob(name, { id, state })));
    }
  }

  /** In the order in which they would be handed over. Turns have their deliveries in lanes. */
  async function idsIn(queue: string, state: Job["state"]): Promise<readonly string[]> {
    const key = `${queue}${state}`;
    const waiting =
      state === "wait"
        ? (await client.lrange(key, 0, -1)).toReversed()
        : await client.zrange(key, "0", "-1");
    return waiting.filter((id) => eventsOf(id) > 0);
  }

  async function retireQueue(name: string): Promise<void> {
    const queue = keys.queue(name);
    // Delayed ones first: they move to the others when they are due, never back.
    for (const state of ["delayed", "prioritized", "wait"] as const) {
      await retireJobs(name, state);
    }
    const lanes = `${keys.own}lanes:${queue}`;
    let cursor = "0";
    do {
      const [next, fields] = await client.hscan(lanes, cursor, "COUNT", PAGE);
      const left = fields.filter((_, at) => at % 2 === 0).values();
      const work = async (): Promise<void> => {
        for (const key of left) await remover.removeFromLane(name, key);
      };
      await Promise.all(Array.from({ length: LANES_AT_ONCE }, work));
      cursor = next;
    } while (cursor !== "0" && !remover.isFull);
  }

  /** Whether a worker has a pack of which it may give back a part. */
  async function isPackInHand(queue: string): Promise<boolean> {
    const active = await client.lrange(`${queue}active`, 0, -1);
    return active.some((id) => eventsOf(id) > 1);
  }

  const { clock } = context;
  for (const name of record.queues) {
    const queue = keys.queue(name);
    const partsUntil = clock.monotonic() + PARTS_AFTER * splitAfterMs;
    await retireQueue(name);
    while (!remover.isFull && clock.monotonic() < partsUntil && (await isPackInHand(queue))) {
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, splitAfterMs, { keepAlive: true });
      });
      await retireQueue(name);
    }
  }
  return !remover.isFull;
}
