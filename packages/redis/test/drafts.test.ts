import type { Envelope, Settlement } from "@busbar/core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ResolvedOptions } from "../src/options.ts";
import { createPublisher } from "../src/publish/publisher.ts";
import { ACK, consume } from "./support/consumer.ts";
import { createCuttingProxy } from "./support/cutting-proxy.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, idsIn, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { startRedisServer } from "./support/redis-server.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

/** Events whose packs are long enough to be drafted. */
function long(count: number, changes: Partial<Envelope> = {}): Envelope[] {
  const data = { text: "x".repeat(200) };
  return Array.from({ length: count }, (_, index) => envelope(`${index}`, { data, ...changes }));
}

async function drafts({ redis, keys }: TestSession): Promise<readonly string[]> {
  return redis.keys(`${keys.own}draft:*`);
}

/** The fields of a queue's jobs, but for what differs from job to job. */
async function fieldsOf(session: TestSession, queue: string) {
  const jobs = await session.waiting(queue);
  return Promise.all(
    jobs.map(async ({ id }) => {
      const { data, ...fields } = await session.redis.hgetall(`${session.keys.queue(queue)}${id}`);
      const { subscription: _, ...rest } = JSON.parse(data ?? "{}") as { subscription?: string };
      return { ...fields, timestamp: "", data: rest };
    }),
  );
}

