import type { Envelope, Settlement } from "@busbar/core/provider";
import { Queue } from "bullmq";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();
const KEYS = Array.from({ length: 16 }, (_, index) => `k${index}`);

function keyed(count: number): readonly Envelope[] {
  return Array.from({ length: count }, (_, index) =>
    envelope(`e${index}`, { orderingKey: KEYS[index % KEYS.length] }),
  );
}

async function declared(changes: object): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail", { ordering: "key", ...changes })]);
  return session;
}

async function stats(session: TestSession): Promise<object> {
  const [mail] = await session.admin.stats();
  const { ready, delayed, inFlight, dead } = mail!;
  return { ready, delayed, inFlight, dead };
}

describe("ordered deliveries", () => {
  test("of 16 keys among 4 consumers keep their order across retries, releases, crashes and deaths", async () => {
    const session = await declared({});
    const peer = await open({ prefix: session.keys.prefix });
    const order = new Map<string, string[]>(KEYS.map((key) => [key, []]));
    const running = new Set<string>();
    const times = new Map<string, number>();
    const handle = async ({ envelope: { id, orderingKey = "" } }: { envelope: Envelope }) => {
      expect(running.has(orderingKey)).toBe(false);
      running.add(orderingKey);
      const nth = (times.get(id) ?? 0) + 1;
      times.set(id, nth);
      const ids = order.get(orderingKey) ?? [];
      if (ids.at(-1) !== id) ids.push(id);
      await sleep(Math.random() * 2);
      running.delete(orderingKey);
      return decide(Number(id.slice(1)), nth);
    };
    const decide = (number: number, nth: number): Settlement => {
      if (number % 50 === 7 && nth < 3) return { type: "retry", delayMs: 15, state: nth };
      if (number % 50 === 17 && nth < 3) return { type: "release" };
      if (number % 50 === 27 && nth < 3) throw new Error("It ends unsettled");
      if (number % 50 === 37) return { type: "dead", reason: "no", state: null };
      return ACK;
    };
    for (const it of [session, session, peer, peer]) {
      await consume(it, { ordering: "key", concurrency: 5 }, handle);
    }
    const sent = keyed(1_000);
    for (let from = 0; from < sent.length; from += 100) {
      await session.publish(...sent.slice(from, from + 100));
    }
    await eventually(async () =>
      expect(await stats(session)).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 20 }),
    );
    for (const key of KEYS) {
      const ids = sent.filter((it) => it.orderingKey === key).map(({ id }) => id);
      expect(order.get(key)).toEqual(ids);
    }
    expect(times.get("e7")).toBe(3);
    expect(await session.redis.keys(`${session.keys.own}lane*`)).toEqual([]);
  });

  test("behind a dead one of its key wait for it with block, and go on without it with park", async () => {
    for (const [onOrderedFailure, rest] of [
      ["block", []],
      ["park", ["2", "3"]],
    ] as const) {
      const session = await declared({ onOrderedFailure });
      const ids = ["1", "2", "3"];
      await session.publish(...ids.map((id) => envelope(id, { orderingKey: "k" })));
      const mail = await consume(
        session,
        { ordering: "key", onOrderedFailure },
        ({ envelope: { id } }, nth): Settlement =>
          id === "1" && nth === 1 ? { type: "dead", reason: "no", state: { a: 1 } } : ACK,
      );
      await mail.has(1 + rest.length);
      const waiting = 2 - rest.length;
      await eventually(async () =>
        expect(await stats(session)).toEqual({ ready: 0, delayed: waiting, inFlight: 0, dead: 1 }),
      );
      expect(mail.ids).toEqual(["1", ...rest]);
      const { items } = await session.admin.listDead("mail", { limit: 10 });
      expect(items).toMatchObject([{ reason: "no", state: { a: 1 } }]);
      await session.admin.replayDead("mail", [items[0]!.id]);
      await mail.has(4);
      expect(mail.ids).toEqual(rest.length ? ["1", "2", "3", "1"] : ["1", "1", "2", "3"]);
    }
  });

  test("that are delayed enter their lane when they are due, and keep its order then", async () => {
    const session = await declared({});
    const mail = await consume(session, { ordering: "key" }, async () => {
      await sleep(2);
      return ACK;
    });
    const due = performance.now() + 150;
    await session.publish(
      envelope("later", { orderingKey: "k", delayMs: 150 }),
      envelope("1", { orderingKey: "k" }),
      envelope("2", { orderingKey: "k" }),
    );
    await mail.has(3);
    expect(performance.now()).toBeGreaterThanOrEqual(due);
    expect(mail.ids).toEqual(["1", "2", "later"]);
    expect(mail.mostInHand).toBe(1);
  });

  test("make room for other keys after a pack's worth of events", async () => {
    const session = await open();
    const options = { ...session.options, batch: { ...session.options.batch, maxEvents: 5 } };
    const small = await open({ options });
    await small.registry.declare([subscription("mail", { ordering: "key" })]);
    const of = (key: string) =>
      Array.from({ length: 20 }, (_, index) => envelope(`${key}${index}`, { orderingKey: key }));
    await small.publish(...of("a"), ...of("b"));
    const mail = await consume(small, { ordering: "key", concurrency: 1 });
    await mail.has(40);
    const firstB = mail.ids.indexOf("b0");
    expect(firstB).toBe(5);
    expect(mail.ids.filter((id) => id.startsWith("a"))).toEqual(of("a").map(({ id }) => id));
  });

  test("of which one hangs hold up its key alone, and go to others on close, in order", async () => {
    const session = await declared({});
    const hanging = await consume(session, { ordering: "key" }, ({ envelope: { id } }) =>
      id === "a1" ? new Promise<never>(() => {}) : ACK,
    );
    const ids = ["a1", "a2", "b1", "b2"];
    await session.publish(...ids.map((id) => envelope(id, { orderingKey: id.charAt(0) })));
    await hanging.has(3);
    expect(hanging.ids.toSorted()).toEqual(["a1", "b1", "b2"]);
    await hanging.close(50);
    const next = await consume(session, { ordering: "key" });
    await next.has(2);
    expect(next.ids).toEqual(["a1", "a2"]);
    expect(next.deliveries.map(({ crashes }) => crashes)).toEqual([0, 0]);
  });
});

