import { insistently } from "../store/insistently.ts";
import type { Store } from "../store/store.ts";
import { isShared } from "./declarations.ts";
import { type RegistrySnapshot, type SubscriptionRecord, TEMPORARY_MS } from "./registry.ts";
import { trimDead } from "./upkeep.ts";

/** Milliseconds between two looks: a little less than a process waits before it declares again. */
const LOOK_EVERY_MS = 50_000;

/**
 * Milliseconds for which a subscription must stay silent while this process looks. Every process declares every
 * minute. So one that lives has declared meanwhile, even if Redis was away before, or its clock was set forward.
 */
const SILENT_MS = 90_000;

/** How many completed jobs are removed in one go. */
const PAGE = 500;

/** Knows which temporary subscriptions have no process any more. */
export interface Ended {
  /** Resolves with what is to be retired now: most often nothing, and nothing is asked, because a look was just before. */
  find(records: RegistrySnapshot["records"]): Promise<readonly string[]>;
}

/** A subscription that seems to have no process. */
interface Silence {
  /** When it was declared last, by the clock of Redis. */
  readonly seenAt: number;
  /** Since when this process has seen nothing newer, on the clock's monotonic scale. */
  readonly since: number;
}

export function createEnded(session: Store): Ended {
  const { context, keys, link, serverClock } = session;
  let silences: ReadonlyMap<string, Silence> = new Map();
  let lookedAt = -Infinity;

  return {
    async find(records) {
      const now = context.clock.monotonic();
      const sinceMs = now - lookedAt;
      if (sinceMs < LOOK_EVERY_MS) return [];
      lookedAt = now;
      // Whoever could not look for so long, could not declare either.
      const before = sinceMs < SILENT_MS ? silences : new Map<string, Silence>();
      const temporary = [...records.values()].filter((it) => it.temporary && !it.renamedTo);
      silences = new Map();
      if (temporary.length === 0) return [];
      const seen = await insistently(session, () =>
        link.client.zrange(keys.seen, "0", "-1", "WITHSCORES"),
      );
      const times = new Map<string, number>();
      for (let at = 0; at < seen.length; at += 2)
        times.set(seen[at] as string, Number(seen[at + 1]));
      const silentSince = serverClock.now() - TEMPORARY_MS;
      const found = new Map<string, Silence>();
      for (const { subscriptionId: id } of temporary) {
        const seenAt = times.get(id) ?? 0;
        const known = before.get(id);
        const since = known?.seenAt === seenAt ? known.since : now;
        if (seenAt <= silentSince) found.set(id, { seenAt, since });
      }
      silences = found;
      // Of one that is retired something was left.
      const isOver = (id: string, { since }: Silence): boolean =>
        now - since >= SILENT_MS || records.get(id)?.retired === true;
      return [...found].filter(([id, silence]) => isOver(id, silence)).map(([id]) => id);
    },
  };
}

/**
 * Removes what keeps a retired temporary subscription from being forgotten, besides what waits in its queues: its dead
 * letters, and completed jobs that were to be kept. What a process has in hand that has died comes back into the queue
 * with the second call.
 */
export async function dropRemains(
  session: Store,
  records: RegistrySnapshot["records"],
  { subscriptionId, queues }: SubscriptionRecord,
): Promise<void> {
  const { keys, scripts } = session;
  await trimDead(session, subscriptionId, 0);
  for (const name of queues.filter((it) => !isShared(records, it))) {
    const queue = keys.queue(name);
    await dropCompleted(session, queue);
    // Whoever looks next need not wait for long.
    const args = [queue, 1, keys.own, queue];
    await insistently(session, () => scripts.findStalled(`${queue}stalled`, args));
  }
}

/** The bodies that these jobs refer to are swept later, as those of all jobs that are gone. */
async function dropCompleted(session: Store, queue: string): Promise<void> {
  const { client } = session.link;
  const completed = `${queue}completed`;
  for (;;) {
    const ids = await insistently(session, () => client.zrange(completed, "0", String(PAGE - 1)));
    if (ids.length === 0) return;
    const jobs = ids.flatMap((id) => [`${queue}${id}`, `${queue}${id}:logs`]);
    await insistently(session, () => client.unlink(...jobs));
    await insistently(session, () => client.zrem(completed, ...ids));
  }
}
