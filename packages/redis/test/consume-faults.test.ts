import {
  systemClock,
  type Clock,
  type Envelope,
  type Settlement,
  type Timer,
} from "@busbar/core/provider";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ACK, type TestConsumer } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";
import {
  createTestSession,
  envelope,
  subscription,
  type TestSession,
} from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";

const NOTHING = { ready: 0, delayed: 0, inFlight: 0, dead: 0 };
const LIMIT = { timeout: 60_000 };

let redis: RedisServer;
let prefixes = 0;
const sessions: TestSession[] = [];

beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.stop());
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
});
const consume = useConsumers();

async function open(prefix = `{${++prefixes}}`, changes = {}): Promise<TestSession> {
  const options = { lockDurationMs: 2_000, stalledCheckMs: 500, ...changes };
  const session = await createTestSession({ url: redis.url, prefix, options });
  sessions.push(session);
  return session;
}

async function declared(): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail")]);
  return session;
}

function envelopes(count: number): readonly Envelope[] {
  return Array.from({ length: count }, (_, index) => envelope(`e${index}`));
}

async function killConnections({ redis: client }: TestSession): Promise<void> {
  // Its own connection is one of them.
  await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no").catch(() => {});
}

async function publishAll(session: TestSession, count: number): Promise<void> {
  const all = envelopes(count);
  for (let from = 0; from < count; from += 500)
    await session.publish(...all.slice(from, from + 500));
}

async function stats(session: TestSession): Promise<object> {
  const [mail] = await session.admin.stats();
  const { ready, delayed, inFlight, dead } = mail!;
  return { ready, delayed, inFlight, dead };
}

describe("close", () => {
  test("ends a reader that waits for a job at once, and leaves no timer", async () => {
    const session = await declared();
    const pending = new Set<Timer>();
    const clock: Clock = {
      ...systemClock,
      setTimeout(callback, delayMs, options) {
        const inner = systemClock.setTimeout(
          () => (pending.delete(timer), callback()),
          delayMs,
          options,
        );
        const timer: Timer = { cancel: () => (pending.delete(timer), inner.cancel()) };
        pending.add(timer);
        return timer;
      },
    };
    const mail = await consume({ ...session, context: { ...session.context, clock } }, {});
    await session.publish(envelope("1"));
    await mail.has(1);
    // It waits for a job now.
    await eventually(async () =>
      expect(await session.redis.client("LIST")).toMatch(/cmd=bzpopmin/),
    );
    const from = Date.now();
    await mail.close();
    expect(Date.now() - from).toBeLessThan(200);
    expect(pending.size).toBe(0);
  });

  test("hands back what a handler does not end, for another at once and uncounted", async () => {
    const session = await declared();
    await session.publish(...envelopes(30));
    const hanging = await consume(session, {}, () => new Promise<never>(() => {}));
    await hanging.has(10);
    const from = Date.now();
    await hanging.close(100);
    expect(Date.now() - from).toBeGreaterThanOrEqual(97);
    expect(Date.now() - from).toBeLessThan(1_000);
    expect(await stats(session)).toEqual({ ...NOTHING, ready: 30 });
    const next = await consume(session, {});
    await next.has(30);
    expect(next.deliveries.every(({ crashes }) => crashes === 0)).toBe(true);
    await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
  });

  test("with a longer grace ends with one that comes later and is shorter", async () => {
    const session = await declared();
    await session.publish(envelope("1"));
    const hanging = await consume(session, {}, () => new Promise<never>(() => {}));
    await hanging.has(1);
    const first = hanging.close(2 ** 31 - 1);
    await hanging.close(20);
    await first;
    expect(await stats(session)).toEqual({ ...NOTHING, ready: 1 });
  });

  test("works while Redis is away", LIMIT, async () => {
    const session = await declared();
    await session.publish(...envelopes(3));
    const hanging = await consume(session, {}, () => new Promise<never>(() => {}));
    await hanging.has(3);
    await redis.kill();
    try {
      const from = Date.now();
      await hanging.close(100);
      expect(Date.now() - from).toBeLessThan(1_000);
    } finally {
      await redis.start();
    }
  });
});