describe("a key whose turn was removed by hand", () => {
  const SOON = { options: { lockDurationMs: 300, stalledCheckMs: 100 } };

  async function withTurns(...ids: readonly string[]): Promise<[TestSession, Queue]> {
    const session = await open(SOON);
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    await session.publish(...ids.map((id) => envelope(id, { orderingKey: id.charAt(0) })));
    const { port } = session.redis.options;
    const connection = { port: Number(port) };
    return [session, new Queue("mail", { prefix: session.keys.prefix, connection })];
  }

  async function forgetLook({ redis, keys }: TestSession): Promise<void> {
    await redis.del(`${keys.own}revived:${keys.queue("mail")}`);
  }

  test.each([
    ["removed", async (queue: Queue) => (await queue.getPrioritized())[0]?.remove()],
    ["cleaned", async (queue: Queue) => queue.clean(0, 100, "prioritized")],
    ["drained", async (queue: Queue) => queue.drain()],
    ["obliterated", async (queue: Queue) => queue.obliterate({ force: true })],
  ])("and %s goes on with its next event", async (_, remove) => {
    const [session, queue] = await withTurns("a1", "a2");
    await remove(queue);
    await queue.close();
    const mail = await consume(session, { ordering: "key" });
    await session.publish(envelope("b1", { orderingKey: "b" }));
    await mail.has(1);
    expect(mail.ids).toEqual(["b1"]);
    await session.publish(envelope("a3", { orderingKey: "a" }));
    await mail.has(4);
    expect(mail.ids).toEqual(["b1", "a1", "a2", "a3"]);
  });

  test("goes on with a declaration, and the others are left alone", async () => {
    const [session, queue] = await withTurns("a1", "a2", "b1", "c1");
    const [first, second] = await queue.getPrioritized();
    await Promise.all([first?.remove(), second?.remove()]);
    await queue.close();
    await forgetLook(session);
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    await forgetLook(session);
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    expect(session.warnings).toEqual([expect.stringContaining("2 keys stood still")]);
    const mail = await consume(session, { ordering: "key" });
    await mail.has(4);
    expect(mail.ids.filter((id) => id.startsWith("a"))).toEqual(["a1", "a2"]);
    expect(mail.ids.toSorted()).toEqual(["a1", "a2", "b1", "c1"]);
    await eventually(async () =>
      expect(await stats(session)).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 0 }),
    );
    expect(await session.redis.keys(`${session.keys.own}lane*`)).toEqual([]);
  });

  test("while it is in hand is nobody else's before its holder knows that", async () => {
    const [session, queue] = await withTurns("a1", "a2");
    let settle: (settlement: Settlement) => void = () => {};
    const mail = await consume(session, { ordering: "key" }, () =>
      mail.ids.length === 1 ? new Promise<Settlement>((resolve) => (settle = resolve)) : ACK,
    );
    await mail.has(1);
    await queue.obliterate({ force: true });
    await queue.close();
    const removedAt = Date.now();
    await session.publish(envelope("a3", { orderingKey: "a" }));
    settle(ACK);
    await eventually(() => expect(mail.ids).toContain("a3"));
    expect(Date.now() - removedAt).toBeGreaterThanOrEqual(SOON.options.lockDurationMs);
    // What the holder had read already it may hand over, and it comes again.
    expect(mail.ids.slice(-3)).toEqual(["a1", "a2", "a3"]);
    expect(mail.mostInHand).toBe(1);
  });
});
