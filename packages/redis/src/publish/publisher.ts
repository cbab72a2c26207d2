import {
  encodeEnvelope,
  type Envelope,
  type PublishOptions,
  type PublishResult,
  safeError,
} from "@busbar/core/provider";
import {
  isLasting,
  isRefusal,
  isTooLarge,
  lastingReason,
  LostWhileSent,
  reasonOf,
  refusalReason,
} from "../store/redis-errors.ts";
import type { RegistrySnapshot } from "../registry/registry.ts";
import type { GroupRelease, PublishRequest, ScheduleFiring } from "../store/publish-script.ts";
import { ONE_ANSWER } from "../store/publish-one-script.ts";
import type { Session } from "../registry/session.ts";
import { LARGE_BYTES } from "../store/text-sizes.ts";
import {
  createGroupPublishes,
  type PublishGroup,
  TooManyJobs,
  Unclaimed,
} from "./group-publishes.ts";
import { createJobIds } from "../store/job-ids.ts";
import { loneJobOfEvent, type PublishSource } from "./lone-job.ts";
import { refuseOrphaned, refuseUnknown } from "./named-targets.ts";
import { packBatch, type PackBounds, resultsOf } from "./packs.ts";
import { type Answered, createRequestSender, largestOf } from "./request-sender.ts";
import { createRoutes, type RouteOf } from "../registry/routes.ts";

/** Milliseconds to wait for Redis before the bus is told to try again. */
const PATIENCE_MS = 250;
/** Milliseconds for which Redis remembers the last publish of a process, and what it answered. */
const REMEMBER_MS = 600_000;
/**
 * How many jobs and lane entries a request adds before the rest of its events has to wait for the next one.
 * Redis does nothing else meanwhile: this many take it about a second.
 */
const MOST_JOBS = 10_000;

/** What stands around an event in the data of a job, in bytes: the id of its subscription, and its key. */
const ROOM_BYTES = 4_096;

/** The result of an event that no subscription wants, and those of a publish of one event to one. */
const UNWANTED: PublishResult = { status: "accepted", subscriptions: 0 };
const ONE_WANTED_ONCE: readonly PublishResult[] = [{ status: "accepted", subscriptions: 1 }];

/** Puts envelopes into the queues of all that want them. */
export interface Publisher {
  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]>;
  readonly publishGroup: PublishGroup;
  /** Publishes envelopes and writes their schedule in one step, unless somebody else has written the schedule. */
  publishScheduled(
    schedule: ScheduleFiring,
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[] | undefined>;
}

