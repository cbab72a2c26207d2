import type { Settlement } from "@busbar/core/provider";
import { describe, expect, test, vi } from "vitest";
import { packHead } from "../src/registry/routes.ts";
import { envelope, idsIn, subscription, type TestSession } from "./support/test-session.ts";
import { eventually } from "./support/eventually.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

/** As a worker would: the next job is in hand, and then its process dies. */
async function takeJob(session: TestSession, queue: string, progress?: string): Promise<string> {
  const prefix = session.keys.queue(queue);
  const [id = ""] = await session.redis.zpopmin(`${prefix}prioritized`);
  await session.redis.lpush(`${prefix}active`, id);
  if (progress !== undefined) {
    await session.redis.hset(`${prefix}${id}`, "progress", progress, "stc", 1);
  }
  return id;
}

async function recover(session: TestSession, queue: string, id: string): Promise<void> {
  const prefix = session.keys.queue(queue);
  await session.redis.lrem(`${prefix}active`, 1, id);
  await session.redis.rpush(`${prefix}wait`, id);
}

async function deadIds(session: TestSession, subscriptionId: string): Promise<readonly string[]> {
  const { items } = await session.admin.listDead(subscriptionId, { limit: 100 });
  return items.map((it) => it.envelope.id);
}

async function statsOf(session: TestSession, subscriptionId: string) {
  const all = await session.admin.stats();
  const { ready, delayed, inFlight, dead } = all.find(
    (it) => it.subscriptionId === subscriptionId,
  ) ?? { ready: -1, delayed: -1, inFlight: -1, dead: -1 };
  return { ready, delayed, inFlight, dead };
}

