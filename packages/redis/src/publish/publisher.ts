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
  MOST_LOSSES,
  refusalReason,
} from "../redis-errors.ts";
import type { RegistrySnapshot } from "../registry/registry.ts";
import type { GroupRelease, PublishAnswer, PublishRequest } from "../scripts/publish-script.ts";
import { addsAsProven } from "../scripts/bullmq-scripts.ts";
import type { Session } from "../session.ts";
import { LARGE_BYTES, largestAbove } from "../text-sizes.ts";
import { createGroupPublishes, TooManyJobs, Unclaimed } from "./group-publishes.ts";
import { createJobIds } from "./job-ids.ts";
import { loneJobOf } from "./lone-job.ts";
import type { Body } from "./bodies.ts";
import { packBatch, type PackBounds, type PackedBatch } from "./packs.ts";
import { resultsOf } from "./results.ts";
import { createRoutes, type Route } from "./routes.ts";

/** Milliseconds to wait for Redis before the bus is told to try again. */
const PATIENCE_MS = 250;
/** Milliseconds for which Redis remembers the last publish of a process, and what it answered. */
const REMEMBER_MS = 600_000;
/** Milliseconds before a publish whose answer was lost is sent again over a link that looks ready. */
const AGAIN_AFTER_MS = 20;
/**
 * How many jobs and lane entries a request adds before the rest of its events has to wait for the next one.
 * Redis does nothing else meanwhile: this many take it about a second.
 */
const MOST_JOBS = 10_000;

/** What stands around an event in the data of a job, in bytes: the id of its subscription, and its key. */
const ROOM_BYTES = 4_096;
/** Milliseconds after which a draft goes whose publish has not come: it is sent in the same write. */
const DRAFT_MS = 60_000;

/** The result of an event that no subscription wants. */
const UNWANTED: PublishResult = { status: "accepted", subscriptions: 0 };

type Answered = Exclude<PublishAnswer, readonly ["undrafted"]>;

