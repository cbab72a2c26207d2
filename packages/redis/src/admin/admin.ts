import type {
  DeadDelivery,
  JsonValue,
  ProviderAdmin,
  SubscriptionStats,
} from "@busbar/core/provider";
import { CORRUPT, envelopeIn, isEnvelope, objectIn, withData } from "../store/stored-events.ts";
import { insistently } from "../store/insistently.ts";
import { createJobIds } from "../store/job-ids.ts";
import { placeOf } from "../registry/routes.ts";
import { isShared, presentId } from "../registry/declarations.ts";
import type { Session } from "../registry/session.ts";
import { queueName } from "../store/keys.ts";
import { cancelEvent } from "./cancel.ts";
import { listWaiting } from "./waiting.ts";
import { trimDead } from "../registry/upkeep.ts";
import { readData } from "../store/job-data.ts";
import type { RegistrySnapshot, SubscriptionRecord } from "../registry/registry.ts";

/** How many dead letters are read by one command. */
const READ_AT_ONCE = 1_000;

interface Dead {
  readonly id: string;
  readonly diedAt: number;
}

/** Looks into queues, and deals with dead letters. */
export function createAdmin(session: Session): ProviderAdmin {
  const { options, keys, link, scripts, registry } = session;
  const { client } = link;
  const jobIds = createJobIds();

  async function currentId(subscriptionId: string): Promise<string> {
    const record = await registry.resolve(subscriptionId);
    return record?.subscriptionId ?? subscriptionId;
  }

  /** The oldest after one of them, at most `limit`. */
  async function deadAfter(key: string, after: Dead, limit: number): Promise<readonly Dead[]> {
    const listed = await scripts.deadAfter(key, [after.diedAt, after.id, limit]);
    return listed.flatMap((id, index) =>
      index % 2 === 0 ? { id, diedAt: Number(listed[index + 1]) } : [],
    );
  }

  async function hashValues(
    key: string,
    fields: readonly string[],
  ): Promise<readonly (string | null)[]> {
    const values: (string | null)[] = [];
    for (let from = 0; from < fields.length; from += READ_AT_ONCE) {
      const some = await client.hmget(key, ...fields.slice(from, from + READ_AT_ONCE));
      for (const value of some) values.push(value);
    }
    return values;
  }

  async function readDead(
    subscriptionId: string,
    listed: readonly Dead[],
  ): Promise<DeadDelivery[]> {
    const ids = listed.map(({ id }) => id);
    if (ids.length === 0) return [];
    const [infos, data] = await Promise.all([
      hashValues(`${keys.own}dead-info:${subscriptionId}`, ids),
      hashValues(`${keys.own}dead-data:${subscriptionId}`, ids),
    ]);
    return listed.flatMap(({ id, diedAt }, index) => {
      const [text, job] = [infos[index] ?? "", data[index] ?? ""];
      // It was replayed or dropped meanwhile.
      if (text === "" && job === "") return [];
      const info = objectIn(text);
      const name = typeof info?.["name"] === "string" ? info["name"] : "";
      return {
        id,
        diedAt,
        reason: typeof info?.["reason"] === "string" ? info["reason"] : CORRUPT,
        state: info?.["state"] ?? null,
        envelope: envelopeIn(job, { id, name, at: diedAt }),
      };
    });
  }

  /** What a replay with other data adds, by the ids of the letters that can be read. */
  async function withOtherData(
    subscriptionId: string,
    ids: readonly string[],
    data: JsonValue,
  ): Promise<ReadonlyMap<string, string>> {
    const texts = await insistently(session, () =>
      hashValues(`${keys.own}dead-data:${subscriptionId}`, ids),
    );
    return new Map(
      ids.flatMap((id, index) => {
        const text = withData(texts[index] ?? "", data);
        return text === undefined ? [] : [[id, text] as const];
      }),
    );
  }

  return {
    stats: () => readStats(session),

    async listDead(subscriptionId, { limit, cursor }) {
      const id = await currentId(subscriptionId);
      // Once for all pages of a list.
      if (cursor === undefined) await trimDead(session, id);
      return insistently(session, async () => {
        const key = `${keys.own}dead:${id}`;
        const listed = await deadAfter(key, parseCursor(cursor), limit + 1);
        const page = listed.slice(0, limit);
        const items = await readDead(id, page);
        const last = page.at(-1);
        return listed.length > limit && last
          ? { items, cursor: `${last.diedAt} ${last.id}` }
          : { items };
      });
    },

    async getDead(subscriptionId, ids) {
      const id = await currentId(subscriptionId);
      return insistently(session, async () => {
        const key = `${keys.own}dead:${id}`;
        const times = await Promise.all(ids.map((it) => client.zscore(key, it)));
        const found = ids.flatMap((it, index) => {
          const diedAt = times[index];
          return typeof diedAt === "string" ? { id: it, diedAt: Number(diedAt) } : [];
        });
        return readDead(id, found);
      });
    },

    async replayDead(subscriptionId, ids, { data } = {}) {
      for (let isStale = false; ; isStale = true) {
        const { version, records } = await registry.snapshot(isStale);
        const id = presentId(records, subscriptionId);
        const edited = data === undefined ? undefined : await withOtherData(id, ids, data);
        const found = edited ? [...edited.keys()] : ids;
        const texts = edited ? [...edited.values()] : [];
        const jobs = found.map(() => jobIds.next(1));
        const record = records.get(id);
        const place = record ? JSON.stringify(placeOf(record, keys, options.lockDurationMs)) : "";
        const args = [keys.own, id, version, place, found.length, ...found, ...jobs, ...texts];
        const replayed = await insistently(session, () =>
          scripts.replay(`${keys.own}dead:${id}`, args),
        );
        if (replayed >= 0) return replayed;
      }
    },

    listWaiting: (subscriptionId, page) => listWaiting(session, subscriptionId, page),

    drain: (subscriptionId, { backlog }) => registry.drain(subscriptionId, backlog),

    cancel: (eventId, { subscriptionId }) => cancelEvent(session, jobIds, eventId, subscriptionId),

    queueName(subscriptionId) {
      const records = registry.present?.records;
      const record = records?.get(presentId(records, subscriptionId));
      return record?.queues[0] ?? queueName(subscriptionId);
    },

    async discardDead(subscriptionId, ids) {
      const id = await currentId(subscriptionId);
      const args = [keys.own, id, ...ids];
      return insistently(session, () => scripts.discard(`${keys.own}dead:${id}`, args));
    },
  };
}

/** Where a page begins: behind this one. */
function parseCursor(cursor = "0 "): Dead {
  const [diedAt = "0", id = ""] = cursor.split(" ");
  return { diedAt: Number(diedAt), id };
}

/** Numbers of every subscription that is known, and of retired ones that have something left. */
async function readStats(session: Session): Promise<readonly SubscriptionStats[]> {
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
