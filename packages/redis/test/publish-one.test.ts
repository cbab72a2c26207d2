import { describe, expect, test } from "vitest";
import { createPublisher, type Publisher } from "../src/publish/publisher.ts";
import { ONE_ANSWER } from "../src/store/publish-one-script.ts";
import type { Scripts } from "../src/store/scripts.ts";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

async function opened(): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail")]);
  return session;
}

/** A publisher that has no short script, or counts the calls of both. */
function publisherOf(session: TestSession, hasShort = true) {
  const calls = { short: 0, full: 0 };
  const publishOne: Scripts["publishOne"] = async (...args) => {
    calls.short += 1;
    return hasShort ? session.scripts.publishOne(...args) : ONE_ANSWER.other;
  };
  const publish: Scripts["publish"] = (...args) => {
    calls.full += 1;
    return session.scripts.publish(...args);
  };
  const scripts = { ...session.scripts, publishOne, publish };
  const publisher: Publisher = createPublisher({ ...session, scripts });
  return { publisher, calls };
}

/** All that a queue has in Redis, without what is different each time. */
async function contentsOf({ redis, keys }: TestSession): Promise<unknown> {
  const queue = keys.queue("mail");
  const names = (await redis.keys(`${queue}*`)).map((key) => key.slice(queue.length)).toSorted();
  const ids = (await redis.zrange(`${queue}prioritized`, "0", "-1")) as string[];
  const events = (await redis.xrange(`${queue}events`, "-", "+")) as [string, string[]][];
  const jobs = await Promise.all(ids.map((id) => redis.hgetall(`${queue}${id}`)));
  const scores = await redis.zrange(`${queue}prioritized`, "0", "-1", "WITHSCORES");
  const numbered = (text: string) => (ids.includes(text) ? `job ${ids.indexOf(text)}` : text);
  return {
    names: names.map(numbered).toSorted(),
    jobs: jobs.map(({ opts = "", timestamp, ...rest }) => ({
      ...rest,
      opts: JSON.parse(opts) as unknown,
      hasTime: Number(timestamp) > 0,
    })),
    scores: scores.map((text) => numbered(String(text))),
    marker: await redis.zrange(`${queue}marker`, "0", "-1", "WITHSCORES"),
    events: events.map(([, fields]) => fields.map(numbered)),
    meta: await redis.hgetall(`${queue}meta`),
    counters: await redis.mget(`${queue}id`, `${queue}pc`),
  };
}

