import { describe, expect, test } from "vitest";
import { envelope, subscription } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

const LONG_AGO_MS = 301_000;

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
    const other = await open({ prefix: keys.prefix });
    await other.registry.declare([subscription("mail")]);
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
