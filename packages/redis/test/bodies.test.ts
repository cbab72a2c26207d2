// Packs that are stored once for all jobs that refer to them: published, taken, ended in every way.
import type { Envelope, Settlement } from "@busbar/core/provider";
import { Queue } from "bullmq";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ResolvedOptions } from "../src/options.ts";
import { createPublisher } from "../src/publish/publisher.ts";
import { ACK } from "./support/consumer.ts";
import { createCuttingProxy } from "./support/cutting-proxy.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess } from "./support/process.ts";
import { startRedisServer } from "./support/redis-server.ts";
import { bodiesOf, expectWholeBodies, keysLeft } from "./support/stored-bodies.ts";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

const SOON = { lockDurationMs: 1_000, stalledCheckMs: 300 };
const DEAD: Settlement = { type: "dead", reason: "failed", state: null };

/** Events whose packs are long enough to be stored apart from their jobs. */
function long(count: number, changes: Partial<Envelope> = {}): Envelope[] {
  const data = { text: "x".repeat(200) };
  return Array.from({ length: count }, (_, index) => envelope(`${index}`, { data, ...changes }));
}

function idsOf(events: readonly Pick<Envelope, "id">[]): readonly string[] {
  return events.map(({ id }) => id);
}

/** What was handed over, cut where a pack of fifty begins, in the order of the packs. */
function packsIn(ids: readonly string[]): readonly (readonly string[])[] {
  const starts = ids.flatMap((id, index) => (Number(id) % 50 === 0 ? [index] : []));
  const packs = starts.map((start, nth) => ids.slice(start, starts[nth + 1]));
  return packs.toSorted(([a], [b]) => Number(a) - Number(b));
}

async function drafts({ redis, keys }: TestSession): Promise<readonly string[]> {
  return redis.keys(`${keys.own}draft:*`);
}

/** A bus with subscriptions `a` and `b`, which both want every event. */
async function openForTwo(options: Partial<ResolvedOptions> = {}): Promise<TestSession> {
  const session = await open({ options });
  await session.registry.declare([subscription("a"), subscription("b")]);
  return session;
}

/** Removes what nobody has settled, as a process does once a minute. */
async function sweep({ redis, keys, registry }: TestSession): Promise<void> {
  await redis.del(`${keys.own}swept`);
  for (const id of await redis.zrange(`${keys.own}bodies`, "0", "-1")) {
    await redis.zadd(`${keys.own}bodies`, 0, id);
  }
  await registry.declare([subscription("a")]);
}

function queueOf({ redis, keys }: TestSession, name: string): Queue {
  const url = `redis://127.0.0.1:${redis.options.port}`;
  const queue = new Queue(name, { prefix: keys.prefix, connection: { url } });
  onTestFinished(() => queue.close());
  return queue;
}

async function isEmpty(session: TestSession): Promise<void> {
  await eventually(async () => expect(await keysLeft(session)).toEqual([]));
}

