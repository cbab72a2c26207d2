import { type Clock, systemClock } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

const LONG_AGO_MS = 301_000;
const MINUTE_MS = 60_000;

interface Onlooker {
  readonly session: TestSession;
  /** Time passes for the process, and it declares as each process does every minute. */
  declare(afterMs?: number): Promise<void>;
}

/** Another process of the bus, with a subscription of its own. */
async function openOnlooker({ keys }: TestSession, aheadMs = 0): Promise<Onlooker> {
  let passedMs = 0;
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passedMs };
  const session = await open({
    prefix: keys.prefix,
    context: { clock },
    wrapScripts: (scripts) => ({
      ...scripts,
      time: async (key) => (await scripts.time(key)) + aheadMs,
    }),
  });
  return {
    session,
    async declare(afterMs = MINUTE_MS) {
      passedMs += afterMs;
      await session.registry.declare([subscription("mail")]);
    },
  };
}

async function idsOf({ redis, keys }: TestSession): Promise<readonly string[]> {
  return (await redis.hkeys(keys.subscriptions)).toSorted();
}

describe("a temporary subscription", () => {
  test("is forgotten with its queue once nobody has declared it for five minutes", async () => {
    const session = await open();
    const { registry, redis, keys } = session;
    const next = subscription("next:1", { temporary: true });
    await registry.declare([subscription("mail"), next]);
    const [both] = await session.publish(envelope("1"));
    expect(both).toEqual({ status: "accepted", subscriptions: 2 });
    expect(await registry.list()).toMatchObject([{}, { temporary: true, orphaned: false }]);
    await redis.zincrby(keys.seen, -LONG_AGO_MS, "next:1");
    const [one] = await session.publish(envelope("2"));
    expect(one).toEqual({ status: "accepted", subscriptions: 1 });
    expect(await registry.list()).toMatchObject([{}, { orphaned: true, withheld: 1 }]);
    const other = await openOnlooker(session);
    for (let minute = 0; minute < 3; minute += 1) await other.declare();
    expect((await registry.list()).map(({ subscriptionId }) => subscriptionId)).toEqual(["mail"]);
    const left = await redis.keys(`${keys.prefix}:next*`);
    expect(left).toEqual([]);
    expect(await redis.zscore(keys.seen, "next:1")).toBeNull();
  });

  test("stays while its process declares it, and is retired as others are", async () => {
    const session = await open();
    const { registry, redis, keys } = session;
    const seen = await consume(session, { subscriptionId: "next:1", temporary: true });
    await redis.zincrby(keys.seen, -LONG_AGO_MS, "next:1");
    await registry.declare([subscription("next:1", { temporary: true })]);
    await session.publish(envelope("1"));
    await seen.has(1);
    await seen.close();
    await registry.retire("next:1", { backlog: "discard" });
    expect(await registry.list()).toEqual([]);
    expect(await redis.hlen(keys.subscriptions)).toBe(0);
  });

  test("stays while it lives, however long Redis was away or its clock was ahead", async () => {
    const session = await open();
    const { registry, redis, keys } = session;
    const next = subscription("next:1", { temporary: true });
    await registry.declare([next]);
    const other = await openOnlooker(session);
    // Between the first two, the clock was set forward, or Redis was away. The owner is the last to come back.
    await other.declare();
    await redis.zincrby(keys.seen, -LONG_AGO_MS, "next:1");
    await other.declare(2 * LONG_AGO_MS);
    await other.declare(0);
    await other.declare();
    // Nobody could declare for a while.
    await other.declare(LONG_AGO_MS);
    expect(await idsOf(session)).toEqual(["mail", "next:1"]);
    await registry.declare([next]);
    for (let minute = 0; minute < 3; minute += 1) await other.declare();
    expect(await other.session.publish(envelope("1"))).toMatchObject([{ subscriptions: 2 }]);
  });

  test("stays where another process takes the clock of Redis for later than it is", async () => {
    const session = await open();
    await session.registry.declare([subscription("next:1", { temporary: true })]);
    const other = await openOnlooker(session, 2 * LONG_AGO_MS);
    for (let minute = 0; minute < 4; minute += 1) await other.declare();
    expect(await idsOf(session)).toEqual(["mail", "next:1"]);
    expect(await session.publish(envelope("1"))).toMatchObject([{ subscriptions: 2 }]);
  });

  test("that is damaged does not keep others from being declared and forgotten", async () => {
    const session = await open();
    const { registry, redis, keys } = session;
    const ids = ["next:1", "next:2"];
    await registry.declare(ids.map((id) => subscription(id, { temporary: true })));
    await session.publish(envelope("1"));
    await redis.set(`${keys.queue("next~.1")}delayed`, "x");
    for (const id of ids) await redis.zincrby(keys.seen, -LONG_AGO_MS, id);
    const other = await openOnlooker(session);
    for (let minute = 0; minute < 3; minute += 1) await other.declare();
    expect(await idsOf(session)).toEqual(["mail", "next:1"]);
    expect(other.session.errors).toHaveLength(1);
    await redis.del(`${keys.queue("next~.1")}delayed`);
    await other.declare();
    expect(await idsOf(session)).toEqual(["mail"]);
  });

  test("is forgotten although it has dead letters, completed jobs, or a job of a process that died", async () => {
    const session = await open({ options: { keepCompleted: { count: 10 } } });
    const { registry, redis, keys, scripts } = session;
    const ids = ["next:dead", "next:done", "next:held"];
    await registry.declare([
      subscription("mail"),
      subscription("next:held", { temporary: true, events: ["held"] }),
    ]);
    const names = ["held", "held"];
    await session.publish(...names.map((name, at) => envelope(String(at), { name })));
    const held = keys.queue("next~.held");
    await scripts.take(`${held}meta`, [held, "token", "me", 60_000, 10]);
    expect(await redis.llen(`${held}active`)).toBe(1);
    const locks = await redis.keys(`${held}*:lock`);
    await redis.del(...locks);
    const reason = "no";
    const state = { runs: 1, errors: [] };
    for (const type of ["dead", "done"] as const) {
      const seen = await consume(
        session,
        { subscriptionId: `next:${type}`, temporary: true, events: [type] },
        () => (type === "dead" ? { type, reason, state } : { type: "ack" }),
      );
      await session.publish(envelope(type, { name: type }));
      await seen.has(1);
      await seen.close();
    }
    expect(await redis.zcard(`${keys.own}dead:next:dead`)).toBe(1);
    expect(await redis.zcard(`${keys.queue("next~.done")}completed`)).toBe(1);
    for (const id of ids) await redis.zincrby(keys.seen, -LONG_AGO_MS, id);
    const other = await openOnlooker(session);
    for (let minute = 0; minute < 4; minute += 1) await other.declare();
    expect(await idsOf(session)).toEqual(["mail"]);
    expect(await redis.keys(`${keys.prefix}:next*`)).toEqual([]);
    expect(await redis.keys(`${keys.own}*next*`)).toEqual([]);
  });

  test("is looked for once a minute, with one request for all", async () => {
    const session = await open();
    const many = Array.from({ length: 50 }, (_, at) =>
      subscription(`next:${at}`, { temporary: true, events: ["never"] }),
    );
    await session.registry.declare(many);
    const other = await openOnlooker(session);
    let looks = 0;
    const { client } = other.session.link;
    const zrange = client.zrange.bind(client) as (...args: readonly unknown[]) => Promise<string[]>;
    client.zrange = ((key: string, ...args: readonly unknown[]) => {
      if (key === session.keys.seen) looks += 1;
      return zrange(key, ...args);
    }) as typeof client.zrange;
    client.zscore = () => Promise.reject(new Error("One after the other"));
    for (let declaration = 0; declaration < 5; declaration += 1) await other.declare(0);
    expect(looks).toBe(1);
    await other.declare();
    expect(looks).toBe(2);
  });

  test("is not missed in a Redis that has forgotten it", async () => {
    const session = await open();
    const { registry, redis, keys } = session;
    const other = await open({ prefix: keys.prefix });
    await other.registry.declare([subscription("next:1", { temporary: true, events: ["never"] })]);
    await registry.declare([subscription("mail")]);
    await session.publish(envelope("1"));
    const all = await redis.keys(`${keys.prefix}*`);
    await redis.del(...all);
    await session.publish(envelope("2"));
    expect(registry.forgotten.isSome).toBe(false);
    expect(session.errors).toEqual([]);
  });
});
