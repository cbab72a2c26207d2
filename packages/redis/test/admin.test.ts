import { describe, expect, test } from "vitest";
import type { DeadInfo } from "../src/store/dead-letter-scripts.ts";
import { envelope, idsIn, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

/** Adds a dead letter as a worker does. */
async function die(
  { redis, keys }: TestSession,
  id: string,
  { diedAt = Date.now(), ...info }: Partial<DeadInfo> & { readonly diedAt?: number } = {},
): Promise<void> {
  const queue = keys.queue("mail");
  const full: DeadInfo = {
    reason: "failed",
    state: { none: [] },
    queue,
    name: "order.placed",
    priority: 7,
    ...info,
  };
  const data = { subscription: "mail", events: [envelope(id, { data: { none: [], one: 1e21 } })] };
  await redis.zadd(`${keys.own}dead:mail`, diedAt, id);
  await redis.hset(`${keys.own}dead-info:mail`, id, JSON.stringify(full));
  await redis.hset(`${keys.own}dead-data:mail`, id, JSON.stringify(data));
}

/** A lane that waits for the dead letter of this id. */
async function block(session: TestSession, id: string): Promise<void> {
  const { redis, keys } = session;
  const queue = keys.queue("mail");
  const lanes = `${keys.own}lanes:${queue}`;
  const turn = (await redis.hget(lanes, "mail:k")) ?? "";
  await redis.zrem(`${queue}prioritized`, turn);
  await redis.hset(lanes, "mail:k", `!${id}`);
  const data = '{"subscription":"mail","key":"mail:k"}';
  const spec = { name: "order.placed", priority: 100, delay: 0, data };
  await die(session, id, { key: "mail:k", turn: spec });
}

async function laneOf({ redis, keys }: TestSession): Promise<readonly string[]> {
  const items = await redis.lrange(`${keys.own}lane:${keys.queue("mail")}mail:k`, 0, -1);
  return items.flatMap((item) => idsIn(JSON.parse(item)));
}

describe("dead letters", () => {
  test("are listed oldest first, page by page, also when many died at once", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    const diedAt = Date.now();
    const expected: string[] = [];
    for (let index = 0; index < 2_500; index += 1) {
      const id = `k${String(index).padStart(5, "0")}`;
      expected.push(id);
      await die(session, id, { diedAt });
    }
    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await session.admin.listDead("mail", { limit: 600, cursor });
      listed.push(...page.items.map(({ id }) => id));
      ({ cursor } = page);
      // What was seen may be gone before the next page.
      if (listed.length % 1_200 > 0) continue;
      await session.admin.discardDead(
        "mail",
        page.items.slice(-1).map(({ id }) => id),
      );
    } while (cursor !== undefined);
    expect(listed).toEqual(expected);
  });

  test("are found by their ids", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    for (const [index, id] of ["1", "2", "3"].entries())
      await die(session, id, { diedAt: index + 1 });
    await session.redis.zadd(`${session.keys.own}dead:mail`, Date.now(), "4");
    const diedAt = Date.now();
    await die(session, "5", { diedAt });
    const found = await session.admin.getDead?.("mail", ["5", "unknown", "4"]);
    expect(found).toHaveLength(1);
    expect(found?.[0]).toMatchObject({ id: "5", diedAt, reason: "failed", state: { none: [] } });
    expect(await session.admin.getDead?.("unknown", ["5"])).toEqual([]);
  });

  test("are replayed with other data, in their lane as well, unless they cannot be read", async () => {
    const session = await open();
    const { admin, redis, keys } = session;
    await session.registry.declare([
      subscription("mail", { ordering: "key", onOrderedFailure: "block" }),
    ]);
    const data = { sum: 1e21, none: [], half: "\ud83d\ude00" };
    await session.publish(envelope("2", { orderingKey: "k" }));
    await block(session, "1");
    expect(await admin.replayDead("mail", ["1"], { data })).toBe(1);
    const [head = ""] = await redis.lrange(`${keys.own}lane:${keys.queue("mail")}mail:k`, 0, 0);
    const { events } = JSON.parse(head);
    expect(events).toEqual([envelope("1", { data })]);
    await die(session, "3");
    await redis.hset(`${keys.own}dead-data:mail`, "3", '{"events":[null]}');
    expect(await admin.replayDead("mail", ["3", "unknown"], { data })).toBe(0);
    expect(await redis.zcard(`${keys.own}dead:mail`)).toBe(1);
  });

  test("come with their state as it was", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await die(session, "1");
    const { items } = await session.admin.listDead("mail", { limit: 10 });
    expect(items[0]).toMatchObject({ id: "1", reason: "failed", state: { none: [] } });
    expect(items[0]?.envelope.data).toEqual({ none: [], one: 1e21 });
    expect(await session.admin.listDead("unknown", { limit: 10 })).toEqual({ items: [] });
  });

  test("go back as jobs of their priority, and unknown ones are passed over", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await die(session, "1");
    await die(session, "2");
    await session.publish(envelope("3"));
    expect(await session.admin.replayDead("mail", ["2", "unknown", "1", "2"])).toBe(2);
    const jobs = await session.waiting("mail");
    expect(jobs.map(({ opts, data }) => [opts.priority, ...idsIn(data)])).toEqual([
      [7, "2"],
      [7, "1"],
      [100, "3"],
    ]);
    expect(jobs[0]?.data.events[0].data).toEqual({ none: [], one: 1e21 });
    expect(await session.admin.replayDead("mail", ["1"])).toBe(0);
    expect((await session.admin.stats())[0]).toMatchObject({ ready: 3, dead: 0 });
  });

  // As earlier releases wrote them: a text that was cut within an emoji.
  test.each([
    ["", {}],
    [" in their order", { ordering: "key", onOrderedFailure: "block" } as const],
  ])("with half a surrogate pair are replayed%s, discarded and dropped", async (_, changes) => {
    const session = await open({
      context: { deadLetters: { maxPerSubscription: 1, maxAgeMs: 60_000 } },
    });
    const { admin, redis, keys } = session;
    await session.registry.declare([subscription("mail", changes)]);
    const state = { runs: 1, errors: [{ at: 1, name: "Error", message: "cut \ud83d" }] };
    const turn = {
      name: "n",
      priority: 100,
      delay: 0,
      data: '{"subscription":"mail","key":"\\ud83d"}',
    };
    const key = 'mail:"q\\udc00"';
    const info = "ordering" in changes ? { key, turn, state } : { state };
    const diedAt = Date.now();
    for (const id of ["1", "2", "3"]) await die(session, id, { ...info, diedAt });
    expect((await redis.hget(`${keys.own}dead-info:mail`, "1"))?.includes("\\ud83d")).toBe(true);
    // The oldest is beyond the bound of one, and so is the next.
    const { items } = await admin.listDead("mail", { limit: 10 });
    expect(items.map(({ id }) => id)).toEqual(["3"]);
    expect(items[0]?.state).toEqual(state);
    expect(await admin.replayDead("mail", ["3"])).toBe(1);
    const lane = `${keys.own}lane:${keys.queue("mail")}${key}`;
    const replayed =
      "ordering" in changes ? await redis.llen(lane) : (await session.waiting("mail")).length;
    expect(replayed).toBe(1);
    await die(session, "4", info);
    expect(await admin.discardDead("mail", ["4"])).toBe(1);
    expect(await redis.keys(`${keys.own}dead*`)).toEqual([]);
  });

  test("that somebody has spoilt are listed, left by a replay, discarded and dropped", async () => {
    const session = await open({
      context: { deadLetters: { maxPerSubscription: 4, maxAgeMs: 60_000 } },
    });
    const { admin, redis, keys } = session;
    await session.registry.declare([subscription("mail")]);
    const diedAt = Date.now();
    await die(session, "dropped", { diedAt: diedAt - 1 });
    for (const id of ["info", "no-info", "data", "no-data"]) await die(session, id, { diedAt });
    await redis.hset(`${keys.own}dead-info:mail`, "dropped", "{", "info", "{");
    await redis.hdel(`${keys.own}dead-info:mail`, "no-info");
    await redis.hset(`${keys.own}dead-data:mail`, "data", '{"events":[null]}');
    await redis.hdel(`${keys.own}dead-data:mail`, "no-data");
    const { items } = await admin.listDead("mail", { limit: 10 });
    const shown = items.map(({ id, reason, envelope: { data } }) => [id, reason, data]);
    const plain = { none: [], one: 1e21 };
    expect(shown).toEqual([
      ["data", "failed", '{"events":[null]}'],
      ["info", "corrupt", plain],
      ["no-data", "failed", ""],
      ["no-info", "corrupt", plain],
    ]);
    expect(await admin.replayDead("mail", ["info", "no-info", "no-data"])).toBe(0);
    expect(await admin.discardDead("mail", ["info", "no-info", "no-data", "data"])).toBe(4);
    expect(await redis.keys(`${keys.own}dead*`)).toEqual([]);
  });

  test("that are gone block no lane for longer than a declaration", async () => {
    const session = await open();
    const { redis, keys, registry } = session;
    const ordered = subscription("mail", { ordering: "key", onOrderedFailure: "block" });
    await registry.declare([ordered]);
    const half = { text: "\ud83d" };
    await session.publish(envelope("2", { orderingKey: "k", data: half }));
    await block(session, "1");
    await redis.del(`${keys.own}revived:${keys.queue("mail")}`);
    await registry.declare([ordered]);
    expect(await session.delayed("mail")).toEqual([]);
    await redis.del(`${keys.own}dead:mail`, `${keys.own}revived:${keys.queue("mail")}`);
    await registry.declare([ordered]);
    const [turn] = await session.delayed("mail");
    expect(turn?.data).toEqual({ subscription: "mail", key: "mail:k" });
    expect(turn?.name).toBe("order.placed");
    expect(session.warnings.join()).toContain("stood still");
  });

  test("that block a lane go first when they are replayed", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("mail", { ordering: "key", onOrderedFailure: "block" }),
    ]);
    await session.publish(envelope("2", { orderingKey: "k" }), envelope("3", { orderingKey: "k" }));
    await block(session, "1");
    expect((await session.admin.stats())[0]).toMatchObject({ ready: 0, delayed: 2, dead: 1 });
    await session.publish(envelope("4", { orderingKey: "k" }));
    expect(await session.waiting("mail")).toEqual([]);
    expect(await session.admin.replayDead("mail", ["1"])).toBe(1);
    expect(await laneOf(session)).toEqual(["1", "2", "3", "4"]);
    expect((await session.waiting("mail")).map(({ data }) => data.key)).toEqual(["mail:k"]);
    expect((await session.admin.stats())[0]).toMatchObject({ ready: 1, delayed: 3, dead: 0 });
  });

  test("that block a lane let it go on when they are discarded, or dropped", async () => {
    for (const how of ["discard", "drop"] as const) {
      const deadLetters = { maxPerSubscription: how === "drop" ? 0 : 10, maxAgeMs: 60_000 };
      const session = await open({ context: { deadLetters } });
      await session.registry.declare([subscription("mail", { ordering: "key" })]);
      await session.publish(envelope("2", { orderingKey: "k" }));
      await block(session, "1");
      if (how === "discard") expect(await session.admin.discardDead("mail", ["1", "1"])).toBe(1);
      else await session.registry.declare([subscription("mail", { ordering: "key" })]);
      expect(await laneOf(session)).toEqual(["2"]);
      expect((await session.waiting("mail")).map(({ data }) => data.key)).toEqual(["mail:k"]);
    }
  });

  test("beyond their bounds are dropped at a declare, and reported", async () => {
    const deadLetters = { maxPerSubscription: 1_500, maxAgeMs: 60_000 };
    const session = await open({ context: { deadLetters } });
    for (let index = 0; index < 4_000; index += 1) {
      const isOld = index < 100;
      await die(session, `${index}`, { diedAt: Date.now() - (isOld ? 60_000 : 1) });
    }
    await session.registry.declare([subscription("mail")]);
    const dropped = session.reports.filter((it) => it.type === "dead-letters-dropped");
    expect(dropped).toEqual([
      { type: "dead-letters-dropped", subscriptionId: "mail", count: 2_500 },
    ]);
    expect(await session.redis.hlen(`${session.keys.own}dead-data:mail`)).toBe(1_500);
  });
});