describe("what several subscriptions want", () => {
  test("is stored once, as one job for each of them", async () => {
    const session = await open();
    const ids = ["a", "b", "c"];
    await session.registry.declare(ids.map((id) => subscription(id)));
    const results = await session.publish(...long(120));
    expect(new Set(results)).toEqual(new Set([{ status: "accepted", subscriptions: 3 }]));
    const bodies = await bodiesOf(session);
    expect(bodies.size).toBe(1);
    const [[body, jobs] = ["", []]] = bodies;
    expect(await session.redis.hlen(`${session.keys.own}body:${body}`)).toBe(3);
    expect(jobs).toHaveLength(3);
    for (const id of ids) {
      const [job, ...others] = await session.waiting(id);
      expect(others).toEqual([]);
      expect(jobs).toContain(`${session.keys.queue(id)}${job?.id}`);
      expect(job?.data).toMatchObject({ subscription: id, body });
      expect(await session.eventsOf(job?.data)).toEqual(long(120));
    }
    expect(await drafts(session)).toEqual([]);
    await expectWholeBodies(session);
  });

  test("is stored with each of them as long as it is short", async () => {
    const session = await openForTwo();
    await session.publish(envelope("1"), envelope("2"));
    expect(await bodiesOf(session)).toEqual(new Map());
    const [job] = await session.waiting("b");
    expect(idsOf(job?.data.events)).toEqual(["1", "2"]);
  });

  test("is delayed, and as urgent as any other", async () => {
    const session = await openForTwo();
    await session.publish(...long(60, { delayMs: 60_000 }), ...long(60, { priority: 7 }));
    for (const queue of ["a", "b"]) {
      const [late] = await session.delayed(queue);
      expect(late?.delay).toBe(60_000);
      expect(await session.eventsOf(late?.data)).toHaveLength(60);
      const [urgent] = await session.waiting(queue);
      expect(urgent?.opts.priority).toBe(7);
      expect(await session.eventsOf(urgent?.data)).toHaveLength(60);
    }
    await expectWholeBodies(session);
  });

  test("keeps its place among what only some of them want", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("a"),
      subscription("b", { events: ["order.placed"] }),
    ]);
    const [some, more] = [long(70), long(70)];
    const paid = long(3, { name: "order.paid" }).map((it) => ({ ...it, id: `paid ${it.id}` }));
    await session.publish(...some, ...paid, ...more);
    const expected = [...some, ...paid, ...more];
    expect(await session.eventIds("a")).toEqual(idsOf(expected));
    expect(await session.eventIds("b")).toEqual(idsOf([...some, ...more]));
    await expectWholeBodies(session);
  });

  test("refers to twenty packs at most", async () => {
    const session = await openForTwo({
      batch: { ...(await open()).options.batch, maxEvents: 10 },
    });
    await session.publish(...long(250));
    const jobs = await session.waiting("a");
    expect(jobs.map(({ data }) => data.packs.length)).toEqual([20, 5]);
    expect((await bodiesOf(session)).size).toBe(2);
    await expectWholeBodies(session);
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
    await expectWholeBodies(session);
    await session.redis.zadd(session.keys.seen, Date.now() - 60, "here");
    await session.publish(...long(50));
    expect((await bodiesOf(session)).size).toBe(1);
    expect(await drafts(session)).toEqual([]);
  });

  test("says whose it is, also where subscriptions share a queue", async () => {
    const sharedQueues = { shared: ["a", "b"] } satisfies ResolvedOptions["sharedQueues"];
    const session = await open({ options: { sharedQueues } });
    await session.registry.declare([subscription("a"), subscription("b"), subscription("c")]);
    await session.publish(...long(120));
    expect((await bodiesOf(session)).size).toBe(1);
    const jobs = [...(await session.waiting("~lane-shared")), ...(await session.waiting("c"))];
    expect(jobs.map(({ data }) => data.subscription)).toEqual(["a", "b", "c"]);
    const consumers = await Promise.all(
      ["a", "b", "c"].map((subscriptionId) => consume(session, { subscriptionId })),
    );
    for (const consumer of consumers) await consumer.has(120);
    await isEmpty(session);
  });
});

