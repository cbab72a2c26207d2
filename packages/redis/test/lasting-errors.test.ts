import type { Settlement } from "@busbar/core/provider";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { insistently } from "../src/store/insistently.ts";
import { resolveOptions } from "../src/options.ts";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { createLineProxy } from "./support/line-proxy.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";
import {
  createTestSession,
  envelope,
  inTime,
  subscription,
  type TestSession,
} from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";

const consume = useConsumers();
const LARGE = "x".repeat(2_000_000);
const sessions: TestSession[] = [];
let redis: RedisServer;
let prefixes = 0;

beforeAll(async () => {
  // The least that can be set.
  redis = await startRedisServer({ config: { "proto-max-bulk-len": "1mb" } });
});
afterAll(() => redis.stop());
afterEach(async () => {
  // Those with servers of their own are closed already.
  const open = sessions.find(({ link }) => link.isReady);
  await open?.redis.call("ACL", "SETUSER", "default", "+@all");
  await Promise.all(sessions.splice(0).map((session) => session.close()));
});

async function open({ url = redis.url, knows = true, options = {} } = {}): Promise<TestSession> {
  const prefix = `{${++prefixes}}`;
  const session = await createTestSession({ url, prefix, options });
  sessions.push(session);
  if (!knows) await session.redis.call("ACL", "SETUSER", "default", "-config|get");
  return session;
}

async function connectionOf({ redis: client }: TestSession): Promise<unknown> {
  return client.call("CLIENT", "ID");
}

describe("an event that is larger than Redis takes", () => {
  test("is refused for good and at once, and the others of its batch are accepted", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail"), subscription("other")]);
    const before = await connectionOf(session);
    const results = await session.publish(
      envelope("1"),
      envelope("2", { data: LARGE }),
      envelope("3"),
      envelope("4", { data: LARGE, orderingKey: "k", deduplicationId: "d" }),
    );
    expect(results.map(({ status }) => status)).toEqual([
      "accepted",
      "rejected",
      "accepted",
      "rejected",
    ]);
    const [, refused] = results;
    expect(refused).not.toMatchObject({ retryable: true });
    expect(refused).toMatchObject({ reason: expect.stringMatching(/ 2000\d+ bytes .*1048576/) });
    expect(await session.eventIds("mail")).toEqual(["1", "3"]);
    expect(await connectionOf(session)).toBe(before);
  });

  test("is refused where Redis does not say what it takes, and costs no second connection", async () => {
    // Its answer comes before the end of the connection.
    const proxy = await createLineProxy(redis.port, { bytesPerMs: 1_000 });
    const session = await open({ url: proxy.url, knows: false });
    onTestFinished(proxy.close);
    await session.registry.declare([subscription("mail"), subscription("other")]);
    for (const expected of [undefined, "the same"]) {
      const before = expected && (await connectionOf(session));
      const results = await session.publish(envelope("1"), envelope("2", { data: LARGE }));
      expect(results).toMatchObject([{ status: "accepted" }, { status: "rejected" }]);
      expect(results[1]).not.toMatchObject({ retryable: true });
      await session.link.whenReady();
      if (before) expect(await connectionOf(session)).toBe(before);
    }
  });

  test("leaves no group half released", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail")]);
    await session.groups.stage("g", [{ envelope: envelope("1") }], {});
    await session.groups.mark("g");
    const claim = await session.groups.claim({ leaseMs: 60_000 });
    // An interceptor has made it larger than what was staged.
    const grown = [envelope("1", { data: LARGE })];
    const [result] = await session.groups.complete(claim!, grown, inTime());
    expect(result).toMatchObject({ status: "rejected" });
    expect(await session.groups.list()).toMatchObject([{ events: 1, marked: true }]);
  });
});

