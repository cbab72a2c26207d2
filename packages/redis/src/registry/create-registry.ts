import { createRouter } from "@busbar/core/provider";
import type { OrderPolicy, RetiredBacklog, SubscriptionSpec, Timer } from "@busbar/core/provider";
import { reviveLanes, sweepBodies, trimDead } from "./upkeep.ts";
import { insistently } from "../store/insistently.ts";
import { createJobIds } from "../store/job-ids.ts";
import type { Store } from "../store/store.ts";
import { createForgotten } from "./forgotten.ts";
import { createEnded, dropRemains } from "./ended.ts";
import { letGoOfFormerQueues } from "./former-queues.ts";
import { type Changes, changesFor, declaredIds, isShared, presentId } from "./declarations.ts";
import { differenceOf, readLivePolicies } from "./live-policies.ts";
import { createRemembered } from "./remembered.ts";
import {
  type Registry,
  type RegistrySnapshot,
  type SubscriptionRecord,
  TEMPORARY_MS,
} from "./registry.ts";
import { createRegistryCopy } from "./registry-copy.ts";
import { retireBacklog, type Retirement } from "./retirement.ts";

/**
 * Milliseconds between two looks for changes that others have made. A worker whose subscriptions Redis has
 * forgotten declares them again then: emits of others wait for that, and look for it as often.
 */
const LOOK_EVERY_MS = 5_000;