describe("a publish with packs that are stored apart", () => {
  test("is sent again when its draft has gone before it came", async () => {
    const session = await openForTwo();
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
    await expectWholeBodies(session);
  });

  test("stores them once when its answer was lost, also if they have been handled meanwhile", async () => {
    const session = await openForTwo();
    let losing = 2;
    const publisher = createPublisher({
      ...session,
      scripts: {
        ...session.scripts,
        async publish(...args) {
          const answer = await session.scripts.publish(...args);
          if ((losing -= 1) < 0) return answer;
          for (const subscriptionId of ["a", "b"]) {
            const consumer = await consume(session, { subscriptionId });
            if (losing === 1) await consumer.has(50);
            await consumer.close();
          }
          throw new Error("Connection is closed.");
        },
      },
    });
    await publisher.publish(long(50), inTime());
    const left = await keysLeft(session);
    expect(left.filter((key) => !key.includes(":draft:"))).toEqual([]);
    for (const draft of left) expect(await session.redis.pttl(draft)).toBeGreaterThan(0);
  });

  test("leaves what expires if it does not come", async () => {
    const session = await openForTwo();
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
    const direct = await openForTwo();
    const proxy = await createCuttingProxy(direct.redis.options.port as number);
    onTestFinished(() => proxy.close());
    const session = await open({ url: proxy.url, prefix: direct.keys.prefix });
    // The draft, its packs and the publish, of as many commands as they may be.
    for (const commands of [1, 2, 3, 4, 5]) {
      await session.link.whenReady();
      await session.publish(envelope("0"));
      proxy.cutAfter(commands);
      await session.publisher.publish(long(100), inTime(-1)).catch(() => {});
      const ends = (await drafts(direct)).map((key) => direct.redis.pttl(key));
      for (const leftMs of await Promise.all(ends)) expect(leftMs).toBeGreaterThan(0);
      await expectWholeBodies(direct);
    }
  });

  test("is refused as a whole by a Redis that is full, and may be asked again", async () => {
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
    await isEmpty(session);
    await session.publish(...long(50));
    expect(await session.eventIds("a")).toHaveLength(50);
    expect(await drafts(session)).toEqual([]);
  });

  test("is none for a release while Redis is full: what it adds was staged", async () => {
    const full = await startRedisServer();
    onTestFinished(() => full.stop());
    const session = await open({ url: full.url });
    await session.registry.declare([subscription("a"), subscription("b")]);
    const staged = long(120).map((it) => ({ envelope: it }));
    await session.groups.stage("g", staged, { ttlMs: undefined });
    await session.groups.mark("g");
    const claim = await session.groups.claim({ eventGroupId: "g", leaseMs: 60_000 });
    if (!claim) throw new Error("There is no claim");
    await session.redis.config("SET", "maxmemory", "1");
    const results = await session.groups.complete(claim, long(120), inTime());
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["accepted"]));
    for (const queue of ["a", "b"]) {
      expect(await session.eventIds(queue)).toEqual(idsOf(long(120)));
    }
    expect(await bodiesOf(session)).toEqual(new Map());
  });
});