describe("declare", () => {
  test("of many processes at once loses nothing", async () => {
    const first = await open();
    const all = [first];
    while (all.length < 5) all.push(await open({ prefix: first.keys.prefix }));
    await Promise.all(
      all.flatMap((session, at) =>
        Array.from({ length: 10 }, (_, index) =>
          session.registry.declare([
            subscription("shared", { events: [`e.${at}.${index}`] }),
            subscription(`own-${at}-${index}`),
          ]),
        ),
      ),
    );
    const list = await first.registry.list();
    expect(list).toHaveLength(51);
    expect(list.find((it) => it.subscriptionId === "shared")?.events).toHaveLength(50);
  });

  test("of what is known changes no version, and is seen", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    const version = await session.redis.get(session.keys.version);
    await session.redis.zadd(session.keys.seen, 1, "mail");
    await session.registry.declare([subscription("mail")]);
    expect(await session.redis.get(session.keys.version)).toBe(version);
    const [mail] = await session.registry.list();
    expect(mail?.lastSeenAt).toBeGreaterThan(1);
  });

  test("refuses a malformed pattern and adds nothing", async () => {
    const session = await open();
    const specs = [subscription("fine"), subscription("mail", { events: ["a*"] })];
    await expect(session.registry.declare(specs)).rejects.toThrow(TypeError);
    expect(await session.registry.list()).toEqual([]);
  });

  test("bounds the stream of events that BullMQ keeps", async () => {
    const session = await open({ options: { maxLenEvents: 7 } });
    await session.registry.declare([subscription("mail")]);
    const meta = `${session.keys.queue("mail")}meta`;
    expect(await session.redis.hget(meta, "opts.maxLenEvents")).toBe("7");
    await session.publish(envelope("1"));
    expect(await session.redis.hget(meta, "opts.maxLenEvents")).toBe("7");
  });

  test("tells listeners of what others have declared", async () => {
    const session = await open();
    const other = await open({ prefix: session.keys.prefix });
    const listener = vi.fn();
    const end = session.registry.onChange(listener);
    await other.registry.declare([subscription("mail")]);
    await session.publish(envelope("1"));
    expect(listener).toHaveBeenCalledTimes(1);
    expect(listener.mock.calls[0]?.[0].records.has("mail")).toBe(true);
    end();
    await session.registry.declare([subscription("other")]);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

describe("aliases", () => {
  test("a new subscription takes over the queue of the earlier one", async () => {
    const session = await open();
    await session.registry.declare([subscription("old")]);
    await session.publish(envelope("1"), envelope("2", { deduplicationId: "d" }));
    await session.registry.declare([subscription("new", { aliases: ["old"] })]);
    const [again] = await session.publish(envelope("3", { deduplicationId: "d" }));
    expect(again).toEqual({ status: "duplicate", subscriptions: 1 });
    await session.publish(envelope("4"));
    expect((await session.registry.resolve("old"))?.subscriptionId).toBe("new");
    expect((await session.registry.resolve("new"))?.queues).toEqual(["old"]);
    const jobs = await session.waiting("old");
    expect(jobs.map(({ data }) => [data.subscription, ...idsIn(data)])).toEqual([
      ["old", "1"],
      ["old", "2"],
      ["new", "4"],
    ]);
    expect(await statsOf(session, "new")).toMatchObject({ ready: 3 });
    expect(await session.registry.list()).toHaveLength(1);
  });

  test("a known subscription gets the queues of the earlier one besides its own", async () => {
    const session = await open();
    await session.registry.declare([subscription("old"), subscription("new")]);
    await session.publish(envelope("1"));
    await session.registry.declare([subscription("new", { aliases: ["old"] })]);
    await session.publish(envelope("2"));
    expect((await session.registry.resolve("new"))?.queues).toEqual(["new", "old"]);
    expect(await session.eventIds("new")).toEqual(["1", "2"]);
    expect(await statsOf(session, "new")).toMatchObject({ ready: 3 });
  });

  test("a release with the earlier id keeps the present one alive, and changes nothing", async () => {
    const session = await open();
    await session.registry.declare([subscription("old", { events: ["a"] })]);
    await session.registry.declare([subscription("new", { events: ["b"], aliases: ["old"] })]);
    await session.redis.zadd(session.keys.seen, 1, "new");
    await session.registry.declare([subscription("old", { events: ["a"] })]);
    const [entry, ...others] = await session.registry.list();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ subscriptionId: "new", events: ["b"], orphaned: false });
  });

  test("an id that was renamed twice is the last one", async () => {
    const session = await open();
    await session.registry.declare([subscription("a")]);
    await session.registry.declare([subscription("b", { aliases: ["a"] })]);
    await session.registry.declare([subscription("c", { aliases: ["b"] })]);
    expect((await session.registry.resolve("a"))?.subscriptionId).toBe("c");
    expect((await session.registry.resolve("c"))?.queues).toEqual(["a"]);
  });

  test("dead letters move, also to one that has some", async () => {
    const session = await open();
    await session.registry.declare([subscription("old"), subscription("new")]);
    await session.publish(envelope("1"), envelope("2"));
    await session.registry.retire("old", { backlog: "dead-letter" });
    await session.registry.retire("new", { events: ["*"], backlog: "dead-letter" });
    await session.registry.declare([subscription("new", { aliases: ["old"] })]);
    expect((await deadIds(session, "new")).toSorted()).toEqual(["1", "1", "2", "2"]);
    expect(await deadIds(session, "old")).toHaveLength(4);
    expect(await session.redis.keys(`${session.keys.own}dead*old`)).toEqual([]);
  });
});

describe("a process that does not know yet that another release has renamed its subscription", () => {
  const dead: Settlement = { type: "dead", reason: "no", state: null };

  test.each(["none", "key"] as const)(
    "leaves its dead letters to the new id, with the ordering %s",
    async (ordering) => {
      const session = await open();
      const other = await open({ prefix: session.keys.prefix });
      const spec = subscription("old", { ordering });
      await session.registry.declare([spec]);
      let settle: (settlement: Settlement) => void = () => {};
      const inHand = new Promise<void>((resolve) => {
        void consume(session, spec, () => {
          resolve();
          return new Promise<Settlement>((done) => (settle = done));
        });
      });
      await session.publish(envelope("1", { orderingKey: "k" }));
      await inHand;
      await other.registry.declare([
        subscription("new", { ordering: "key", onOrderedFailure: "block", aliases: ["old"] }),
      ]);
      settle(dead);
      await eventually(async () => expect(await deadIds(other, "new")).toEqual(["1"]));
      expect(await other.redis.keys(`${other.keys.own}dead*old`)).toEqual([]);
      const lanes = await other.redis.hvals(`${other.keys.own}lanes:${other.keys.queue("old")}`);
      expect(lanes.map((turn) => turn.slice(0, 1))).toEqual(ordering === "key" ? ["!"] : []);
    },
  );
});

describe("lanes", () => {
  test("subscriptions share a queue, and are counted and retired apart", async () => {
    const session = await open({ options: { sharedQueues: { small: ["a.*", "b"] } } });
    await session.registry.declare([
      subscription("a.1", { ordering: "key" }),
      subscription("b", { ordering: "key" }),
      subscription("c"),
    ]);
    const keyed = envelope("1", { orderingKey: "k" });
    await session.publish(keyed, envelope("2"), { ...keyed, id: "3" });
    expect((await session.registry.resolve("b"))?.queues).toEqual(["~lane-small"]);
    expect(
      (await session.waiting("~lane-small")).map(({ data }) => data.key ?? idsIn(data)),
    ).toEqual(expect.arrayContaining([["2"], ["2"], "a.1:k", "b:k"]));
    expect(await statsOf(session, "a.1")).toEqual({ ready: 2, delayed: 1, inFlight: 0, dead: 0 });
    expect(await session.registry.retire("b", { backlog: "discard" })).toBe(3);
    expect(await statsOf(session, "a.1")).toEqual({ ready: 2, delayed: 1, inFlight: 0, dead: 0 });
    expect(await statsOf(session, "c")).toMatchObject({ ready: 3 });
  });

  test("a subscription that enters a lane keeps its former queue", async () => {
    const before = await open();
    await before.registry.declare([subscription("mail")]);
    await before.publish(envelope("1"));
    const after = await open({
      prefix: before.keys.prefix,
      options: { sharedQueues: { small: ["mail"] } },
    });
    await after.registry.declare([subscription("mail")]);
    await before.publish(envelope("2"));
    expect((await after.registry.resolve("mail"))?.queues).toEqual(["~lane-small", "mail"]);
    expect(await after.eventIds("~lane-small")).toEqual(["2"]);
    expect(await statsOf(after, "mail")).toMatchObject({ ready: 2 });
  });
});

describe("retire", () => {
  test("rewrites packs that hold both wanted and unwanted events, in place", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail", { events: ["a", "b"] })]);
    const named = (id: string, name: string) => envelope(id, { name });
    await session.publish(named("1", "a"), named("2", "b"), named("3", "a"));
    await session.publish(named("4", "b"));
    const retired = { events: ["a"], backlog: "dead-letter" } as const;
    expect(await session.registry.retire("mail", retired)).toBe(2);
    const jobs = await session.waiting("mail");
    expect(jobs.map(({ name, data }) => [name, ...idsIn(data)])).toEqual([
      ["b", "2"],
      ["b", "4"],
    ]);
    expect(jobs[0]?.id).toMatch(/x1$/);
    expect(await deadIds(session, "mail")).toEqual(["1", "3"]);
    expect(await statsOf(session, "mail")).toEqual({ ready: 2, delayed: 0, inFlight: 0, dead: 2 });
    const { items } = await session.admin.listDead("mail", { limit: 1 });
    expect(items[0]).toMatchObject({ reason: "retired", state: null });
  });

  test("takes delayed events, and leaves alone what a worker has", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("in hand"));
    await takeJob(session, "mail");
    await session.publish(
      envelope("1", { delayMs: 60_000 }),
      envelope("2", { delayMs: 60_000, deduplicationId: "d" }),
      envelope("3"),
    );
    expect(await session.registry.retire("mail", { backlog: "discard" })).toBe(3);
    expect(await session.delayed("mail")).toEqual([]);
    expect(await statsOf(session, "mail")).toMatchObject({ ready: 0, delayed: 0, inFlight: 1 });
  });

  test("passes over what a pack had settled before its process died", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail", { events: ["a", "b"] })]);
    const named = (id: string, name: string) => envelope(id, { name });
    await session.publish(
      ...["1", "2", "3", "4", "5"].map((id) => named(id, id === "5" ? "b" : "a")),
    );
    const id = await takeJob(session, "mail", '{"settled":[0,[2,2]]}');
    await recover(session, "mail", id);
    const retired = { events: ["a"], backlog: "dead-letter" } as const;
    expect(await session.registry.retire("mail", retired)).toBe(2);
    expect(await deadIds(session, "mail")).toEqual(["2", "4"]);
    const prefix = session.keys.queue("mail");
    const [left = ""] = await session.redis.lrange(`${prefix}wait`, 0, -1);
    const job = await session.redis.hgetall(`${prefix}${left}`);
    expect(idsIn(JSON.parse(job["data"] ?? ""))).toEqual(["5"]);
    expect([job["progress"], job["stc"]]).toEqual([undefined, "1"]);
  });

  test("takes what waits in lanes, the blocked too, and leaves what a turn has", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const keyed = (id: string) => envelope(id, { orderingKey: id.charAt(0) });
    await session.publish(...["a1", "a2", "b1", "b2", "b3", "c1", "c2"].map(keyed));
    const prefix = session.keys.queue("mail");
    const lanes = `${session.keys.own}lanes:${prefix}`;
    const turn = (await session.redis.hget(lanes, "mail:b")) ?? "";
    await session.redis.zrem(`${prefix}prioritized`, turn);
    await session.redis.lpush(`${prefix}active`, turn);
    await session.redis.hset(`${prefix}${turn}`, "taken", 1);
    const blocked = (await session.redis.hget(lanes, "mail:c")) ?? "";
    await session.redis.zrem(`${prefix}prioritized`, blocked);
    await session.redis.hset(lanes, "mail:c", "!dead");
    expect(await statsOf(session, "mail")).toEqual({ ready: 1, delayed: 5, inFlight: 1, dead: 0 });
    expect(await session.registry.retire("mail", { backlog: "dead-letter" })).toBe(6);
    expect((await deadIds(session, "mail")).toSorted()).toEqual([
      "a1",
      "a2",
      "b2",
      "b3",
      "c1",
      "c2",
    ]);
    const left = await session.redis.lrange(`${session.keys.own}lane:${prefix}mail:b`, 0, -1);
    expect(left).toEqual([`${packHead("mail")}${JSON.stringify(keyed("b1"))}]}`]);
    expect(await session.redis.hkeys(lanes)).toEqual(expect.arrayContaining(["mail:b", "mail:c"]));
    expect(await session.redis.hexists(lanes, "mail:a")).toBe(0);
    // A replay goes back into its lane.
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const { items } = await session.admin.listDead("mail", { limit: 1 });
    expect(await session.admin.replayDead("mail", [items[0]?.id ?? ""])).toBe(1);
    expect((await session.waiting("mail")).map(({ data }) => data.key)).toEqual(["mail:a"]);
  });

  test("with keep, the backlog is there when the subscription comes back", async () => {
    const session = await open();
    await session.registry.declare([subscription("old")]);
    await session.publish(envelope("1"));
    await session.registry.declare([subscription("mail", { aliases: ["old"] })]);
    expect(await session.registry.retire("mail", { backlog: "keep" })).toBe(0);
    expect(await session.publish(envelope("2"))).toMatchObject([{ subscriptions: 0 }]);
    expect(await session.registry.list()).toEqual([]);
    await session.registry.declare([subscription("mail")]);
    expect((await session.registry.resolve("mail"))?.queues).toEqual(["old"]);
    expect(await statsOf(session, "mail")).toMatchObject({ ready: 1 });
  });

  test("leaves nothing of a subscription that has nothing left", async () => {
    const session = await open();
    await session.registry.declare([subscription("stays")]);
    const before = await session.redis.keys(`${session.keys.prefix}*`);
    await session.registry.declare([subscription("old")]);
    await session.registry.declare([subscription("mail", { aliases: ["old"] })]);
    await session.publish(envelope("1", { name: "x" }));
    await session.registry.retire("mail", { backlog: "discard" });
    await session.registry.retire("stays", { events: ["none"], backlog: "discard" });
    const after = await session.redis.keys(`${session.keys.prefix}*`);
    const isNew = (key: string) => !before.includes(key) && !key.includes(":stays:");
    expect(after.filter(isNew).map((key) => key.slice(session.keys.own.length, -4))).toEqual([
      expect.stringContaining("emitter:"),
    ]);
    expect(await session.redis.hkeys(session.keys.subscriptions)).toEqual(["stays"]);
  });

  test("of an unknown subscription or an earlier id is 0", async () => {
    const session = await open();
    expect(await session.registry.retire("unknown", { backlog: "discard" })).toBe(0);
    await session.registry.declare([subscription("old")]);
    await session.publish(envelope("1"));
    await session.registry.declare([subscription("new", { aliases: ["old"] })]);
    expect(await session.registry.retire("old", { backlog: "discard" })).toBe(0);
    expect(await statsOf(session, "new")).toMatchObject({ ready: 1 });
  });
});

