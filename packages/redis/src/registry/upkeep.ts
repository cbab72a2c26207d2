import { insistently } from "../store/insistently.ts";
import type { Store } from "../store/store.ts";
import { createJobIds } from "../store/job-ids.ts";
import { NORMAL_PRIORITY } from "../store/job-data.ts";
import type { RegistrySnapshot } from "./registry.ts";

/** Milliseconds for which nobody else looks: a little less than a process waits before it declares again. */
const LOOKED_FOR_MS = 50_000;

/** Drops dead letters beyond their bounds, and reports how many. */
export async function trimDead(
  session: Store,
  subscriptionId: string,
  max: number = session.context.deadLetters.maxPerSubscription,
): Promise<void> {
  const { context, keys, scripts } = session;
  const { maxAgeMs } = context.deadLetters;
  let dropped = 0;
  for (;;) {
    const args = [keys.own, subscriptionId, max, maxAgeMs];
    const count = await insistently(session, () =>
      scripts.trim(`${keys.own}dead:${subscriptionId}`, args),
    );
    if (count === 0) break;
    dropped += count;
  }
  if (dropped > 0) {
    context.report({ type: "dead-letters-dropped", subscriptionId, count: dropped });
  }
}

/**
 * Deletes bodies that no job refers to any more, although nobody has settled these: jobs that were removed
 * by hand. One process looks for all.
 */
export async function sweepBodies(session: Store): Promise<void> {
  const { keys, scripts, context } = session;
  const key = `${keys.own}bodies`;
  for (let goesOn = 0; ; goesOn = 1) {
    const args = [keys.own, LOOKED_FOR_MS, goesOn];
    const [deleted, hasMore] = await insistently(session, () => scripts.sweepBodies(key, args));
    if (deleted > 0) {
      context.logger.debug({ bodies: deleted }, "Bodies of jobs that are gone were deleted");
    }
    if (hasMore === 0) return;
  }
}

/** How many queues are looked at at the same time: one after the other, thousands take many seconds. */
const MOST_AT_ONCE = 50;

/**
 * Sets keys of ordered subscriptions going again whose turn, or the dead letter that they wait for, somebody
 * has removed by hand. One process looks for all of them.
 */
export async function reviveLanes(
  session: Store,
  snapshot: RegistrySnapshot,
  subscriptionIds: Iterable<string>,
): Promise<void> {
  const { context } = session;
  const records = [...subscriptionIds].flatMap((id) => snapshot.records.get(id) ?? []);
  const ordered = records.filter(({ ordering }) => ordering !== "none");
  const names = new Set(ordered.flatMap(({ queues }) => queues));
  const left = names.values();
  const look = async (): Promise<void> => {
    for (const name of left) {
      const revived = await reviveQueue(session, snapshot, name);
      if (revived > 0) {
        context.logger.warn(
          { queue: name, keys: revived },
          `${revived} keys stood still: their turns, or the dead letters that they waited for, were gone`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, look));
}

/** Resolves with how many keys stood still. */
async function reviveQueue(
  session: Store,
  { version, records }: RegistrySnapshot,
  name: string,
): Promise<number> {
  const { keys, scripts, options } = session;
  const queue = keys.queue(name);
  const users = [...records.values()].filter(({ queues }) => queues.includes(name));
  const ids = createJobIds();
  let revived = 0;
  let cursor = "0";
  do {
    const args = [
      keys.own,
      queue,
      version,
      NORMAL_PRIORITY,
      options.lockDurationMs,
      ids.next(0).replace(/x0$/, ""),
      cursor,
      LOOKED_FOR_MS,
      ...users.map(({ subscriptionId }) => subscriptionId),
    ];
    const [next, count] = await insistently(session, () =>
      scripts.revive(`${keys.own}lanes:${queue}`, args),
    );
    cursor = next;
    revived += count;
  } while (cursor !== "0");
  return revived;
}