describe("a long pack for several subscriptions", () => {
  test("is stored for each of them as it is for one alone, and leaves nothing else", async () => {
    const session = await open();
    const ids = ["a", "b", "c"];
    await session.registry.declare(ids.map((id) => subscription(id, { events: ["all"] })));
    await session.registry.declare([subscription("one", { events: ["one"] })]);
    const results = await session.publish(...long(120, { name: "all" }));
    expect(new Set(results)).toEqual(new Set([{ status: "accepted", subscriptions: 3 }]));
    await session.publish(...long(120, { name: "one" }));
    const rename = (value: unknown) =>
      JSON.parse(JSON.stringify(value).replaceAll('"all"', '"one"')) as unknown;
    const alone = await fieldsOf(session, "one");
    expect(alone).toHaveLength(3);
    for (const id of ids) expect(rename(await fieldsOf(session, id))).toEqual(alone);
    const [job] = await session.waiting("a");
    expect(job?.data).not.toHaveProperty("subscription");
    expect(await session.redis.pttl(`${session.keys.queue("a")}${job?.id}`)).toBe(-1);
    expect(await drafts(session)).toEqual([]);
  });

  test("is delayed like any other", async () => {
    const session = await open();
    await session.registry.declare([subscription("a"), subscription("b")]);
    await session.publish(...long(30, { delayMs: 60_000 }));
    for (const queue of ["a", "b"]) {
      const [job] = await session.delayed(queue);
      expect(idsIn(job?.data)).toHaveLength(30);
      expect(job?.delay).toBe(60_000);
    }
  });

  test("is withheld from those that nobody has declared for long", async () => {
    const session = await open({ context: { orphanedAfterMs: 50 } });
    await session.registry.declare([subscription("left"), subscription("here")]);
    await session.redis.zadd(session.keys.seen, Date.now() - 60, "left");
    await session.redis.zadd(session.keys.seen, Date.now() + 60_000, "here");
    const [first] = await session.publish(...long(50));
    expect(first).toEqual({ status: "accepted", subscriptions: 1 });
    expect(await session.waiting("left")).toEqual([]);
    expect(await session.eventIds("here")).toHaveLength(50);
    expect(await drafts(session)).toEqual([]);
  });

  test("is sent again when its draft has gone before the publish came", async () => {
    const session = await open();
    await session.registry.declare([subscription("a"), subscription("b")]);
    let losing = 2;
    const publisher = createPublisher({
      ...session,
      scripts: {
        ...session.scripts,
        async publish(...args) {
          if ((losing -= 1) >= 0) await session.redis.del(...(await drafts(session)));
          return session.scripts.publish(...args);
        },
      },
    });
    await publisher.publish(long(50), inTime());
    for (const queue of ["a", "b"]) expect(await session.eventIds(queue)).toHaveLength(50);
  });

  test("expires if the publish does not come", async () => {
    const session = await open();
    await session.registry.declare([subscription("a"), subscription("b")]);
    const publisher = createPublisher({
      ...session,
      scripts: { ...session.scripts, publish: () => Promise.reject(new Error("Lost")) },
    });
    await expect(publisher.publish(long(50), { ...inTime(-1) })).rejects.toThrow("Lost");
    const [draft] = await drafts(session);
    const leftMs = await session.redis.pttl(draft ?? "");
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(60_000);
  });

  test("leaves nothing that stays wherever the connection is cut while it is sent", async () => {
    const direct = await open();
    const proxy = await createCuttingProxy(direct.redis.options.port as number);
    onTestFinished(() => proxy.close());
    await direct.registry.declare([subscription("a"), subscription("b")]);
    const session = await open({ url: proxy.url, prefix: direct.keys.prefix });
    // Two drafts, of as many commands as they may be, and the publish.
    for (const commands of [1, 2, 3, 4, 5]) {
      await session.link.whenReady();
      await session.publish(envelope("0"));
      proxy.cutAfter(commands);
      await session.publisher.publish(long(100), inTime(-1)).catch(() => {});
      const ends = (await drafts(direct)).map((key) => direct.redis.pttl(key));
      for (const leftMs of await Promise.all(ends)) expect(leftMs).toBeGreaterThan(0);
    }
  });

  test("is refused by a Redis that is full, which may be asked again", async () => {
    const full = await startRedisServer();
    onTestFinished(() => full.stop());
    const session = await open({ url: full.url });
    await session.registry.declare([subscription("a"), subscription("b")]);
    await session.redis.config("SET", "maxmemory", "1");
    const results = await session.publish(...long(50));
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["rejected"]));
    expect(results[0]).toMatchObject({
      reason: expect.stringContaining("maxmemory") as string,
      retryable: true,
    });
    await session.redis.config("SET", "maxmemory", "0");
    await session.publish(...long(50));
    expect(await session.eventIds("a")).toHaveLength(50);
    expect(await drafts(session)).toEqual([]);
  });

  test("is the subscription's whose queue it is in: retried, dead, counted and retired", async () => {
    const session = await open();
    await session.registry.declare([subscription("a:%~"), subscription("left")]);
    await session.publish(...long(50));
    const dead: Settlement = { type: "dead", reason: "failed", state: null };
    const retry: Settlement = { type: "retry", delayMs: 0, state: { run: 1 } };
    const consumer = await consume(session, { subscriptionId: "a:%~" }, ({ envelope: it }, nth) => {
      if (it.id === "7") return dead;
      return it.id === "8" && nth === 1 ? retry : ACK;
    });
    await consumer.has(51);
    await eventually(async () => {
      const stats = await session.admin.stats();
      expect(stats).toMatchObject([
        { subscriptionId: "a:%~", ready: 0, inFlight: 0, dead: 1 },
        { subscriptionId: "left", ready: 50, inFlight: 0, dead: 0 },
      ]);
    });
    await consumer.close();
    const { items } = await session.admin.listDead("a:%~", { limit: 10 });
    await session.admin.replayDead("a:%~", [items[0]?.id ?? ""]);
    expect(await session.waiting("a~.~p~~")).toHaveLength(1);
    expect(await session.registry.retire("left", { backlog: "dead-letter" })).toBe(50);
  });

  test("stays the subscription's when that gets another id", async () => {
    const session = await open();
    await session.registry.declare([subscription("a"), subscription("b")]);
    await session.publish(...long(50));
    const consumer = await consume(session, { subscriptionId: "new", aliases: ["a"] });
    await consumer.has(50);
    await consumer.close();
    expect(await session.eventIds("b")).toHaveLength(50);
  });

  test("says whose it is where subscriptions share a queue", async () => {
    const lanes = { shared: ["a", "b"] } satisfies ResolvedOptions["lanes"];
    const session = await open({ options: { lanes } });
    await session.registry.declare([subscription("a"), subscription("b"), subscription("c")]);
    await session.publish(...long(50));
    const jobs = [...(await session.waiting("~lane-shared")), ...(await session.waiting("c"))];
    expect(jobs.map(({ data }) => data.subscription)).toEqual(["a", "b", "c"]);
  });
});
