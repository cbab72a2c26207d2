import type { SubscriptionStats } from "@busbar/core/provider";
import { readData } from "../consume/job-data.ts";
import { isEnvelope } from "../corrupt.ts";
import { insistently } from "../insistently.ts";
import { isShared } from "../registry/declarations.ts";
import type { RegistrySnapshot, SubscriptionRecord } from "../registry/registry.ts";
import type { Session } from "../session.ts";

/** Numbers of every subscription that is known, and of retired ones that have something left. */
export async function readStats(session: Session): Promise<readonly SubscriptionStats[]> {
  const snapshot = await session.registry.snapshot(true);
  const present = [...snapshot.records.values()].filter((it) => it.renamedTo === undefined);
  const all = await Promise.all(
    present.map((record) => insistently(session, () => statsOf(session, snapshot, record))),
  );
  return all.filter((stats, index) => !present[index]?.retired || hasAny(stats));
}

async function statsOf(
  { keys, link, scripts }: Session,
  { records }: RegistrySnapshot,
  { subscriptionId, queues }: SubscriptionRecord,
): Promise<SubscriptionStats> {
  const ids = [...records.values()]
    .filter(({ renamedTo }) => renamedTo === subscriptionId)
    .map((record) => record.subscriptionId);
  const all = [subscriptionId, ...ids];
  const heads = all.map((id) => `{"subscription":${JSON.stringify(id)},`);
  const [dead, ...numbers] = await Promise.all([
    link.client.zcard(`${keys.own}dead:${subscriptionId}`),
    ...queues.map((name) => {
      const queue = keys.queue(name);
      const filter = isShared(records, name) ? heads : [];
      return scripts.stats(`${queue}meta`, [keys.own, queue, ...filter]);
    }),
  ]);
  const total = (at: 0 | 1 | 2) => numbers.reduce((sum, queue) => sum + queue[at], 0);
  return {
    subscriptionId,
    ready: total(0),
    delayed: total(1),
    inFlight: total(2),
    dead,
    oldestAt: oldestIn(numbers.flatMap(([, , , oldest]) => oldest)),
  };
}

function oldestIn(jobs: readonly string[]): number | undefined {
  let oldestAt: number | undefined;
  for (const json of jobs) {
    const { events = [], oldestAt: oldest } = readData(json).data;
    const times = events.flatMap((it) => (isEnvelope(it) ? it.metadata.published_at : []));
    if (oldest !== undefined) times.push(oldest);
    if (times.length > 0) oldestAt = Math.min(oldestAt ?? Number.POSITIVE_INFINITY, ...times);
  }
  return oldestAt;
}

function hasAny({ ready, delayed, inFlight, dead }: SubscriptionStats): boolean {
  return ready + delayed + inFlight + dead > 0;
}