/** The list of subscriptions that Redis keeps. */
export function createRegistry(session: Store): Registry {
  const { context, options, keys, link, scripts } = session;
  const { clock, logger } = context;
  const jobIds = createJobIds();
  const listeners = new Set<(snapshot: RegistrySnapshot) => void>();
  const copy = createRegistryCopy(session, (snapshot) => {
    sure = undefined;
    for (const listener of listeners) listener(snapshot);
  });
  const remembered = createRemembered(session, {
    declare: async (specs) => (await add(specs)).version,
    doubt: () => (sure = undefined),
  });
  /** What was warned of. */
  const differences = new Map<string, string | undefined>();
  const forgotten = createForgotten(context);
  const ended = createEnded(session);
  /** The copy, while nothing has to be asked before it is used. Looked at by each publish. */
  let sure: RegistrySnapshot | undefined;
  let timer: Timer | undefined;
  let isClosed = false;

  /** The list, which has what this process has declared. */
  async function current(afresh?: boolean): Promise<RegistrySnapshot> {
    const snapshot = await remembered.check(() => copy.read(afresh === true || forgotten.isSome));
    forgotten.follow(snapshot);
    if (forgotten.isSome && !timer) lookLater();
    const isSure = snapshot === copy.present && !forgotten.isSome && remembered.isSureOf(snapshot);
    sure = isSure ? snapshot : undefined;
    return snapshot;
  }

  function add(specs: readonly SubscriptionSpec[]): Promise<RegistrySnapshot> {
    // Another process may have moved it since this one has declared it. That is not undone each minute.
    const moves = (id: string): boolean => !remembered.has(id);
    return save(async ({ records }) => {
      const idsOf = new Map(specs.map((spec) => [spec, declaredIds(records, spec)]));
      const live = await readLivePolicies(session, [...new Set([...idsOf.values()].flat())]);
      for (const [spec, ids] of idsOf) {
        warnOfDifference(
          spec,
          ids.flatMap((id) => live.get(id) ?? []),
        );
      }
      return changesFor(records, specs, options.sharedQueues, moves, live);
    });
  }

  /** Once, until it is another difference. */
  function warnOfDifference(spec: SubscriptionSpec, others: readonly OrderPolicy[]): void {
    const { subscriptionId } = spec;
    const difference = differenceOf(spec, others);
    if (differences.get(subscriptionId) === difference) return;
    differences.set(subscriptionId, difference);
    if (difference === undefined) return;
    logger.warn({ subscriptionId }, `Subscription "${subscriptionId}" has ${difference}`);
  }

  function lookLater(): void {
    timer?.cancel();
    timer = undefined;
    const looks = listeners.size > 0 || forgotten.isSome;
    if (!isClosed && looks) timer = clock.setTimeout(() => void look(), LOOK_EVERY_MS);
  }

  async function look(): Promise<void> {
    try {
      if (link.isReady) await current(true);
    } catch (err) {
      logger.debug({ err }, "The list of subscriptions could not be read; it is tried again");
    }
    lookLater();
  }

  /** Writes what `change` makes of the list, again if others have changed the list meanwhile. */
  async function save(
    change: (snapshot: RegistrySnapshot) => Changes | Promise<Changes>,
  ): Promise<RegistrySnapshot> {
    for (let isStale = false; ; isStale = true) {
      const snapshot = await copy.read(isStale);
      const { version, records, unreadable } = snapshot;
      const { set: changes, seen, unseen, policies, moves, ...rest } = await change(snapshot);
      // What nobody can read is written anew, also where it is as this process knows it.
      const written = new Set(changes.map(({ subscriptionId }) => subscriptionId));
      const spoilt = [...unreadable].filter((id) => seen.includes(id) && !written.has(id));
      const set = [...changes, ...spoilt.flatMap((id) => records.get(id) ?? [])];
      const changed = new Map(records);
      for (const record of set) changed.set(record.subscriptionId, record);
      const queues = new Set(seen.flatMap((id) => changed.get(id)?.queues ?? []));
      const request = {
        own: keys.own,
        version,
        set: set.map((record) => [record.subscriptionId, JSON.stringify(record)] as const),
        seen,
        unseen,
        policies,
        queues: [...queues].map((queue) => keys.queue(queue)),
        maxLenEvents: options.maxLenEvents,
        moves,
        ...(rest.ended !== undefined && { ended: { id: rest.ended, afterMs: TEMPORARY_MS } }),
      };
      const answer = await insistently(session, () => scripts.save(keys.version, request));
      if (answer[0] === "stale") continue;
      if (answer[0] === "live") return snapshot;
      if (set.length === 0) return snapshot;
      return copy.replace(answer[1], changed);
    }
  }

  async function forgetIfEmpty(
    { version, records }: RegistrySnapshot,
    { subscriptionId, queues }: SubscriptionRecord,
  ): Promise<void> {
    if (queues.some((queue) => isShared(records, queue))) return;
    const prefixes = queues.map((queue) => keys.queue(queue));
    const earlier = earlierIds(records, subscriptionId);
    const args = [keys.own, version, subscriptionId];
    const all = [...args, prefixes.length, ...prefixes, ...earlier];
    const forgotten = await insistently(session, () => scripts.forget(keys.version, all));
    if (forgotten > 0) await copy.read(true);
  }

  async function retire(
    subscriptionId: string,
    events: readonly string[] | undefined,
    backlog: RetiredBacklog,
    hasEnded = false,
  ): Promise<number> {
    let wanted: readonly string[] = [];
    const unless = hasEnded && { ended: subscriptionId };
    if (!hasEnded) remembered.forget(subscriptionId, events);
    const snapshot = await save(({ records }) => {
      const record = records.get(subscriptionId);
      if (!record || record.renamedTo !== undefined) return NO_CHANGES;
      wanted = events ? record.events.filter((event) => !events.includes(event)) : [];
      if (wanted.length === 0) {
        const retired: SubscriptionRecord = { ...record, events: [], retired: true };
        const set = record.retired ? [] : [retired];
        return { ...NO_CHANGES, set, unseen: [subscriptionId], ...unless };
      }
      const set = wanted.length < record.events.length ? [{ ...record, events: wanted }] : [];
      return { ...NO_CHANGES, set };
    });
    const { records } = snapshot;
    const record = records.get(subscriptionId);
    if (!record || record.renamedTo !== undefined) return 0;
    if (hasEnded) {
      if (!record.retired) return 0; // It was declared meanwhile.
      remembered.forget(subscriptionId, events);
    }
    const ids = [subscriptionId, ...earlierIds(records, subscriptionId)];
    if (record.retired) {
      await insistently(session, () => link.client.srem(keys.paused, ...ids));
      await insistently(session, () => link.client.unlink(keys.rate(subscriptionId)));
    }
    if (record.retired && record.temporary && backlog === "discard") {
      await dropRemains(session, records, record);
    }
    const count =
      backlog === "keep"
        ? 0
        : await emptyQueues({ record, ids: new Set(ids), wanted, backlog, reason: "retired" });
    if (record.retired) await forgetIfEmpty(snapshot, record);
    return count;
  }

  /** Retires temporary subscriptions whose processes have ended, again where something was left of them. */
  async function retireEnded({ records }: RegistrySnapshot): Promise<void> {
    for (const subscriptionId of await ended.find(records)) {
      try {
        await retire(subscriptionId, undefined, "discard", true);
      } catch (err) {
        if (!link.isReady) throw err;
        logger.error(
          { err, subscriptionId },
          `Subscription "${subscriptionId}" has no process any more, and cannot be removed: it is tried again`,
        );
      }
    }
  }

  async function emptyQueues(retirement: Retirement): Promise<number> {
    const { subscriptionId } = retirement.record;
    let count = 0;
    const work = (): Promise<boolean> =>
      retireBacklog(session, jobIds, retirement, (more) => {
        count += more;
      });
    // Those that are too old make room.
    if (retirement.backlog === "dead-letter") await trimDead(session, subscriptionId);
    if (!(await insistently(session, work))) {
      logger.warn(
        { subscriptionId, count },
        `Subscription "${subscriptionId}" has as many dead letters as it keeps, so the rest of its pending deliveries stays in the queue. Replay or discard dead letters, and repeat the call`,
      );
    }
    return count;
  }

  async function drain(subscriptionId: string, backlog: Retirement["backlog"]): Promise<number> {
    const { records } = await current(true);
    const id = presentId(records, subscriptionId);
    const record = records.get(id);
    if (!record) return 0;
    const ids = new Set([id, ...earlierIds(records, id)]);
    return emptyQueues({ record, ids, wanted: [], backlog, reason: "drained" });
  }

  return {
    get present() {
      return sure;
    },
    snapshot: current,
    forgotten,

    async resolve(subscriptionId) {
      const { records } = await current();
      return records.get(presentId(records, subscriptionId));
    },

    onChange(listener) {
      listeners.add(listener);
      if (!timer) lookLater();
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) lookLater();
      };
    },

    async declare(specs: readonly SubscriptionSpec[]) {
      createRouter(specs); // Throws if a pattern is malformed.
      if (specs.length === 0) return;
      const { version, records } = await add(specs);
      remembered.add(specs, version);
      // The bus declares every minute: the time to look for what is too old.
      const present = new Set(specs.map((spec) => presentId(records, spec.subscriptionId)));
      await Promise.all([...present].map((id) => trimDead(session, id)));
      await letGoOfFormerQueues(session, copy, present);
      await reviveLanes(session, await copy.read(), present);
      await sweepBodies(session);
      await retireEnded(await copy.read());
    },

    async list() {
      const [{ records }, seen, withheld, pausedIds] = await Promise.all([
        current(true),
        insistently(session, () => link.client.zrange(keys.seen, "0", "-1", "WITHSCORES")),
        insistently(session, () => link.client.hgetall(keys.withheld)),
        insistently(session, () => link.client.smembers(keys.paused)),
      ]);
      const paused = new Set(pausedIds.map((id) => presentId(records, id)));
      const lastSeen = new Map<string, number>();
      for (let index = 0; index < seen.length; index += 2) {
        lastSeen.set(seen[index] as string, Number(seen[index + 1]));
      }
      const now = session.serverClock.now();
      return [...records.values()]
        .filter(({ renamedTo, retired }) => renamedTo === undefined && !retired)
        .map(({ subscriptionId, events, ordering, onOrderedFailure, aliases, temporary }) => {
          const lastSeenAt = lastSeen.get(subscriptionId) ?? 0;
          const orphaned = lastSeenAt <= now - (temporary ? TEMPORARY_MS : context.orphanedAfterMs);
          return {
            subscriptionId,
            events,
            ordering,
            onOrderedFailure,
            aliases,
            lastSeenAt,
            orphaned,
            withheld: Number(withheld[subscriptionId] ?? 0),
            ...(paused.has(subscriptionId) && { paused: true }),
            ...(temporary && { temporary }),
          };
        });
    },

    retire: (subscriptionId, { events, backlog }) => retire(subscriptionId, events, backlog),

    async setPaused(subscriptionId, paused) {
      const { records } = await current(true);
      // It may have been paused under an earlier id.
      const ids = [subscriptionId, ...earlierIds(records, subscriptionId)];
      await insistently(session, () =>
        paused
          ? link.client.sadd(keys.paused, subscriptionId)
          : link.client.srem(keys.paused, ...ids),
      );
    },

    drain: (subscriptionId, backlog) => drain(subscriptionId, backlog),

    close() {
      isClosed = true;
      remembered.close();
      lookLater();
    },
  };
}

const NO_CHANGES: Changes = { set: [], seen: [], unseen: [], policies: [], moves: [] };

function earlierIds(
  records: ReadonlyMap<string, SubscriptionRecord>,
  subscriptionId: string,
): readonly string[] {
  return [...records.values()]
    .filter(({ renamedTo }) => renamedTo === subscriptionId)
    .map((record) => record.subscriptionId);
}