describe("a settlement that is larger than Redis takes", () => {
  const text = "e".repeat(700_000);
  const state = { runs: 1, errors: [{ at: 1, name: "Error", message: text, stack: text }] };

  test.each([
    ["of a pack", { knows: true }],
    ["of a key", { knows: true, ordering: "key" } as const],
    ["of a pack, where Redis does not say what it takes", { knows: false }],
  ])("is written without the texts of its errors: %s", async (_, { knows, ...changes }) => {
    const session = await open({ knows });
    const decide = (_: unknown, nth: number): Settlement =>
      nth === 1 ? { type: "retry", delayMs: 1, state } : { type: "dead", reason: "failed", state };
    const consumer = await consume(session, changes, decide);
    const data = "x".repeat(700_000);
    await session.publish(envelope("1", { data, orderingKey: "k" }));
    await consumer.has(2);
    expect(consumer.deliveries[1]?.state).toMatchObject({ runs: 1, errors: [{ at: 1 }] });
    expect(JSON.stringify(consumer.deliveries[1]?.state).length).toBeLessThan(1_000);
    const { items } = await eventually(async () => {
      const page = await session.admin.listDead("mail", { limit: 10 });
      expect(page.items).toHaveLength(1);
      return page;
    });
    expect(items[0]).toMatchObject({ reason: "failed", state: { runs: 1 } });
    expect(items[0]?.envelope.data).toBe(data);
    if (knows) expect(session.errors).toEqual([]);
  });
});

