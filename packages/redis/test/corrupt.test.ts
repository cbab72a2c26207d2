import { describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();
const ALONE = { maxEvents: 1, maxBytes: 1, splitAfterMs: 100, checkpointMs: 10 };
const SECRET = "do-not-log-this";

const SPOILT = {
  "is cut off": `{"subscription":"mail","events":[{"id":"${SECRET}"`,
  "is empty": "",
  "is null": "null",
  "is a number": "42",
  "is a list": "[]",
  "has no list of events": `{"events":"${SECRET}"}`,
  "has no events": '{"events":[]}',
  "has an event that is null": '{"events":[null]}',
  "has an event without metadata": `{"events":[{"id":"x","name":"n","data":"${SECRET}"}]}`,
} as const;

async function idsOfJobs({ redis, keys }: TestSession): Promise<readonly string[]> {
  return redis.zrange(`${keys.queue("mail")}prioritized`, "0", "-1");
}

async function numbersOf(session: TestSession): Promise<object> {
  const stats = await session.admin.stats();
  const { ready, delayed, inFlight, dead } = stats.find((it) => it.subscriptionId === "mail")!;
  return { ready, delayed, inFlight, dead };
}

describe("what somebody has spoilt by hand", () => {
  test.each(Object.entries(SPOILT))(
    "a job whose data %s is a dead letter with that data, and the others go on",
    async (_, data) => {
      const session = await open({ options: { batch: ALONE } });
      const { admin, redis, keys } = session;
      await session.registry.declare([subscription("mail")]);
      const ids = Array.from({ length: 30 }, (_, index) => `e${index}`);
      await session.publish(...ids.map((id) => envelope(id)));
      const [, spoilt = ""] = await idsOfJobs(session);
      await redis.hset(`${keys.queue("mail")}${spoilt}`, "data", data);
      expect(await numbersOf(session)).toMatchObject({ ready: 30 });

      const consumer = await consume(session, {});
      await consumer.has(29);
      await eventually(async () =>
        expect(await numbersOf(session)).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 1 }),
      );
      expect(consumer.ids).toEqual(ids.toSpliced(1, 1));
      const { items } = await admin.listDead("mail", { limit: 10 });
      expect(items[0]).toMatchObject({ reason: "corrupt" });
      const kept = await redis.hvals(`${keys.own}dead-data:mail`);
      expect(kept.join()).toContain(
        data === "" || data.includes("[null]") ? "" : data.slice(1, 20),
      );
      expect(JSON.stringify(session.errors)).toContain(`${keys.queue("mail")}${spoilt}`);
      expect(JSON.stringify(session.errors)).not.toContain(SECRET);

      // It can be mended by hand, and replayed.
      const mended = JSON.stringify({ subscription: "mail", events: [envelope("mended")] });
      await redis.hset(`${keys.own}dead-data:mail`, items[0]!.id, mended);
      expect(await admin.replayDead("mail", [items[0]!.id])).toBe(1);
      await eventually(() => expect(consumer.ids.at(-1)).toBe("mended"));
    },
  );

  test("a job that is gone, or is no hash any more, holds up no others, and is seen", async () => {
    const session = await open({
      options: { batch: ALONE, lockDurationMs: 300, stalledCheckMs: 100 },
    });
    const { redis, keys } = session;
    await session.registry.declare([subscription("mail")]);
    await session.publish(...["a", "b", "c", "d"].map((id) => envelope(id)));
    await session.publish(envelope("e", { delayMs: 1 }), envelope("f", { delayMs: 1 }));
    const [gone = "", other = ""] = await idsOfJobs(session);
    const [delayed = ""] = await redis.zrange(`${keys.queue("mail")}delayed`, "0", "-1");
    await redis.del(`${keys.queue("mail")}${gone}`);
    await redis.set(`${keys.queue("mail")}${other}`, "no hash");
    await redis.set(`${keys.queue("mail")}${delayed}`, "no hash");
    const consumer = await consume(session, {});
    await consumer.has(3);
    await eventually(async () =>
      expect(await numbersOf(session)).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 3 }),
    );
    expect(consumer.ids.toSorted()).toEqual(["c", "d", "f"]);
    expect(await redis.get(`${keys.queue("mail")}corrupt:${other}`)).toBe("no hash");
  });

  test("one event of a pack is a dead letter, and the rest of the pack goes on", async () => {
    const session = await open();
    const { redis, keys, admin } = session;
    await session.registry.declare([subscription("mail")]);
    await session.publish(...["a", "b", "c"].map((id) => envelope(id)));
    const [id = ""] = await idsOfJobs(session);
    const job = `${keys.queue("mail")}${id}`;
    const data = JSON.parse((await redis.hget(job, "data"))!);
    await redis.hset(job, "data", JSON.stringify({ ...data, events: data.events.with(1, "b?") }));
    const consumer = await consume(session, {});
    await consumer.has(2);
    expect(consumer.ids.toSorted()).toEqual(["a", "c"]);
    const { items } = await eventually(async () => {
      const page = await admin.listDead("mail", { limit: 10 });
      expect(page.items).toHaveLength(1);
      return page;
    });
    expect(items[0]?.envelope.data).toBe('{"subscription":"mail","events":["b?"]}');
  });

  test("the progress of a job costs nothing but a repetition", async () => {
    const session = await open();
    const { redis, keys } = session;
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("a"), envelope("b"));
    const [id = ""] = await idsOfJobs(session);
    for (const progress of ["{not json", '{"settled":[[0,1e15]]}', '{"settled":"?"}']) {
      await redis.hset(`${keys.queue("mail")}${id}`, "progress", progress);
      expect(await numbersOf(session)).toMatchObject({ ready: 2 });
    }
    const consumer = await consume(session, {});
    await consumer.has(2);
    expect(JSON.stringify(session.errors)).toContain(id);
  });

  test("the turn of a key is written anew, and its order stays", async () => {
    const session = await open();
    const { redis, keys } = session;
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const ids = ["1", "2", "3"];
    await session.publish(...ids.map((id) => envelope(id, { orderingKey: "k" })));
    const [turn = ""] = await idsOfJobs(session);
    await redis.hset(`${keys.queue("mail")}${turn}`, "data", "{");
    const consumer = await consume(session, { ordering: "key" });
    await consumer.has(3);
    expect(consumer.ids).toEqual(ids);
    await eventually(async () =>
      expect(await numbersOf(session)).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 0 }),
    );
  });

  test.each([
    ["park", ["1", "3"]],
    ["block", ["1"]],
  ] as const)(
    "a delivery of a key is dead, and the key does as it does then: %s",
    async (policy, left) => {
      const session = await open();
      const { redis, keys, admin } = session;
      const ordered = { ordering: "key", onOrderedFailure: policy } as const;
      await session.registry.declare([subscription("mail", ordered)]);
      await session.publish(...["1", "2", "3"].map((id) => envelope(id, { orderingKey: "k" })));
      await redis.lset(`${keys.own}lane:${keys.queue("mail")}mail:k`, 1, "{?");
      const consumer = await consume(session, ordered);
      await eventually(async () => {
        const { items } = await admin.listDead("mail", { limit: 10 });
        expect(items[0]).toMatchObject({ reason: "corrupt", envelope: { data: "{?" } });
      });
      await consumer.has(left.length);
      expect(consumer.ids).toEqual(left);
      const [dead] = (await admin.listDead("mail", { limit: 1 })).items;
      expect(await admin.discardDead("mail", [dead!.id])).toBe(1);
      await consumer.has(2);
      expect(consumer.ids).toEqual(["1", "3"]);
    },
  );

  test("the record of a subscription takes no other with it, and is written anew by whoever has code for it", async () => {
    const session = await open();
    const { redis, keys, registry } = session;
    await registry.declare([subscription("mail"), subscription("other")]);
    await session.publish(envelope("before"));
    for (const record of [
      "{",
      "null",
      '{"subscriptionId":"mail"}',
      '{"subscriptionId":"mail","events":[1]}',
    ]) {
      await redis.hset(keys.subscriptions, "mail", record);
      const emitter = await open({ prefix: keys.prefix });
      const [sent] = await emitter.publish(envelope("1"));
      expect(sent).toEqual({ status: "accepted", subscriptions: 1 });
      expect(JSON.stringify(emitter.errors)).toContain('"field":"mail"');
      const worker = await open({ prefix: keys.prefix });
      await worker.registry.declare([subscription("mail")]);
      expect((await emitter.publish(envelope("2")))[0]).toMatchObject({ subscriptions: 2 });
      expect(JSON.parse((await redis.hget(keys.subscriptions, "mail"))!)).toMatchObject({
        events: ["*"],
      });
    }
  });

  test("a staged event is set aside, and the others of its group are released", async () => {
    const session = await open();
    const { redis, keys, groups } = session;
    await session.registry.declare([subscription("mail")]);
    const staged = ["1", "2", "3"].map((id) => ({ envelope: envelope(id) }));
    await groups.stage("g", staged, {});
    await redis.lset(`${keys.own}group:g`, 1, SECRET);
    await groups.mark("g");
    const claim = await groups.claim({ leaseMs: 60_000 });
    const envelopes = claim!.events.map((it) => it.envelope);
    expect(envelopes.map(({ id }) => id)).toEqual(["1", "3"]);
    await groups.complete(claim!, envelopes, inTime());
    expect(await groups.list()).toEqual([]);
    expect(Object.values(await redis.hgetall(`${keys.own}corrupt`))).toEqual([SECRET]);
    expect(session.errors).toHaveLength(1);
    expect(JSON.stringify(session.errors)).not.toContain(SECRET);
  });

  test("what waits of a retired subscription becomes dead letters too", async () => {
    const session = await open({ options: { batch: ALONE } });
    const { redis, keys, registry, admin } = session;
    await registry.declare([subscription("mail")]);
    await session.publish(envelope("a"), envelope("b"));
    const [id = ""] = await idsOfJobs(session);
    await redis.hset(`${keys.queue("mail")}${id}`, "data", "{?");
    expect(await registry.retire("mail", { backlog: "dead-letter" })).toBe(2);
    const { items } = await admin.listDead("mail", { limit: 10 });
    const reasons = items.map(({ reason, envelope: { data } }) => [reason, data]);
    expect(reasons).toEqual([
      ["corrupt", "{?"],
      ["retired", { id: "b" }],
    ]);
  });
});