describe("jobs that refer to packs", () => {
  test("are handed over pack by pack in their order, to each with data of its own", async () => {
    const session = await openForTwo();
    await session.publish(...long(470));
    const spoil = ({ envelope: it }: { readonly envelope: Envelope }): Settlement => {
      const data = it.data as { text: string };
      expect(data.text).toBe("x".repeat(200));
      data.text = "spoiled";
      return ACK;
    };
    const [a, b] = await Promise.all(
      ["a", "b"].map((subscriptionId) =>
        consume(session, { subscriptionId, concurrency: 1 }, spoil),
      ),
    );
    await a?.has(470);
    await b?.has(470);
    // What lasts on a busy machine goes back for other processes, from the start of a pack.
    for (const consumer of [a, b]) {
      expect(packsIn(consumer?.ids ?? [])).toEqual(packsIn(idsOf(long(470))));
    }
    await isEmpty(session);
  });

  test("come again as they were published, whatever handlers did to them", async () => {
    const session = await open();
    await session.registry.declare([subscription("a")]);
    await session.publish(...long(120));
    const consumer = await consume(session, { subscriptionId: "a" }, ({ envelope: it }, nth) => {
      const data = it.data as { text: string };
      expect(data.text).toBe("x".repeat(200));
      data.text = "spoiled";
      if (nth > 1) return ACK;
      return it.id.endsWith("7") ? { type: "retry", delayMs: 0, state: null } : ACK;
    });
    await consumer.has(132);
    await isEmpty(session);
  });

  test("take up slots as any others, and what is slow is shared between processes", async () => {
    const session = await openForTwo();
    const others = await open({ prefix: session.keys.prefix });
    await session.publish(...long(300));
    const wait = (): Promise<Settlement> =>
      new Promise((resolve) => setTimeout(() => resolve(ACK), 15));
    const mine = await consume(session, { subscriptionId: "a", concurrency: 5 }, wait);
    const theirs = await consume(others, { subscriptionId: "a", concurrency: 5 }, wait);
    await eventually(() => expect(mine.ids.length + theirs.ids.length).toBe(300), 20_000);
    expect(mine.mostInHand).toBe(5);
    expect(new Set([...mine.ids, ...theirs.ids]).size).toBe(300);
    expect(Math.min(mine.ids.length, theirs.ids.length)).toBeGreaterThan(75);
    await eventually(() => expectWholeBodies(session));
    await session.registry.retire("b", { backlog: "discard" });
    await isEmpty(session);
  });

  test("are counted, and tell when the oldest was published", async () => {
    const session = await openForTwo();
    const metadata = { created_at: 1, published_at: 1_234, correlationId: "c" };
    await session.publish(...long(120, { metadata }));
    expect(await session.admin.stats()).toMatchObject([
      { subscriptionId: "a", ready: 120, oldestAt: 1_234 },
      { subscriptionId: "b", ready: 120, oldestAt: 1_234 },
    ]);
    let settle: (settlement: Settlement) => void = () => {};
    const consumer = await consume(session, { subscriptionId: "a" }, ({ envelope: { id } }) =>
      id === "80" ? new Promise<Settlement>((resolve) => (settle = resolve)) : ACK,
    );
    await consumer.has(120);
    await eventually(async () => {
      const [a] = await session.admin.stats();
      expect(a).toMatchObject({ ready: 0, inFlight: 1 });
    });
    settle(ACK);
    await eventually(async () => {
      const [a] = await session.admin.stats();
      expect(a).toMatchObject({ ready: 0, inFlight: 0 });
    });
    await eventually(() => expectWholeBodies(session));
  });

  test("stay a subscription's when that gets another id", async () => {
    const session = await openForTwo();
    await session.publish(...long(120));
    const consumer = await consume(session, { subscriptionId: "new", aliases: ["a"] });
    await consumer.has(120);
    await consumer.close();
    expect(await session.eventIds("b")).toHaveLength(120);
    await expectWholeBodies(session);
  });
});