export function createPublisher(session: Session): Publisher {
  const { context, options, keys, link, scripts, registry } = session;
  const { clock, logger } = context;
  const ids = createJobIds();
  const { batch, deduplicationWindowMs } = options;
  const { maxEvents, maxBytes } = batch;
  const sendUntilAnswered = createRequestSender(session);
  let bounds = boundsNow();
  let lastSeq = 0;
  /** Undefined while there is none. */
  let lastPublish: Promise<void> | undefined;
  let routed: RegistrySnapshot | undefined;
  let routeOf: RouteOf;

  function boundsNow(): Omit<PackBounds, "bodies" | "maxJobs"> {
    // With what stands around the events.
    const most = Math.floor(link.mostBytes / 2);
    return { maxEvents, maxBytes: Math.min(maxBytes, most), deduplicationWindowMs };
  }

  /** One at a time: Redis remembers only the last publish of a process. */
  function inTurn<T>(publish: () => Promise<T>): Promise<T> {
    const result = lastPublish ? lastPublish.then(publish) : publish();
    const end = (): void => {
      if (lastPublish === ended) lastPublish = undefined;
    };
    const ended: Promise<void> = result.then(end, end);
    lastPublish = ended;
    return result;
  }

  /**
   * In as few requests as may be, one after the other. What is not likely to be answered before the deadline
   * is refused for the moment.
   */
  async function sendAll(
    batch: readonly Envelope[],
    deadline: number,
    groups?: readonly GroupRelease[],
  ): Promise<readonly PublishResult[]> {
    let sentAt = clock.monotonic();
    const results = [...(await sendSome(batch, deadline, groups))];
    while (results.length < batch.length) {
      const rest = batch.slice(results.length);
      const now = clock.monotonic();
      if (now + (now - sentAt) > deadline) {
        return [...results, ...rejections(rest, "it would have been too late", undefined)];
      }
      sentAt = now;
      results.push(...(await sendSome(rest, deadline)));
    }
    return results;
  }

  function send(
    batch: readonly Envelope[],
    deadline: number,
    groups?: readonly GroupRelease[],
  ): Promise<readonly PublishResult[]> {
    // What one event adds stays together.
    return batch.length === 1
      ? sendSome(batch, deadline, groups)
      : sendAll(batch, deadline, groups);
  }

  /** Sends one request. Resolves with the results of those events, from the first one, that it had. */
  async function sendSome(
    batch: readonly Envelope[],
    deadline: number,
    groups?: readonly GroupRelease[],
    schedule?: ScheduleFiring,
  ): Promise<readonly PublishResult[]> {
    const isWhole = groups !== undefined || schedule !== undefined;
    // A group leaves as a whole.
    const maxJobs = groups?.length === 1 || schedule ? Number.POSITIVE_INFINITY : MOST_JOBS;
    let bodies = true;
    for (let isStale = false; ; isStale = true) {
      // Nothing is waited for where nothing has to be asked.
      const present = isStale || !link.isReady ? undefined : registry.present;
      if (present) {
        routeBy(present);
      } else {
        const refused = await routeAnew(batch, deadline, isStale);
        if (refused) return refused;
      }
      const snapshot = routed as RegistrySnapshot;
      const refusal = refuseUnknown(snapshot, batch);
      if (refusal) {
        // Another process may just have declared it.
        if (!isStale) continue;
        return batch.map(() => refusal);
      }
      const seq = (lastSeq += 1);
      const source: PublishSource = {
        own: keys.own,
        version: snapshot.version,
        orphanedAfterMs: context.orphanedAfterMs,
        emitter: { id: ids.emitter, seq, ttlMs: REMEMBER_MS },
      };
      const [only] = batch;
      // To find it out from a batch that is packed takes longer than all the rest of an emit.
      const lone =
        only && batch.length === 1 && !schedule
          ? loneJobOfEvent(source, groups, only, routeOf(only), ids)
          : undefined;
      // Not another async function: an emit that is awaited alone waits for each of them.
      let inShort: number | undefined;
      if (lone) {
        try {
          inShort = await scripts.publishOne(keys.version, lone);
        } catch (err) {
          logger.debug({ err }, "A publish that was sent in short has failed; it is sent in full");
        }
        if (inShort === ONE_ANSWER.done) return ONE_WANTED_ONCE;
        if (inShort === ONE_ANSWER.stale) continue;
      }
      const packed = packBatch(batch, routeOf, { ...bounds, bodies, maxJobs }, ids);
      if (groups && packed.routes.length < batch.length) throw new TooManyJobs();
      const largest = largestOf(packed);
      if (largest > 0) {
        await link.learnMostBytes();
        if (largest > link.mostBytes) return sendWithoutLarge(batch, deadline, isWhole);
      }
      const request: PublishRequest = {
        ...source,
        targets: packed.targets,
        named: packed.named,
        packs: packed.packs,
        lanes: packed.lanes,
        bodies: packed.bodies.map(({ id, packs }) => ({ id, packs: packs.length })),
        drafts: `${keys.own}draft:${ids.emitter}:${seq}:`,
        ...(groups && { groups }),
        ...(schedule && { schedule }),
      };
      let answer: Answered;
      try {
        const isInShort = inShort !== ONE_ANSWER.other && !schedule;
        answer = await sendUntilAnswered(request, packed, deadline, isInShort);
      } catch (cause) {
        if (isTooLarge(cause) && largest > 0) {
          await learnLimit(largest, deadline);
          continue;
        }
        const large = cause instanceof LostWhileSent && !isWhole ? batch.map(isLarge) : [];
        if (batch.length > 1 && large.includes(true)) {
          await link.whenReady(deadline);
          // Which of the large events does not get through is not the others' fault.
          const alone = async (index: number): Promise<PublishResult> =>
            (await send([batch[index] as Envelope], deadline))[0] as PublishResult;
          return sendApart(batch, large, alone, deadline);
        }
        if (isRefusal(cause)) {
          if (groups && packed.bodies.length > 0) {
            // A Redis that is full refuses drafts. Of a release it takes what comes with the script.
            bodies = false;
            continue;
          }
          return rejections(batch, refusalReason(cause), cause);
        }
        if (isLasting(cause)) return rejections(batch, lastingReason(cause), cause, false);
        throw cause;
      }
      if (answer[0] === "stale") continue;
      if (answer[0] === "unclaimed") throw new Unclaimed(answer[1]);
      if (answer[0] === "unfired") throw new Unfired();
      if (answer[0] === "unknown") {
        const orphan = packed.targets[(answer[1][0] ?? 0) - 1]?.subscription ?? "";
        const refused = refuseOrphaned(snapshot, batch, orphan);
        return batch.map(() => refused);
      }
      return resultsOf(packed, answer);
    }
  }

  /** Publishes the small events of a batch together, and gives the large ones the results of `ofLarge`. */
  async function sendApart(
    batch: readonly Envelope[],
    large: readonly boolean[],
    ofLarge: (index: number) => PublishResult | Promise<PublishResult>,
    deadline: number,
  ): Promise<readonly PublishResult[]> {
    const small = batch.filter((_, index) => !large[index]);
    const others = small.length === 0 ? [] : await send(small, deadline);
    const results: PublishResult[] = [];
    let next = 0;
    for (const index of batch.keys()) {
      results.push(large[index] ? await ofLarge(index) : (others[next++] as PublishResult));
    }
    return results;
  }

  /** Publishes what is not too large. What is whole is published so, or not at all. */
  async function sendWithoutLarge(
    batch: readonly Envelope[],
    deadline: number,
    isWhole: boolean,
  ): Promise<readonly PublishResult[]> {
    const room = link.mostBytes - ROOM_BYTES;
    const bytes = batch.map((envelope) => Buffer.byteLength(encodeEnvelope(envelope)));
    const large = bytes.map((count) => count > room);
    const tooLarge = (index: number): PublishResult => ({
      status: "rejected",
      code: "refused",
      reason: `an event of ${bytes[index]} bytes is larger than Redis takes (proto-max-bulk-len: ${link.mostBytes})`,
    });
    if (isWhole || !large.includes(true)) {
      const largest = bytes.indexOf(bytes.reduce((most, count) => Math.max(most, count), 0));
      return batch.map(() => tooLarge(largest));
    }
    return sendApart(batch, large, tooLarge, deadline);
  }

  /** Where Redis does not say what it takes, a refusal does. */
  async function learnLimit(refused: number, deadline: number): Promise<void> {
    await link.learnMostBytes(refused);
    bounds = boundsNow();
    await link.whenReady(deadline);
  }

  /** Waits for Redis and its list of subscriptions. Resolves with a refusal if the batch has no route yet. */
  async function routeAnew(
    batch: readonly Envelope[],
    deadline: number,
    isStale: boolean,
  ): Promise<readonly PublishResult[] | undefined> {
    if (options.whenDown === "reject" && link.isDown) {
      const away = link.away();
      return rejections(batch, away.message, away.cause, "later");
    }
    try {
      if (!link.isReady) await link.whenReady(Math.min(deadline, clock.monotonic() + PATIENCE_MS));
      routeBy(await registry.snapshot(isStale));
    } catch (cause) {
      return rejections(batch, reasonOf(cause), cause);
    }
    const { forgotten } = registry;
    if (!forgotten.isSome || !batch.some(({ name }) => forgotten.wants(name))) return undefined;
    const reason = forgotten.detail ?? "";
    return rejections(batch, reason, new Error(reason));
  }

  function routeBy(snapshot: RegistrySnapshot): void {
    if (snapshot === routed) return;
    routeOf = createRoutes(snapshot, keys, options.lockDurationMs);
    routed = snapshot;
  }

  /** Whether the list of subscriptions as this process knows it has nobody who wants any of these. */
  function isUnwanted(batch: readonly Envelope[]): boolean {
    const { present } = registry;
    if (!present) return false;
    routeBy(present);
    return batch.every(
      (envelope) => envelope.to === undefined && routeOf(envelope).targets.length === 0,
    );
  }

  /** Looks whether that is still so: another process may just have declared a subscription. */
  async function passUnwanted(
    batch: readonly Envelope[],
    deadline: number,
  ): Promise<readonly PublishResult[]> {
    const version = routed?.version;
    const present = link.isReady ? await link.client.get(keys.version).catch(() => null) : null;
    if (present === version) return batch.map(() => UNWANTED);
    return inTurn(() => send(batch, deadline));
  }

  return {
    publish: (batch, { deadline }) =>
      isUnwanted(batch) ? passUnwanted(batch, deadline) : inTurn(() => send(batch, deadline)),
    publishGroup: createGroupPublishes(
      // What is released in the same moment as the first leaves with it.
      (work) => inTurn(() => Promise.resolve().then(work)),
      send,
    ),
    async publishScheduled(schedule, envelopes, { deadline }) {
      try {
        return await inTurn(() => sendSome(envelopes, deadline, undefined, schedule));
      } catch (error) {
        if (error instanceof Unfired) return undefined;
        throw error;
      }
    },
  };
}

/** Somebody else has written the schedule: nothing was done. */
class Unfired extends Error {}

/** Whether an event alone makes a text large. */
function isLarge(envelope: Envelope): boolean {
  return Buffer.byteLength(encodeEnvelope(envelope)) > LARGE_BYTES - ROOM_BYTES;
}

function rejections(
  batch: readonly Envelope[],
  reason: string,
  cause: unknown,
  retryable: boolean | "later" = true,
): readonly PublishResult[] {
  const result = {
    status: "rejected",
    code: "refused",
    reason,
    retryable,
    ...(cause !== undefined && { cause: safeError(cause) }),
  } as const;
  return batch.map(() => result);
}