describe("an answer that is lost with its connection", () => {
  /** Every third answer is lost after Redis has done what it was asked. */
  function losingAnswers(session: TestSession): TestSession & { readonly lost: () => number } {
    let [calls, lost] = [0, 0];
    const losing =
      <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
      async (...args: Args): Promise<T> => {
        const answer = await call(...args);
        calls += 1;
        if (calls % 3 !== 0) return answer;
        lost += 1;
        throw new Error("Connection is closed.");
      };
    const { settle, turn, late, take, giveBack } = session.scripts;
    const scripts = {
      ...session.scripts,
      settle: losing(settle),
      turn: losing(turn),
      late: losing(late),
      take: losing(take),
      giveBack: losing(giveBack),
    };
    return { ...session, scripts, lost: () => lost };
  }

  /** A fifth is retried twice, a fifth dies. */
  function decide({ envelope: { id } }: { readonly envelope: Envelope }, nth: number): Settlement {
    const number = Number(id.slice(1));
    if (number % 5 === 1 && nth < 3) return { type: "retry", delayMs: 0, state: nth };
    if (number % 5 === 2) return { type: "dead", reason: "no", state: null };
    return ACK;
  }

  test("repeats nothing, loses nothing and counts nothing", LIMIT, async () => {
    const session = await declared();
    await publishAll(session, 300);
    const losing = losingAnswers(session);
    const mail = await consume(losing, { concurrency: 5 }, async (delivery, nth) => {
      await sleep(1);
      return decide(delivery, nth);
    });
    await eventually(
      async () => expect(await stats(session)).toEqual({ ...NOTHING, dead: 60 }),
      30_000,
    );
    expect(losing.lost()).toBeGreaterThan(20);
    expect(mail.ids).toHaveLength(300 + 2 * 60);
    expect(mail.deliveries.filter(({ crashes }) => crashes > 0)).toEqual([]);
  });

  test("keeps lanes as they are", LIMIT, async () => {
    const session = await open();
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const all = envelopes(120).map((it, index) => ({ ...it, orderingKey: `k${index % 4}` }));
    await session.publish(...all, envelope("e1000", { orderingKey: "k0", delayMs: 200 }));
    const losing = losingAnswers(session);
    const mail = await consume(losing, { ordering: "key", concurrency: 3 }, decide);
    await eventually(
      async () => expect(await stats(session)).toEqual({ ...NOTHING, dead: 24 }),
      30_000,
    );
    expect(mail.ids).toHaveLength(121 + 2 * 24);
    expect(mail.deliveries.filter(({ crashes }) => crashes > 0)).toEqual([]);
    for (const key of ["k0", "k1", "k2", "k3"]) {
      const ids = mail.deliveries.filter(({ envelope: it }) => it.orderingKey === key);
      const sent = all.filter(({ orderingKey }) => orderingKey === key).map(({ id }) => id);
      if (key === "k0") sent.push("e1000");
      expect([...new Set(ids.map(({ envelope: it }) => it.id))]).toEqual(sent);
    }
  });
});

describe("consuming goes on", () => {
  /** Handles events slowly enough for the fault to come in the middle. */
  async function through(
    fault: (session: TestSession) => Promise<unknown>,
  ): Promise<TestConsumer[]> {
    const session = await declared();
    await publishAll(session, 3_000);
    const peer = await open(session.keys.prefix);
    const handle = async (): Promise<Settlement> => {
      await sleep(1);
      return ACK;
    };
    const both = [await consume(session, {}, handle), await consume(peer, {}, handle)];
    await both[0]!.has(300);
    await fault(session);
    const count = (): number => new Set(both.flatMap(({ ids }) => ids)).size;
    await eventually(() => expect(count()).toBe(3_000), 30_000);
    await eventually(async () => expect(await stats(session)).toEqual(NOTHING), 20_000);
    return both;
  }

  test("when Redis forgets its scripts", LIMIT, async () => {
    const both = await through((session) => session.redis.script("FLUSH"));
    expect(both.flatMap(({ ids }) => ids)).toHaveLength(3_000);
  });

  test("when all connections are ended in the middle", LIMIT, async () => {
    const both = await through(async (session) => {
      for (let times = 0; times < 5; times += 1) {
        await killConnections(session);
        await sleep(60);
      }
    });
    // Whatever had been answered is not repeated: each request knows what it has done.
    expect(both.flatMap(({ ids }) => ids)).toHaveLength(3_000);
    expect(both.flatMap(({ deliveries }) => deliveries).every(({ crashes }) => crashes === 0)).toBe(
      true,
    );
  });

  test("when Redis restarts in the middle", LIMIT, async () => {
    await through(() => redis.restart());
  });

  test("when Redis is killed, and away for a second", LIMIT, async () => {
    await through(async () => {
      await redis.kill();
      await sleep(1_000);
      await redis.start();
    });
  });

  test(
    "with retries and dead letters, each once, however often connections end",
    LIMIT,
    async () => {
      const session = await declared();
      await publishAll(session, 1_000);
      const times = new Map<string, number>();
      const mail = await consume(
        session,
        {},
        async ({ envelope: { id } }, nth): Promise<Settlement> => {
          times.set(id, nth);
          await sleep(1);
          const number = Number(id.slice(1));
          if (number % 5 === 1 && nth < 3) return { type: "retry", delayMs: 0, state: nth };
          if (number % 5 === 2) return { type: "dead", reason: "no", state: null };
          return ACK;
        },
      );
      for (let kills = 0; kills < 8; kills += 1) {
        await sleep(40);
        await killConnections(session);
      }
      await eventually(
        async () => expect(await stats(session)).toEqual({ ...NOTHING, dead: 200 }),
        30_000,
      );
      expect(mail.ids).toHaveLength(1_000 + 2 * 200);
      for (const [id, count] of times) expect(count).toBe(Number(id.slice(1)) % 5 === 1 ? 3 : 1);
    },
  );

  test("while Redis is full", LIMIT, async () => {
    const session = await declared();
    let open: () => void = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const mail = await consume(
      session,
      { concurrency: 1 },
      async ({ envelope: { id } }, nth): Promise<Settlement> => {
        await opened;
        if (id === "e7") return { type: "dead", reason: "no", state: null };
        return id === "e9" && nth < 3 ? { type: "retry", delayMs: 0, state: nth } : ACK;
      },
    );
    await publishAll(session, 500);
    await mail.has(1);
    await session.redis.config("SET", "maxmemory", "1");
    try {
      open();
      await mail.has(502);
      const queue = session.keys.queue("mail");
      await eventually(async () => expect(await session.redis.llen(`${queue}active`)).toBe(0));
      expect(await session.redis.zcard(`${queue}prioritized`)).toBe(0);
      expect(await session.redis.zcard(`${session.keys.own}dead:mail`)).toBe(1);
    } finally {
      await session.redis.config("SET", "maxmemory", "0");
    }
  });
});
