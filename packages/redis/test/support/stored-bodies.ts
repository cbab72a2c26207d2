import { expect } from "vitest";
import type { JobData } from "../../src/store/job-data.ts";
import type { TestSession } from "./test-session.ts";

type Parts = Pick<TestSession, "redis" | "keys">;

/** What stays of a bus of which nothing is left: the list of subscriptions, and what queues know of themselves. */
const STAYS =
  /:(~:(version|subscriptions|policies|seen|withheld|swept|revived:.*|emitter:.*|died:.*)|[^:]+:(meta|id|pc|events|marker|stalled-check))$/;

/** The keys of a bus, without those that are there when nothing is left. */
export async function keysLeft({ redis, keys }: Parts): Promise<readonly string[]> {
  const all = await redis.keys(`${keys.prefix}:*`);
  return all.filter((key) => !STAYS.test(key)).toSorted();
}

/** Bodies by their ids, each with the keys of the jobs that it is kept for. */
export async function bodiesOf({
  redis,
  keys,
}: Parts): Promise<ReadonlyMap<string, readonly string[]>> {
  const prefix = `${keys.own}body:`;
  const found = await redis.keys(`${prefix}*`);
  const bodies = found.map(async (key) => {
    const id = key.slice(prefix.length);
    return [id, (await redis.smembers(`${keys.own}body-jobs:${id}`)).toSorted()] as const;
  });
  return new Map(await Promise.all(bodies));
}

/** Fails unless each body is kept for jobs that are there, and each job that refers to one finds its packs. */
export async function expectWholeBodies({ redis, keys }: Parts): Promise<void> {
  const bodies = await bodiesOf({ redis, keys });
  const ids = [...bodies.keys()].toSorted();
  const sets = await redis.keys(`${keys.own}body-jobs:*`);
  expect(sets.map((key) => key.split(":").at(-1) ?? "").toSorted()).toEqual(ids);
  expect((await redis.zrange(`${keys.own}bodies`, "0", "-1")).toSorted()).toEqual(ids);
  for (const [id, jobs] of bodies) {
    expect(await redis.pttl(`${keys.own}body:${id}`)).toBe(-1);
    for (const job of jobs) expect(await redis.exists(job)).toBe(1);
  }
  for (const key of await redis.keys(`${keys.prefix}:*x*`)) {
    if (key.startsWith(keys.own) || (await redis.type(key)) !== "hash") continue;
    const { body, packs = [] } = JSON.parse((await redis.hget(key, "data")) ?? "{}") as JobData;
    if (body === undefined) continue;
    expect(bodies.get(body)).toContain(key);
    const fields = packs.map(([number]) => String(number));
    expect(await redis.hmget(`${keys.own}body:${body}`, ...fields)).not.toContain(null);
  }
}