/** Puts envelopes into the queues of all that want them. */
export interface Publisher {
  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]>;
  /**
   * As `publish`, and the events leave their group in the same step. Groups that wait for each other leave
   * together. Undefined: the group may not be released so, and nothing was done.
   */
  publishGroup(
    release: GroupRelease,
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
  const hasShortScript = addsAsProven();
  let bounds = boundsNow();
  let lastSeq = 0;
  let lastPublish: Promise<unknown> = Promise.resolve();
  let routed: RegistrySnapshot | undefined;
  let routeOf: (name: string) => Route;

  function boundsNow(): Omit<PackBounds, "bodies" | "maxJobs"> {
    // With what stands around the events.
    const most = Math.floor(link.mostBytes / 2);
    return { maxEvents, maxBytes: Math.min(maxBytes, most), deduplicationWindowMs };
  }

  /** One at a time: Redis remembers only the last publish of a process. */
  function inTurn<T>(publish: () => Promise<T>): Promise<T> {
    const result = lastPublish.then(publish);
    lastPublish = result.catch(() => {});
    return result;
  }

  /**
   * In as few requests as may be, one after the other. What is not likely to be answered before the deadline
   * is refused for the moment.
   */
  async function send(
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

  /** Sends one request. Resolves with the results of those events, from the first one, that it had. */
  async function sendSome(
    batch: readonly Envelope[],
    deadline: number,
    groups?: readonly GroupRelease[],
  ): Promise<readonly PublishResult[]> {
    // A group leaves as a whole.
    const maxJobs = groups?.length === 1 ? Number.POSITIVE_INFINITY : MOST_JOBS;
    let bodies = true;
    for (let isStale = false; ; isStale = true) {
      try {
        if (!link.isReady)
          await link.whenReady(Math.min(deadline, clock.monotonic() + PATIENCE_MS));
        await route(isStale);
      } catch (cause) {
        return rejections(batch, "Redis cannot be reached", cause);
      }
      const { forgotten } = registry;
      if (forgotten.isSome && batch.some(({ name }) => forgotten.wants(name))) {
        const reason = forgotten.detail ?? "";
        return rejections(batch, reason, new Error(reason));
      }
      const packed = packBatch(batch, routeOf, { ...bounds, bodies, maxJobs }, ids);
      if (groups && packed.routes.length < batch.length) throw new TooManyJobs();
      const largest = largestOf(packed);
      if (largest > 0) {
        await link.learnMostBytes();
        if (largest > link.mostBytes) return sendWithoutLarge(batch, deadline, groups);
      }
      const seq = (lastSeq += 1);
      const request: PublishRequest = {
        own: keys.own,
        version: routed?.version ?? "0",
        orphanedAfterMs: context.orphanedAfterMs,
        emitter: { id: ids.emitter, seq, ttlMs: REMEMBER_MS },
        targets: packed.targets,
        packs: packed.packs,
        lanes: packed.lanes,
        bodies: packed.bodies.map(({ id, packs }) => ({ id, packs: packs.length })),
        drafts: `${keys.own}draft:${ids.emitter}:${seq}:`,
        ...(groups && { groups }),
      };
      let answer: Answered;
      try {
        answer = await sendUntilAnswered(request, packed, deadline);
      } catch (cause) {
        if (isTooLarge(cause) && largest > 0) {
          await learnLimit(largest, deadline);
          continue;
        }
        if (cause instanceof LostWhileSent && !groups && batch.length > 1 && batch.some(isLarge)) {
          await link.whenReady(deadline);
          return sendLargeAlone(batch, deadline);
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
      return resultsOf(packed, answer);
    }
  }

  /** Publishes each large event on its own: which of them does not get through is not the others' fault. */
  async function sendLargeAlone(
    batch: readonly Envelope[],
    deadline: number,
  ): Promise<readonly PublishResult[]> {
    const small = batch.filter((envelope) => !isLarge(envelope));
    const others = small.length === 0 ? [] : await send(small, deadline);
    const results: PublishResult[] = [];
    let next = 0;
    for (const envelope of batch) {
      const result = isLarge(envelope) ? (await send([envelope], deadline))[0] : others[next++];
      results.push(result as PublishResult);
    }
    return results;
  }

  /** Publishes what is not too large. What belongs to groups is published as a whole, or not at all. */
  async function sendWithoutLarge(
    batch: readonly Envelope[],
    deadline: number,
    groups: readonly GroupRelease[] | undefined,
  ): Promise<readonly PublishResult[]> {
    const room = link.mostBytes - ROOM_BYTES;
    const bytes = batch.map((envelope) => Buffer.byteLength(encodeEnvelope(envelope)));
    const large = bytes.map((count) => count > room);
    const tooLarge = (index: number): PublishResult => ({
      status: "rejected",
      code: "refused",
      reason: `an event of ${bytes[index]} bytes is larger than Redis takes (proto-max-bulk-len: ${link.mostBytes})`,
    });
    if (groups || !large.includes(true)) {
      const largest = bytes.indexOf(bytes.reduce((most, count) => Math.max(most, count), 0));
      return batch.map(() => tooLarge(largest));
    }
    const small = batch.filter((_, index) => !large[index]);
    const results = small.length === 0 ? [] : await send(small, deadline);
    let next = 0;
    return batch.map((_, index) =>
      large[index] ? tooLarge(index) : (results[next++] as PublishResult),
    );
  }

  /** Where Redis does not say what it takes, a refusal does. */
  async function learnLimit(refused: number, deadline: number): Promise<void> {
    await link.learnMostBytes(refused);
    bounds = boundsNow();
    await link.whenReady(deadline);
  }

  async function route(afresh: boolean): Promise<void> {
    const snapshot = await registry.snapshot(afresh);
    if (snapshot === routed) return;
    routeOf = createRoutes(snapshot, keys, options.lockDurationMs);
    routed = snapshot;
  }

  /** Whether the list of subscriptions as this process knows it has nobody who wants any of these. */
  function isUnwanted(batch: readonly Envelope[]): boolean {
    if (!routed || registry.forgotten.isSome) return false;
    return batch.every(({ name }) => routeOf(name).targets.length === 0);
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

  /** The same request again does nothing but answer, so it may be sent until there is an answer. */
  async function sendUntilAnswered(
    given: PublishRequest,
    { texts, bodies }: Pick<PackedBatch, "texts" | "bodies">,
    deadline: number,
  ): Promise<Answered> {
    const from = clock.monotonic();
    let attempt = 1;
    let losses = 0;
    for (let request = given; ; request = sooner(given, clock.monotonic() - from)) {
      let sent: Promise<unknown> | undefined;
      try {
        if (bodies.length === 0) return await sendOnce(request, texts);
        link.gather();
        // Not those of an attempt that may have arrived: they are bodies by now.
        const drafts = `${request.drafts}${attempt}:`;
        attempt += 1;
        sent = sendDrafts(drafts, bodies);
        return await sendOnce({ ...request, drafts }, texts, sent);
      } catch (error) {
        // A draft that Redis refuses for good may have ended the connection.
        const refused = await sent?.then(noProblem, onlyLasting);
        if (refused) throw refused;
        if (isLasting(error) || isRefusal(error) || clock.monotonic() >= deadline) throw error;
        losses += 1;
        if (losses === MOST_LOSSES && largestOf({ texts, bodies }) > 0) {
          throw new LostWhileSent();
        }
        logger.debug({ err: error }, "The answer to a publish was lost; it is sent again");
      }
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, AGAIN_AFTER_MS, { keepAlive: true });
      });
      await link.whenReady(deadline);
    }
  }

  /** Before the script, in the same connection. What became of them, the script finds out. */
  function sendDrafts(prefix: string, bodies: readonly Body[]): Promise<unknown> {
    const made = scripts.draft(prefix, [bodies.length, DRAFT_MS]);
    const filled = bodies.map(({ packs }, at) => {
      const fields = packs.flatMap((pack, index) => [String(index + 1), pack]);
      return link.client.hset(`${prefix}${at + 1}`, ...fields);
    });
    const all = Promise.all([made, ...filled]);
    all.catch(() => {});
    return all;
  }

  async function sendOnce(
    request: PublishRequest,
    texts: readonly string[],
    drafts?: Promise<unknown>,
  ): Promise<Answered> {
    const loneJob = hasShortScript ? loneJobOf(request, texts) : undefined;
    if (loneJob) {
      const answer = await scripts.publishOne(keys.version, loneJob);
      if (answer[0] !== "other") return answer as Answered;
    }
    const answer = await scripts.publish(keys.version, request, texts);
    if (answer[0] !== "undrafted") return answer;
    // Says why, unless they have expired.
    await drafts;
    throw new Error("What a publish refers to has expired");
  }

  return {
    publish: (batch, { deadline }) =>
      isUnwanted(batch) ? passUnwanted(batch, deadline) : inTurn(() => send(batch, deadline)),
    publishGroup: createGroupPublishes(inTurn, send),
  };
}

/** The bytes of the largest text, if any is large. */
function largestOf({ texts, bodies }: Pick<PackedBatch, "texts" | "bodies">): number {
  let largest = largestAbove(LARGE_BYTES, texts);
  for (const { packs } of bodies) largest = Math.max(largest, largestAbove(LARGE_BYTES, packs));
  return largest;
}

/** Whether an event alone makes a text large. */
function isLarge(envelope: Envelope): boolean {
  return Buffer.byteLength(encodeEnvelope(envelope)) > LARGE_BYTES - ROOM_BYTES;
}

function noProblem(): undefined {
  return undefined;
}

function onlyLasting(error: unknown): Error | undefined {
  return isLasting(error) ? error : undefined;
}

function rejections(
  batch: readonly Envelope[],
  reason: string,
  cause: unknown,
  retryable = true,
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

/** A publish that is sent again `ms` milliseconds later: what is left of its delays. */
function sooner(request: PublishRequest, ms: number): PublishRequest {
  const packs = request.packs.map((pack) => {
    const { delay } = pack.job;
    // It stays a delayed one: that may have another way into its queue.
    return delay === 0
      ? pack
      : { ...pack, job: { ...pack.job, delay: Math.max(Math.ceil(delay - ms), 1) } };
  });
  return { ...request, packs };
}
