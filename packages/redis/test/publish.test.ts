import type { Envelope } from "@busbar/core/provider";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import type { JobData } from "../src/store/job-data.ts";
import { createPublisher } from "../src/publish/publisher.ts";
import type { Scripts } from "../src/store/scripts.ts";
import { eventually } from "./support/eventually.ts";
import { startRedisServer } from "./support/redis-server.ts";
import {
  createTestSession,
  envelope,
  idsIn,
  inTime,
  subscription,
} from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

function numbered(count: number, changes: Partial<Envelope> = {}): Envelope[] {
  return Array.from({ length: count }, (_, index) => envelope(`${index}`, changes));
}

/** How many commands Redis has done, those of scripts among them. */
async function commandsOf(redis: Redis): Promise<number> {
  const stats = await redis.info("stats");
  return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1]);
}

describe("publish", () => {
  test("packs events into jobs that BullMQ's getters show, in order", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    const results = await session.publish(...numbered(120));
    expect(results).toEqual(
      Array.from({ length: 120 }, () => ({ status: "accepted", subscriptions: 1 })),
    );
    const jobs = await session.waiting("mail");
    expect(jobs).toHaveLength(1);
    const [job] = jobs;
    expect(job?.name).toBe("order.placed");
    expect(job?.id).toMatch(/x120$/);
    expect(job?.opts.priority).toBe(100);
    const packs = [
      [1, 50],
      [2, 50],
      [3, 20],
    ];
    expect(job?.data).toEqual({
      subscription: "mail",
      body: expect.any(String) as string,
      packs,
      oldestAt: 2,
    });
    expect(await session.eventsOf(job?.data)).toEqual(numbered(120));
  });

  test("says once what the events of a job have in common", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    const [first] = numbered(1);
    const { name, metadata } = first as Envelope;
    await session.publish(first as Envelope, envelope("other", { name: "order.paid" }));
    const [job] = await session.waiting("mail");
    expect(job?.data).toMatchObject({ name, at: metadata.created_at });
    const data: unknown = job?.data;
    const { events } = data as { readonly events: readonly object[] };
    expect(events.map((event) => "name" in event)).toEqual([false, true]);
  });

  test("asks for the version of the list, and nothing else, where nobody wants the events", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail", { events: ["order.*"] })]);
    await session.publish(envelope("0"));
    const nobodys = envelope("1", { name: "stock.changed" });
    const before = await commandsOf(session.redis);
    for (let index = 0; index < 20; index += 1) {
      expect(await session.publish(nobodys)).toEqual([{ status: "accepted", subscriptions: 0 }]);
    }
    const after = await commandsOf(session.redis);
    expect(after - before).toBeLessThanOrEqual(25);
  });

  test("reaches a subscription that another process has declared before, whatever this one knew", async () => {
    const session = await open();
    const other = await open({ prefix: session.keys.prefix });
    await session.registry.declare([subscription("mail", { events: ["order.*"] })]);
    for (let index = 0; index < 20; index += 1) {
      const name = `stock.changed-${index}`;
      await session.publish(envelope("before", { name }));
      await other.registry.declare([subscription("stock", { events: [name] })]);
      const results = await session.publish(envelope(`${index}`, { name }));
      expect(results).toEqual([{ status: "accepted", subscriptions: 1 }]);
    }
    expect(await session.eventIds("stock")).toHaveLength(20);
  });

  test("names a pack after its first event and how many others there are", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("1"), envelope("2", { name: "x" }), envelope("3"));
    const [job] = await session.waiting("mail");
    expect(job?.name).toBe("order.placed +2");
    expect(idsIn(job?.data)).toEqual(["1", "2", "3"]);
  });

  test("reaches the queues of all that want an event, and counts them", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("a", { events: ["x", "y"] }),
      subscription("b", { events: ["y"] }),
    ]);
    const names = ["x", "y", "none", "y", "x"];
    const results = await session.publish(
      ...names.map((name, index) => envelope(`${index}`, { name })),
    );
    expect(results.map((it) => it.status === "accepted" && it.subscriptions)).toEqual([
      1, 2, 0, 2, 1,
    ]);
    expect(await session.eventIds("a")).toEqual(["0", "1", "3", "4"]);
    expect(await session.eventIds("b")).toEqual(["1", "3"]);
  });

  test("keeps apart what differs in priority or delay, and is delayed as BullMQ delays", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.publish(
      envelope("low", { priority: 1_000 }),
      envelope("later", { delayMs: 60_000 }),
      envelope("high", { priority: 10 }),
      envelope("at once", { delayMs: 0 }),
      envelope("later too", { delayMs: 60_000 }),
    );
    const jobs = await session.waiting("mail");
    expect(jobs.map(({ data, opts }) => [opts.priority, ...idsIn(data)])).toEqual([
      [10, "high"],
      [100, "at once"],
      [1_000, "low"],
    ]);
    const delayed = await session.delayed("mail");
    expect(delayed.map(({ data }) => idsIn(data))).toEqual([["later"], ["later too"]]);
    expect(delayed.map(({ delay }) => delay)).toEqual([60_000, 60_000]);
  });

  test("that is sent again takes the time off its delays", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    let lost = 10;
    const publish: typeof session.scripts.publish = (...args) =>
      lost-- > 0
        ? Promise.reject(new Error("Connection is closed."))
        : session.scripts.publish(...args);
    const publisher = createPublisher({ ...session, scripts: { ...session.scripts, publish } });
    const from = performance.now();
    await publisher.publish([envelope("later", { delayMs: 60_000 })], inTime());
    const tookMs = performance.now() - from;
    const [job] = await session.delayed("mail");
    expect(tookMs).toBeGreaterThan(190);
    expect(job?.delay).toBeLessThan(59_850);
    expect(job?.delay).toBeGreaterThan(60_000 - tookMs - 1);
  });

  test("an event with a deduplicationId is a job of its own, once for each subscription", async () => {
    const session = await open();
    await session.registry.declare([subscription("a"), subscription("b", { events: ["x"] })]);
    const send = (id: string, name: string) =>
      session.publish(
        envelope(`before ${id}`, { name: "y" }),
        envelope(id, { name, deduplicationId: "d" }),
      );
    expect((await send("1", "y"))[1]).toEqual({ status: "accepted", subscriptions: 1 });
    expect((await send("2", "x"))[1]).toEqual({ status: "accepted", subscriptions: 1 });
    expect((await send("3", "x"))[1]).toEqual({ status: "duplicate", subscriptions: 2 });
    expect(await session.eventIds("a")).toEqual(["before 1", "1", "before 2", "before 3"]);
    expect(await session.eventIds("b")).toEqual(["2"]);
  });

  test("puts ordered events into lanes, and remembers their deduplicationId", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const keyed = (id: string, more: Partial<Envelope> = {}) =>
      envelope(id, { orderingKey: "k", ...more });
    await session.publish(keyed("1"), envelope("free"), keyed("2", { deduplicationId: "d" }));
    const [again] = await session.publish(keyed("3", { deduplicationId: "d" }));
    expect(again).toEqual({ status: "duplicate", subscriptions: 1 });
    const jobs = await session.waiting("mail");
    expect(jobs.map(({ data }) => data.key ?? idsIn(data))).toEqual([["free"], "mail:k"]);
    const lane = await session.redis.lrange(
      `${session.keys.own}lane:${session.keys.queue("mail")}mail:k`,
      0,
      -1,
    );
    expect(lane.flatMap((item) => idsIn(JSON.parse(item)))).toEqual(["1", "2"]);
  });

  test("carries any string, empty arrays and big numbers as they are", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("mail"),
      subscription("ordered", { ordering: "key" }),
    ]);
    const odd = envelope("\ud800", {
      name: "x\ud800\u0000",
      data: { none: [], one: 1e21, two: 12345678901234567n.toString(), nested: { a: {} } },
      orderingKey: "\udc00:",
      deduplicationId: '"\ud800',
    });
    await session.publish(odd);
    const [job] = await session.waiting("mail");
    expect(job?.data.events).toEqual([odd]);
    const [turn] = await session.waiting("ordered");
    expect(turn?.data.key).toBe('ordered:"\\udc00:"');
  });

  test("withholds from what nobody has declared for long, and counts until it is retired", async () => {
    const session = await open({ context: { orphanedAfterMs: 50 } });
    await session.registry.declare([subscription("left"), subscription("here")]);
    await session.redis.zadd(session.keys.seen, Date.now() - 60, "left");
    await session.redis.zadd(session.keys.seen, Date.now() + 60_000, "here");
    const results = await session.publish(envelope("1"), envelope("2"));
    expect(results[0]).toEqual({ status: "accepted", subscriptions: 1 });
    await session.publish(envelope("3"));
    expect(await session.waiting("left")).toEqual([]);
    const withheld = async () =>
      Object.fromEntries(
        (await session.registry.list()).map((it) => [it.subscriptionId, it.withheld]),
      );
    expect(await withheld()).toEqual({ here: 0, left: 3 });
    await session.registry.retire("left", { backlog: "keep" });
    await session.registry.declare([subscription("left")]);
    expect(await withheld()).toEqual({ here: 0, left: 0 });
  });

  test("is obeyed by every registry once declare has resolved", async () => {
    const one = await open();
    const other = await open({ prefix: one.keys.prefix });
    await other.publish(envelope("0"));
    const declared = Array.from({ length: 20 }, (_, index) => `s${index}`);
    await Promise.all(
      declared.map(async (id, index) => {
        await (index % 2 ? one : other).registry.declare([subscription(id)]);
        await (index % 2 ? other : one).publish(envelope(`after ${id}`));
      }),
    );
    for (const id of declared) expect(await one.eventIds(id)).toContain(`after ${id}`);
  });

  test("goes on when Redis has forgotten its scripts", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("1"));
    await session.redis.script("FLUSH");
    await session.publish(envelope("2"));
    expect(await session.eventIds("mail")).toEqual(["1", "2"]);
  });

  test("goes on when Redis has lost everything", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail"), subscription("other")]);
    await session.publish(envelope("1"));
    for (const key of await session.redis.keys(`${session.keys.prefix}*`))
      await session.redis.del(key);
    expect((await session.publish(envelope("2")))[0]).toMatchObject({ subscriptions: 2 });
    await session.registry.declare([subscription("mail")]);
    expect((await session.publish(envelope("3")))[0]).toMatchObject({ subscriptions: 2 });
  });

  test("says what is the matter when Redis is away or full, and that it may be tried again", async () => {
    const own = await startRedisServer({ config: { maxmemory: "5mb" } });
    const session = await createTestSession({ url: own.url, prefix: "{full}" });
    try {
      await session.registry.declare([subscription("mail")]);
      await session.publish(envelope("1"));
      await session.redis.set("ballast", "x".repeat(8_000_000)).catch(() => {});
      const [full] = await session.publish(envelope("2", { data: "x".repeat(100) }));
      expect(full).toMatchObject({ status: "rejected", retryable: true });
      expect(full).toMatchObject({ reason: "Redis is full: it has reached its maxmemory" });
      await session.redis.del("ballast");
      await own.kill();
      await eventually(() => expect(session.link.isReady).toBe(false));
      const [away] = await session.publish(envelope("3"));
      expect(away).toMatchObject({
        status: "rejected",
        reason: expect.stringContaining(
          `Redis at 127.0.0.1:${own.port} cannot be reached (`,
        ) as string,
      });
      await own.start();
      await session.link.whenReady();
      expect(await session.publish(envelope("4"))).toMatchObject([{ status: "accepted" }]);
    } finally {
      await session.close();
      await own.stop();
    }
  });

  test("sends a publish again whose answer was lost, and none that was overtaken", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("mail"),
      subscription("ordered", { ordering: "all" }),
    ]);
    const sent: Parameters<Scripts["publish"]>[] = [];
    const publish: Scripts["publish"] = async (...args) => {
      sent.push(args);
      const answer = await session.scripts.publish(...args);
      if (sent.length === 1) throw new Error("Connection is closed.");
      return answer;
    };
    const scripts = { ...session.scripts, publish };
    const publisher = createPublisher({ ...session, scripts });
    const once = envelope("1", { deduplicationId: "d" });
    const [result] = await publisher.publish([once], inTime());
    expect(sent[1]).toEqual(sent[0]);
    expect(result).toEqual({ status: "accepted", subscriptions: 2 });
    await publisher.publish([envelope("2")], inTime());
    // Part of a connection that was lost, and read only now.
    const [late] = sent;
    await session.redis.del(`${session.keys.queue("ordered")}de:ordered:d`);
    if (late) await session.scripts.publish(...late);
    expect(await session.eventIds("mail")).toEqual(["1", "2"]);
    const lane = `${session.keys.own}lane:${session.keys.queue("ordered")}ordered:`;
    const items = await session.redis.lrange(lane, 0, -1);
    expect(items.flatMap((item) => idsIn(JSON.parse(item)))).toEqual(["1", "2"]);
  });

  test("loses none and repeats none of 10 000 events while connections are killed", async () => {
    const session = await open();
    const killer = await open({ prefix: session.keys.prefix });
    await session.registry.declare([subscription("a"), subscription("b")]);
    const ids = Array.from({ length: 10_000 }, (_, index) => `${index}`);
    let next = 0;
    const deadline = performance.now() + 30_000;
    let kills = 0;
    const caller = async (): Promise<void> => {
      while (next < ids.length) {
        // Half of them are stored once for both.
        const data = { text: "x".repeat(next % 20 === 0 ? 1 : 300) };
        let batch = ids.slice(next, (next += 10)).map((id) => envelope(id, { data }));
        while (batch.length > 0) {
          const results = await session.publisher.publish(
            batch,
            inTime(deadline - performance.now()),
          );
          batch = batch.filter((_, index) => results[index]?.status === "rejected");
        }
      }
    };
    const clientId = () => session.redis.client("ID").catch(() => undefined);
    const killing = (async () => {
      while (next < ids.length) {
        const id = await clientId();
        if (id !== undefined) {
          await killer.redis.call("CLIENT", "KILL", "ID", id);
          kills += 1;
        }
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    await Promise.all([...Array.from({ length: 50 }, caller), killing]);
    expect(kills).toBeGreaterThan(3);
    for (const queue of ["a", "b"]) {
      const stored = await killer.redis.zrange(
        `${session.keys.queue(queue)}prioritized`,
        "0",
        "-1",
      );
      const events: string[] = [];
      for (const id of stored) {
        const data = await killer.redis.hget(`${session.keys.queue(queue)}${id}`, "data");
        const stored = await killer.eventsOf(JSON.parse(data ?? "{}") as JobData);
        events.push(...stored.map((event) => event.id));
      }
      expect(events.length).toBe(ids.length);
      expect(new Set(events).size).toBe(ids.length);
    }
  }, 60_000);
});
