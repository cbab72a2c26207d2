import type { Envelope, Settlement } from "@busbar/core/provider";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

function envelopes(count: number, from = 0): readonly Envelope[] {
  return Array.from({ length: count }, (_, index) => envelope(`e${from + index}`));
}

async function declared(): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail")]);
  return session;
}

async function stats(session: TestSession, subscriptionId = "mail"): Promise<object> {
  const all = await session.admin.stats();
  const { ready, delayed, inFlight, dead } = all.find(
    (it) => it.subscriptionId === subscriptionId,
  )!;
  return { ready, delayed, inFlight, dead };
}

const NOTHING = { ready: 0, delayed: 0, inFlight: 0, dead: 0 };

describe("a pack", () => {
  test("starts its events about in order, as many at a time as the concurrency says", async () => {
    const session = await declared();
    await session.publish(...envelopes(120));
    const mail = await consume(session, { concurrency: 7 }, async () => {
      await sleep(1);
      return ACK;
    });
    await mail.has(120);
    expect(mail.ids).toHaveLength(120);
    // On a busy machine a slow run is split, and what it gives back may be overtaken by those that ran beside it.
    const places = envelopes(120).map(({ id }, place) => Math.abs(mail.ids.indexOf(id) - place));
    expect(Math.max(...places)).toBeLessThan(3 * 7);
    expect(mail.mostInHand).toBe(7);
    await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
  });

  test("leaves nothing behind in Redis but the queue's own bookkeeping", async () => {
    const session = await declared();
    await session.publish(...envelopes(500));
    const mail = await consume(session, {});
    await mail.has(500);
    await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
    const keys = await session.redis.keys(`${session.keys.queue("mail")}*`);
    const kinds = keys.map((key) => key.slice(session.keys.queue("mail").length));
    expect(kinds.filter((kind) => /^[kf]/.test(kind))).toEqual([]);
  });

  test("settles each event on its own", async () => {
    const session = await declared();
    const seen = (id: string) => mail.deliveries.filter((it) => it.envelope.id === id);
    await session.publish(...envelopes(6));
    const mail = await consume(session, {}, ({ envelope: { id } }, nth): Settlement => {
      if (id === "e1" && nth < 3) return { type: "retry", delayMs: 0, state: { nth } };
      if (id === "e2") return { type: "dead", reason: "no", state: { errors: [1] } };
      if (id === "e3" && nth === 1) return { type: "release" };
      if (id === "e4" && nth === 1) throw new Error("It ends unsettled");
      if (id === "e5" && nth === 1) return { type: "release", delayMs: 50 };
      return ACK;
    });
    await mail.has(11);
    await eventually(async () => expect(await stats(session)).toEqual({ ...NOTHING, dead: 1 }));
    expect(seen("e0")).toHaveLength(1);
    expect(seen("e1").map(({ state, crashes }) => [state, crashes])).toEqual([
      [undefined, 0],
      [{ nth: 1 }, 0],
      [{ nth: 2 }, 0],
    ]);
    expect(seen("e3").map(({ crashes }) => crashes)).toEqual([0, 0]);
    expect(seen("e4").map(({ crashes }) => crashes)).toEqual([0, 1]);
    expect(seen("e5").map(({ crashes }) => crashes)).toEqual([0, 0]);
    const { items } = await session.admin.listDead("mail", { limit: 10 });
    expect(items).toMatchObject([
      { reason: "no", state: { errors: [1] }, envelope: envelope("e2") },
    ]);
  });

  test("is retried and dead as it was published, whatever a handler did to it", async () => {
    const session = await declared();
    await session.publish(envelope("1", { data: { list: [1] } }), envelope("2"));
    const mail = await consume(session, {}, (delivery, nth): Settlement => {
      const copy = structuredClone(delivery);
      (delivery.envelope as { data: unknown }).data = "changed";
      if (copy.envelope.id !== "1") return ACK;
      expect(copy.envelope.data).toEqual({ list: [1] });
      return nth < 2
        ? { type: "retry", delayMs: 0, state: null }
        : { type: "dead", reason: "no", state: null };
    });
    await mail.has(3);
    await eventually(async () => expect(await stats(session)).toMatchObject({ dead: 1 }));
    const { items } = await session.admin.listDead("mail", { limit: 10 });
    expect(items[0]?.envelope.data).toEqual({ list: [1] });
    expect(items[0]?.reason).toBe("no");
  });

  test("that is slow is shared among consumers, and none of it is counted", async () => {
    const session = await declared();
    const peer = await open({ prefix: session.keys.prefix });
    const slow = async (): Promise<Settlement> => {
      await sleep(100);
      return ACK;
    };
    const both = [await consume(session, {}, slow), await consume(peer, {}, slow)];
    await session.publish(...envelopes(50));
    await eventually(() => expect(both.flatMap(({ ids }) => ids)).toHaveLength(50));
    for (const { ids } of both) expect(ids.length).toBeGreaterThanOrEqual(15);
    const deliveries = both.flatMap((it) => it.deliveries);
    expect(deliveries.every(({ crashes }) => crashes === 0)).toBe(true);
    await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
  });

  test("keeps its order however often it is split", async () => {
    const session = await declared();
    await session.publish(...envelopes(50));
    const mail = await consume(session, { concurrency: 1 }, async ({ envelope: { id } }) => {
      await sleep(id === "e10" ? 60 : 4);
      return ACK;
    });
    await mail.has(50);
    expect(mail.ids).toEqual(envelopes(50).map(({ id }) => id));
  });

  test("that hangs keeps no other from its turn", async () => {
    const session = await declared();
    const mail = await consume(session, { concurrency: 2 }, ({ envelope: { id } }) =>
      id === "e0" ? new Promise<never>(() => {}) : ACK,
    );
    await session.publish(...envelopes(50));
    await mail.has(50);
    await eventually(async () => expect(await stats(session)).toEqual({ ...NOTHING, inFlight: 1 }));
  });
});