describe("no pack is left", () => {
  test("when its events were retried, released, dead, replayed and discarded", async () => {
    const session = await openForTwo();
    await session.publish(...long(120));
    const decide = (id: string, nth: number): Settlement => {
      if (id.endsWith("1") && nth === 1) return { type: "retry", delayMs: 1, state: { run: 1 } };
      if (id.endsWith("2") && nth === 1) return { type: "release" };
      if (id.endsWith("3") && nth === 1) return { type: "release", delayMs: 1 };
      return id.endsWith("4") ? DEAD : ACK;
    };
    for (const subscriptionId of ["a", "b"]) {
      const consumer = await consume(session, { subscriptionId }, ({ envelope: { id } }, nth) =>
        decide(id, nth),
      );
      await consumer.has(120 + 36);
      await eventually(async () => {
        const stats = await session.admin.stats();
        expect(stats.find((it) => it.subscriptionId === subscriptionId)).toMatchObject({
          ready: 0,
          delayed: 0,
          inFlight: 0,
          dead: 12,
        });
      });
      await consumer.close();
      await expectWholeBodies(session);
    }
    expect(await bodiesOf(session)).toEqual(new Map());
    for (const id of ["a", "b"]) {
      const { items } = await session.admin.listDead(id, { limit: 20 });
      expect(items).toHaveLength(12);
      expect(items[0]?.envelope.data).toEqual({ text: "x".repeat(200) });
      const [first, ...others] = items.map((dead) => dead.id);
      await session.admin.replayDead(id, [first ?? ""]);
      await session.admin.discardDead(id, others);
      const consumer = await consume(session, { subscriptionId: id });
      await consumer.has(1);
      await consumer.close();
    }
    await isEmpty(session);
  });

  test("when a process stops in the middle of it, and another goes on", async () => {
    const session = await openForTwo();
    await session.publish(...long(220));
    let settle: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (settle = resolve));
    const first = await consume(
      session,
      { subscriptionId: "a", concurrency: 3 },
      async ({ envelope: { id } }) => {
        if (Number(id) >= 60) await held;
        return ACK;
      },
    );
    await first.has(62);
    const closing = first.close(0);
    await closing;
    settle?.();
    await eventually(() => expectWholeBodies(session));
    const second = await consume(session, { subscriptionId: "a" });
    await eventually(() => expect(new Set([...first.ids, ...second.ids]).size).toBe(220));
    const b = await consume(session, { subscriptionId: "b" });
    await b.has(220);
    await isEmpty(session);
  });

  test("when processes die with it in hand", { timeout: 60_000 }, async () => {
    const session = await openForTwo(SOON);
    const url = `redis://127.0.0.1:${session.redis.options.port}`;
    const { prefix } = session.keys;
    await session.publish(...long(220));
    const handed = new Set<unknown>();
    for (const poison of ["7", "130"]) {
      const spec = { subscriptionId: "a", concurrency: 5 };
      const worker = await startProcess("consuming-worker.ts", { url, prefix, poison, spec });
      onTestFinished(() => worker.kill());
      await worker.ended;
      for (const [word, id] of worker.lines) if (word === "handed") handed.add(id);
      await expectWholeBodies(session);
    }
    const a = await consume(session, { subscriptionId: "a" });
    await eventually(async () => {
      const [stats] = await session.admin.stats();
      expect(stats).toMatchObject({ ready: 0, delayed: 0, inFlight: 0 });
    }, 30_000);
    for (const id of a.ids) handed.add(id);
    expect(handed.size).toBe(220);
    for (const { crashes } of a.deliveries) expect(crashes).toBeLessThanOrEqual(1);
    const b = await consume(session, { subscriptionId: "b" });
    await b.has(220);
    await isEmpty(session);
  });

  test("when a subscription is retired, of which it keeps some events or none", async () => {
    const session = await open();
    await session.registry.declare([
      subscription("a", { events: ["order.placed", "order.paid"] }),
      subscription("b"),
    ]);
    const mixed = long(120).map((it) =>
      Number(it.id) % 3 === 0 ? { ...it, name: "order.paid" } : it,
    );
    await session.publish(...mixed);
    const paid = ["order.paid"];
    expect(await session.registry.retire("a", { events: paid, backlog: "dead-letter" })).toBe(40);
    expect(await session.eventIds("a")).toEqual(
      idsOf(mixed.filter(({ name }) => name === "order.placed")),
    );
    await expectWholeBodies(session);
    const { items } = await session.admin.listDead("a", { limit: 100 });
    expect(items.map((dead) => dead.envelope.name)).toEqual(Array(40).fill("order.paid"));
    await session.admin.discardDead(
      "a",
      items.map(({ id }) => id),
    );
    expect(await session.registry.retire("b", { backlog: "discard" })).toBe(120);
    await expectWholeBodies(session);
    const consumer = await consume(session, {
      subscriptionId: "a",
      events: ["order.placed"],
    });
    await consumer.has(80);
    await isEmpty(session);
  });

  test("when somebody removes its jobs, a queue, or what is in it", async () => {
    const session = await openForTwo();
    const [a, b] = [queueOf(session, "a"), queueOf(session, "b")];
    await session.publish(...long(120));
    const [job] = await a.getPrioritized();
    await job?.remove();
    await sweep(session);
    await expectWholeBodies(session);
    expect((await bodiesOf(session)).size).toBe(1);
    await session.publish(...long(120));
    await session.publish(...long(120, { delayMs: 60_000 }));
    await a.drain(true);
    await sweep(session);
    await expectWholeBodies(session);
    expect((await bodiesOf(session)).size).toBe(3);
    await b.obliterate({ force: true });
    await sweep(session);
    await isEmpty(session);
  });

  test("when those jobs are gone that were kept after their completion", async () => {
    const session = await openForTwo({ keepCompleted: { count: 1 } });
    await session.publish(...long(120));
    const consumers = await Promise.all(
      ["a", "b"].map((subscriptionId) => consume(session, { subscriptionId })),
    );
    for (const consumer of consumers) await consumer.has(120);
    const [a, b] = [queueOf(session, "a"), queueOf(session, "b")];
    await eventually(async () => {
      expect(await a.getCompletedCount()).toBe(1);
      expect(await b.getCompletedCount()).toBe(1);
    });
    // Whoever looks at one, or has it done again, finds its events.
    await sweep(session);
    const [job] = await a.getCompleted();
    expect(await session.eventsOf(job?.data)).toHaveLength(120);
    await session.publish(...long(120));
    for (const consumer of consumers) await consumer.has(240);
    await eventually(async () => expect(await a.getCompletedCount()).toBe(1));
    await sweep(session);
    await eventually(async () => expect((await bodiesOf(session)).size).toBe(1));
    for (const queue of [a, b]) await queue.clean(0, 100, "completed");
    await sweep(session);
    await isEmpty(session);
  });

  test("however many bodies there are to look at", async () => {
    const session = await openForTwo();
    for (let publish = 0; publish < 150; publish += 1) await session.publish(...long(12));
    const a = queueOf(session, "a");
    await a.obliterate({ force: true });
    await sweep(session);
    await expectWholeBodies(session);
    expect((await bodiesOf(session)).size).toBe(150);
    await queueOf(session, "b").obliterate({ force: true });
    await sweep(session);
    await isEmpty(session);
  });
});