describe("releases that declare different policies", () => {
  const strict = subscription("mail", { ordering: "key", onOrderedFailure: "block" });
  const lax = subscription("mail", { ordering: "none" });

  test("have the stricter ordering while both live, whoever declares last, and are warned of", async () => {
    const release = await open();
    const other = await open({ prefix: release.keys.prefix });
    await release.registry.declare([strict]);
    await other.registry.declare([lax]);
    expect((await other.registry.resolve("mail"))?.ordering).toBe("key");
    await other.publish(envelope("1", { orderingKey: "k" }));
    expect(await other.redis.hkeys(`${other.keys.own}lanes:${other.keys.queue("mail")}`)).toEqual([
      "mail:k",
    ]);
    await release.registry.declare([strict]);
    await other.registry.declare([lax]);
    expect((await release.registry.snapshot(true)).records.get("mail")?.ordering).toBe("key");
    expect(other.warnings).toEqual([
      'Subscription "mail" has ordering "none" here and "key" elsewhere: "key" holds while both run',
    ]);
    expect(release.warnings).toEqual([
      'Subscription "mail" has ordering "key" here and "none" elsewhere: "key" holds while both run',
    ]);
  });

  test("get the laxer ordering once no release has declared the stricter one for minutes", async () => {
    const release = await open();
    const other = await open({ prefix: release.keys.prefix });
    await release.registry.declare([strict]);
    await other.registry.declare([lax]);
    const long = Date.now() - 180_001;
    await other.redis.hset(other.keys.policies, "key mail", long);
    await other.registry.declare([lax]);
    expect((await other.registry.resolve("mail"))?.ordering).toBe("none");
    // One that is stricter holds at once.
    await release.registry.declare([strict]);
    expect((await release.registry.resolve("mail"))?.ordering).toBe("key");
    // What is retired and made again is nobody else's.
    await release.registry.retire("mail", { backlog: "discard" });
    await release.registry.declare([lax]);
    expect((await release.registry.resolve("mail"))?.ordering).toBe("none");
  });

  test("block the key while one of them does, and are warned of it", async () => {
    const release = await open();
    const other = await open({ prefix: release.keys.prefix });
    const park = subscription("mail", { ordering: "all", onOrderedFailure: "park" });
    await release.registry.declare([strict]);
    await other.registry.declare([park]);
    expect(await other.registry.resolve("mail")).toMatchObject({
      ordering: "all",
      onOrderedFailure: "block",
    });
    expect(other.warnings).toEqual([
      'Subscription "mail" has ordering "all" here and "key" elsewhere: "all" holds while both run; ' +
        'onOrderedFailure "park" here and "block" elsewhere: "block" holds while both run',
    ]);
    await other.redis.hset(other.keys.policies, "block mail", Date.now() - 180_001);
    await other.registry.declare([park]);
    expect(await other.registry.resolve("mail")).toMatchObject({ onOrderedFailure: "park" });
  });

  test("count by all ids that the subscription has had, whichever is declared last", async () => {
    const release = await open();
    const other = await open({ prefix: release.keys.prefix });
    const renamed = subscription("post", { aliases: ["mail"] });
    const again = subscription("letters", { aliases: ["post"] });
    const policies = async (): Promise<unknown> => {
      const { records } = await other.registry.snapshot(true);
      const present = [...records.values()].filter((it) => it.renamedTo === undefined);
      return present.map((it) => [it.subscriptionId, it.ordering, it.onOrderedFailure]);
    };
    await release.registry.declare([strict]);
    await other.registry.declare([renamed]);
    expect(await policies()).toEqual([["post", "key", "block"]]);
    await other.registry.declare([again]);
    expect(await policies()).toEqual([["letters", "key", "block"]]);
    expect(other.warnings.at(-1)).toContain('Subscription "letters" has ordering "none" here');
    // Once the first release is gone, its policies are, too.
    const long = Date.now() - 180_001;
    const fields = await other.redis.hkeys(other.keys.policies);
    expect(fields.toSorted()).toEqual(["block letters", "key letters", "none letters"]);
    await other.redis.hset(other.keys.policies, { "block letters": long, "key letters": long });
    await other.registry.declare([again]);
    expect(await policies()).toEqual([["letters", "none", "park"]]);
    // It comes back, under the first id.
    await release.registry.declare([strict]);
    expect(await policies()).toEqual([["letters", "key", "block"]]);
    await other.registry.declare([again]);
    expect(await policies()).toEqual([["letters", "key", "block"]]);
  });
});