describe("progress", () => {
  test("is written down while an event of the pack still runs", async () => {
    const session = await declared();
    const mail = await consume(session, { concurrency: 50 }, ({ envelope: { id } }) =>
      id === "e7" ? new Promise<never>(() => {}) : ACK,
    );
    await session.publish(...envelopes(20));
    await mail.has(20);
    await eventually(async () => expect(await stats(session)).toEqual({ ...NOTHING, inFlight: 1 }));
  });
});

describe("the process-wide limit", () => {
  test("bounds all subscriptions together, and starves none", async () => {
    const options = { concurrency: 3 };
    const session = await open({ options });
    await session.registry.declare([subscription("mail"), subscription("stock")]);
    let [running, most] = [0, 0];
    const handle = async (): Promise<Settlement> => {
      running += 1;
      most = Math.max(most, running);
      await sleep(2);
      running -= 1;
      return ACK;
    };
    const both = [
      await consume(session, { subscriptionId: "mail" }, handle),
      await consume(session, { subscriptionId: "stock" }, handle),
    ];
    await session.publish(...envelopes(60));
    for (const consumer of both) await consumer.has(60);
    expect(most).toBe(3);
  });
});

describe("a queue that subscriptions share", () => {
  test("leaves deliveries to whoever has the subscription", async () => {
    const options = { sharedQueues: { small: ["a", "b", "c"] } };
    const [session, peer] = [await open({ options }), await open({ options })];
    expect(session.keys.prefix).not.toBe(peer.keys.prefix);
    const other = await open({ options, prefix: session.keys.prefix });
    await session.registry.declare(["a", "b", "c"].map((id) => subscription(id)));
    const a = await consume(session, { subscriptionId: "a" });
    const b = await consume(session, { subscriptionId: "b" });
    await session.publish(...envelopes(10));
    await a.has(10);
    await b.has(10);
    await sleep(300);
    const c = await consume(other, { subscriptionId: "c" });
    await c.has(10);
    expect(c.deliveries.every(({ crashes }) => crashes === 0)).toBe(true);
    await eventually(async () => expect(await stats(session, "c")).toEqual(NOTHING));
    expect([a.ids.length, b.ids.length]).toEqual([10, 10]);
    const workers = (await session.redis.client("LIST")) as string;
    expect(workers).toContain(Buffer.from("~lane-small").toString("base64"));
  });

  test("flows while one of its subscriptions hangs", async () => {
    const options = { sharedQueues: { small: ["a", "b"] } };
    const session = await open({ options });
    await session.registry.declare(["a", "b"].map((id) => subscription(id)));
    const hang = () => new Promise<never>(() => {});
    const a = await consume(session, { subscriptionId: "a", concurrency: 1 }, hang);
    const b = await consume(session, { subscriptionId: "b", concurrency: 1 });
    for (const it of envelopes(30)) await session.publish(it);
    await b.has(30);
    expect(a.ids).toHaveLength(1);
  });
});

describe("an alias", () => {
  test("brings what waits under the earlier id, also to a consumer that runs already", async () => {
    const session = await open();
    await session.registry.declare([subscription("old"), subscription("new")]);
    await session.publish(envelope("1"));
    const mail = await consume(session, { subscriptionId: "new" });
    await mail.has(1);
    expect(mail.ids).toEqual(["1"]);
    await session.registry.declare([subscription("new", { aliases: ["old"] })]);
    await mail.has(2);
    expect(mail.ids).toEqual(["1", "1"]);
  });
});