describe("a pack that somebody has removed or changed", () => {
  async function spoil({ redis, keys }: TestSession, pack: string, text?: string): Promise<void> {
    const [key = ""] = await redis.keys(`${keys.own}body:*`);
    await (text === undefined ? redis.hdel(key, pack) : redis.hset(key, pack, text));
  }

  test.for([
    ["is gone", undefined],
    ["is no JSON of a job", "{?"],
    ["has too few events", JSON.stringify({ events: [envelope("only")] })],
  ] as const)("because it %s is a dead letter, and the others are handled", async ([why, text]) => {
    const session = await openForTwo();
    await session.publish(...long(120));
    await spoil(session, "2", text);
    const consumer = await consume(session, { subscriptionId: "a" });
    await consumer.has(70);
    await eventually(async () => {
      const [a] = await session.admin.stats();
      expect(a).toMatchObject({ ready: 0, inFlight: 0, dead: 1 });
    });
    const numbers = consumer.ids.map(Number).toSorted((one, other) => one - other);
    expect(numbers).toEqual([
      ...Array(50).keys(),
      ...Array.from({ length: 20 }, (_, at) => at + 100),
    ]);
    const { items } = await session.admin.listDead("a", { limit: 10 });
    expect(items).toMatchObject([{ reason: "corrupt" }]);
    expect(JSON.stringify(items)).toContain(why);
    const data = items[0]?.envelope.data as string;
    expect(JSON.parse(data)).toMatchObject({ packs: [[2, 50]] });
    expect(JSON.stringify(session.errors)).toContain(why);
    await session.admin.discardDead("a", [items[0]?.id ?? ""]);
    await session.registry.retire("b", { backlog: "discard" });
    await isEmpty(session);
  });

  test("with all others of its body is one dead letter for each, after a crash as well", async () => {
    const session = await openForTwo();
    await session.publish(...long(120));
    await session.redis.del(...(await session.redis.keys(`${session.keys.own}body:*`)));
    const [job] = await session.waiting("b");
    await session.redis.hset(`${session.keys.queue("b")}${job?.id}`, "stc", 1);
    for (const subscriptionId of ["a", "b"]) await consume(session, { subscriptionId });
    await eventually(async () => {
      const stats = await session.admin.stats();
      expect(stats.map(({ ready, inFlight }) => ready + inFlight)).toEqual([0, 0]);
      expect(stats.map(({ dead }) => dead)).toEqual([3, 120]);
    });
    await expectWholeBodies(session);
  });
});