describe("what Redis refuses for good", () => {
  test("holds no slot for ever, and nothing waits behind it", async () => {
    const session = await open({ options: { lockDurationMs: 1_000, stalledCheckMs: 300 } });
    const { redis: client, keys } = session;
    // Somebody has made a mess of it.
    await client.set(`${keys.own}dead:mail`, "no sorted set");
    const decide = ({ envelope: { id } }: { readonly envelope: { readonly id: string } }) =>
      id === "dead" ? ({ type: "dead", reason: "no", state: null } as const) : ACK;
    await session.registry.declare([subscription("mail")]).catch(() => {});
    const consumer = await consume(
      { ...session, registry: lenient(session) },
      { concurrency: 1 },
      decide,
    );
    await session.publish(envelope("dead"), envelope("1"));
    await eventually(() => expect(consumer.ids).toContain("1"));
    await session.publish(envelope("2"));
    await eventually(() => expect(consumer.ids).toContain("2"));
    const said = (): string => session.errors.map((it) => (it as readonly string[])[1]).join();
    await eventually(() => expect(said()).toContain("refuses a step of a delivery for good"));
    // It comes again, and is a dead letter once that can be written.
    await client.del(`${keys.own}dead:mail`);
    await eventually(async () => expect(await client.zcard(`${keys.own}dead:mail`)).toBe(1));
  });

  test("ends a request at once, and is not called away", async () => {
    const session = await open();
    const startedAt = performance.now();
    const mistake = insistently(session, () => {
      throw new RangeError("Maximum call stack size exceeded");
    });
    await expect(mistake).rejects.toThrow("cannot be sent to Redis (Maximum call stack");
    await session.redis.set("wrong", "kind");
    const refused = insistently(session, () => session.redis.lpush("wrong", "x"));
    await expect(refused).rejects.toThrow("Redis refuses it for good (WRONGTYPE");
    await expect(refused).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe("very many events", () => {
  test("are staged and released whole, in their order", async () => {
    const server = await startRedisServer();
    const session = await open({ url: server.url });
    await session.registry.declare([subscription("mail", { ordering: "key" })]);
    const events = Array.from({ length: 130_000 }, (_, index) => ({
      envelope: envelope(`${index}`, { data: 0, orderingKey: "k" }),
    }));
    await session.groups.stage("g", events, {});
    await session.groups.mark("g");
    const claim = await session.groups.claim({ leaseMs: 60_000 });
    const envelopes = claim!.events.map((it) => it.envelope);
    const results = await session.groups.complete(claim!, envelopes, inTime(60_000));
    expect(results.filter(({ status }) => status === "accepted")).toHaveLength(130_000);
    const lane = `${session.keys.own}lane:${session.keys.queue("mail")}mail:k`;
    expect(await session.redis.llen(lane)).toBe(130_000);
    await session.close();
    await server.stop();
  }, 90_000);
});

describe("a line that is reset before Redis' refusal of a large text arrives", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(() => server.stop());

  async function openReset(): Promise<TestSession> {
    const proxy = await createLineProxy(server.port, { mostBytes: 1_000_000 });
    const session = await open({ url: proxy.url });
    onTestFinished(proxy.close);
    return session;
  }

  test("refuses that event for good, and the others of its batch are accepted", async () => {
    const session = await openReset();
    await session.registry.declare([subscription("mail"), subscription("other")]);
    const results = await session.publish(
      envelope("1"),
      envelope("2", { data: LARGE }),
      envelope("3"),
    );
    expect(results).toMatchObject([
      { status: "accepted" },
      { status: "rejected", reason: expect.stringContaining("the connection was lost 3 times") },
      { status: "accepted" },
    ]);
    expect(results[1]).not.toMatchObject({ retryable: true });
    expect(await session.eventIds("mail")).toEqual(["1", "3"]);
    // It may have been the line's fault.
    expect(session.link.mostBytes).toBeGreaterThan(LARGE.length);
  });

  test.each([
    ["of a pack", {}],
    ["of a key", { ordering: "key" } as const],
  ])("writes a settlement without the texts of its errors: %s", async (_, changes) => {
    const session = await openReset();
    const text = "e".repeat(1_500_000);
    const state = { runs: 1, errors: [{ at: 1, name: "Error", message: text }] };
    const consumer = await consume(session, changes, () => ({
      type: "dead",
      reason: "failed",
      state,
    }));
    await session.publish(envelope("1", { orderingKey: "k" }));
    await consumer.has(1);
    await eventually(async () => {
      const { items } = await session.admin.listDead("mail", { limit: 10 });
      expect(items).toMatchObject([{ reason: "failed", state: { runs: 1 } }]);
    });
  });
});

describe("a slow line", () => {
  const SOON = resolveOptions({ redisUrl: "redis://localhost", commandTimeoutMs: 500 });

  test("is not taken for a dead one while a large event is on its way", async () => {
    const server = await startRedisServer();
    const proxy = await createLineProxy(server.port, { bytesPerMs: 3_000 });
    const { commandTimeoutMs } = SOON;
    const session = await open({ url: proxy.url, options: { commandTimeoutMs } });
    try {
      await session.registry.declare([subscription("mail")]);
      const sent = session.publisher.publish(
        [envelope("1", { data: "x".repeat(9_000_000) })],
        inTime(30_000),
      );
      expect(await sent).toMatchObject([{ status: "accepted" }]);
      expect(proxy.connections).toBe(1);
    } finally {
      await session.close();
      proxy.close();
      await server.stop();
    }
  }, 60_000);

  test("that dies in the middle of a large event is noticed", async () => {
    const server = await startRedisServer();
    const proxy = await createLineProxy(server.port, { bytesPerMs: 500 });
    const { commandTimeoutMs } = SOON;
    const session = await open({ url: proxy.url, options: { commandTimeoutMs } });
    try {
      await session.registry.declare([subscription("mail")]);
      const sent = session.publish(envelope("1", { data: "x".repeat(1_500_000) }));
      proxy.freeze();
      await eventually(() =>
        expect(session.reports).toContainEqual(
          expect.objectContaining({ type: "state", state: "down" }),
        ),
      );
      void sent.catch(() => {});
    } finally {
      await session.close();
      proxy.close();
      await server.stop();
    }
  }, 60_000);
});

/** Its declarations do not look at dead letters. */
function lenient({ registry }: TestSession): TestSession["registry"] {
  return { ...registry, declare: (specs) => registry.declare(specs).catch(() => {}) };
}