describe("a publish of one job for one subscription", () => {
  test("stores what BullMQ's own script stores", async () => {
    const stored = [];
    for (const hasShort of [true, false]) {
      const session = await opened();
      const { publisher, calls } = publisherOf(session, hasShort);
      await publisher.publish([envelope("1")], inTime());
      await publisher.publish([envelope("2", { priority: 7 })], inTime());
      await publisher.publish([envelope("3"), envelope("4", { name: "order.päid" })], inTime());
      expect(calls).toEqual({ short: 3, full: hasShort ? 0 : 3 });
      stored.push(await contentsOf(session));
    }
    expect(stored[0]).toEqual(stored[1]);
  });

  test("may be the only event of a group, if it is not staged and nothing else is", async () => {
    const session = await opened();
    const { publisher, calls } = publisherOf(session);
    await publisher.publish([envelope("0")], inTime());
    const release = async (id: string, unstaged: string) => {
      const group = { id, stager: "process", events: 0, unstaged };
      const results = await publisher.publishGroup(group, [envelope(unstaged)], inTime());
      return results?.[0]?.status;
    };
    const before = { ...calls };
    expect(await release("g", "a")).toBe("accepted");
    expect(calls).toEqual({ short: before.short + 1, full: before.full });
    expect(await release("g", "a")).toBeUndefined();
    await session.groups.stage("g", [{ envelope: envelope("a") }], { token: "a" });
    await session.groups.stage("filled", [{ envelope: envelope("x") }], { ttlMs: undefined });
    expect(await release("filled", "b")).toBeUndefined();
    expect(await session.groups.list()).toMatchObject([{ eventGroupId: "filled" }]);
    expect(await session.eventIds("mail")).toEqual(["0", "a"]);
  });

  test("that is sent again, because its answer was lost, does nothing but answer", async () => {
    const session = await opened();
    const { publisher } = publisherOf(session);
    await publisher.publish([envelope("0")], inTime());
    let isLost = false;
    const publishOne: Scripts["publishOne"] = async (...args) => {
      const answer = await session.scripts.publishOne(...args);
      if (isLost) return answer;
      isLost = true;
      throw new Error("Connection is closed.");
    };
    const forgetful = createPublisher({ ...session, scripts: { ...session.scripts, publishOne } });
    const results = await forgetful.publish([envelope("1")], inTime());
    expect(isLost).toBe(true);
    expect(results).toEqual([{ status: "accepted", subscriptions: 1 }]);
    expect(await session.eventIds("mail")).toEqual(["0", "1"]);
  });

  test("does nothing once a later one of the same process has overtaken it", async () => {
    const session = await opened();
    const calls: Parameters<Scripts["publishOne"]>[] = [];
    const publishOne: Scripts["publishOne"] = (...args) => {
      calls.push(args);
      return session.scripts.publishOne(...args);
    };
    const publisher = createPublisher({ ...session, scripts: { ...session.scripts, publishOne } });
    await publisher.publish([envelope("1")], inTime());
    await publisher.publish([envelope("2")], inTime());
    for (const args of calls) {
      expect(await session.scripts.publishOne(...args)).toBe(ONE_ANSWER.done);
    }
    expect(await session.eventIds("mail")).toEqual(["1", "2"]);
    // There was something to tell, which only the other script knows how to.
    await session.redis.append(String(calls[1]?.[1][1]), " something");
    expect(await session.scripts.publishOne(...calls[1]!)).toBe(ONE_ANSWER.other);
    expect(await session.eventIds("mail")).toEqual(["1", "2"]);
  });

  test("that Redis refuses in short is sent in full, which says why", async () => {
    const session = await opened();
    const publishOne: Scripts["publishOne"] = () => Promise.reject(new Error("ERR no"));
    const publish: Scripts["publish"] = (...args) => session.scripts.publish(...args);
    const scripts = { ...session.scripts, publishOne, publish };
    const refused = createPublisher({ ...session, scripts });
    const results = refused.publish([envelope("1")], { ...inTime(), deadline: 0 });
    await expect(results).rejects.toThrow("ERR no");
    expect(await session.eventIds("mail")).toEqual([]);
  });

  test("has the same data as one that is packed, whatever its options", async () => {
    const stored = [];
    for (const hasShort of [true, false]) {
      const session = await open();
      await session.registry.declare([subscription("mail", { ordering: "key" })]);
      const { publisher, calls } = publisherOf(session, hasShort);
      await publisher.publish([envelope("1", { priority: 7, policy: { attempts: 2 } })], inTime());
      await publisher.publish([envelope("2", { delayMs: 0, name: "order.päid" })], inTime());
      await publisher.publish([envelope("3", { orderingKey: "k" })], inTime());
      await publisher.publish([envelope("4", { deduplicationId: "d" })], inTime());
      expect(calls).toEqual({ short: 2, full: hasShort ? 2 : 4 });
      stored.push(await contentsOf(session));
      await publisher.publish([envelope("5", { delayMs: 60_000 })], inTime());
      expect(calls.short).toBe(2);
    }
    expect(stored[0]).toEqual(stored[1]);
  });

  test("is routed again if the list of subscriptions has changed", async () => {
    const session = await opened();
    const { publisher } = publisherOf(session);
    await publisher.publish([envelope("0")], inTime());
    const other = await open({ prefix: session.keys.prefix });
    await other.registry.declare([subscription("stock")]);
    const results = await publisher.publish([envelope("1")], inTime());
    expect(results).toEqual([{ status: "accepted", subscriptions: 2 }]);
    expect(await session.eventIds("stock")).toEqual(["1"]);
  });

  test("is withheld from a subscription that is orphaned, and counted", async () => {
    const session = await opened();
    const { publisher } = publisherOf(session);
    await publisher.publish([envelope("0")], inTime());
    await session.redis.zadd(`${session.keys.own}seen`, 1, "mail");
    const results = await publisher.publish([envelope("1")], inTime());
    expect(results).toEqual([{ status: "accepted", subscriptions: 0 }]);
    expect(await session.redis.hget(`${session.keys.own}withheld`, "mail")).toBe("1");
    expect(await session.eventIds("mail")).toEqual(["0"]);
  });

  test("wakes nobody while somebody has paused the queue", async () => {
    const session = await opened();
    const { publisher, calls } = publisherOf(session);
    await publisher.publish([envelope("0")], inTime());
    const queue = session.keys.queue("mail");
    await session.redis.hset(`${queue}meta`, "paused", "1");
    await session.redis.del(`${queue}marker`);
    await publisher.publish([envelope("1")], inTime());
    expect(calls).toEqual({ short: 2, full: 1 });
    expect(await session.redis.exists(`${queue}marker`)).toBe(0);
  });

  test("stores nothing if it cannot be completed, and says why", async () => {
    const session = await opened();
    const { publisher } = publisherOf(session);
    await publisher.publish([envelope("0")], inTime());
    const queue = session.keys.queue("mail");
    await session.redis.del(`${queue}events`);
    await session.redis.set(`${queue}events`, "x");
    const [result] = await publisher.publish([envelope("1")], inTime());
    expect(result).toMatchObject({ status: "rejected", retryable: false });
    expect(JSON.stringify(result)).toContain("WRONGTYPE");
    expect(await session.redis.zcard(`${queue}prioritized`)).toBe(1);
    const jobs = (await session.redis.keys(`${queue}k*`)) as string[];
    expect(jobs).toHaveLength(1);
  });
});