describe("stats", () => {
  test("count events by the ids of their jobs, and find the oldest", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail"), subscription("idle", { events: ["x"] })]);
    const at = (id: string, published_at: number, priority?: number) => ({
      ...envelope(id, { priority }),
      metadata: { created_at: 1, published_at, correlationId: "1" },
    });
    await session.publish(...Array.from({ length: 60 }, (_, index) => at(`${index}`, 1_000)));
    await session.publish(at("urgent", 2_000, 1), at("lazy", 500, 1_000));
    await session.publish({ ...at("later", 700), delayMs: 60_000 });
    const [mail, idle] = await session.admin.stats();
    expect(mail).toEqual({
      subscriptionId: "mail",
      ready: 62,
      delayed: 1,
      inFlight: 0,
      dead: 0,
      oldestAt: 500,
    });
    expect(idle).toMatchObject({ ready: 0, oldestAt: undefined });
  });

  test("do not count what a job in hand has settled", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.publish(...["1", "2", "3", "4", "5"].map((id) => envelope(id)));
    const queue = session.keys.queue("mail");
    const [id = ""] = await session.redis.zpopmin(`${queue}prioritized`);
    await session.redis.lpush(`${queue}active`, id);
    await session.redis.hset(`${queue}${id}`, "progress", '{"settled":[0,[2,3]]}');
    expect((await session.admin.stats())[0]).toMatchObject({ ready: 0, inFlight: 2 });
  });
});
