// A Redis that comes back without its data, or with older ones, must not lose what is emitted then.
import { createEventBus, type EventBus } from "@busbar/core";
import { type Clock, type PublishResult, systemClock } from "@busbar/core/provider";
import { Redis } from "ioredis";
import { afterEach, describe, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { birthOf } from "../src/store/registry-script.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";
import {
  createTestSession,
  envelope,
  subscription,
  type TestSession,
} from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startServer(config: Record<string, string>): Promise<RedisServer> {
  const server = await startRedisServer({ config });
  closing.push(() => server.stop());
  return server;
}

async function startBus(server: RedisServer, role: "server" | "shared", handled: string[]) {
  const bus: EventBus = createEventBus({
    name: "shop",
    provider: redisProvider({ redisUrl: server.url }),
    role,
  });
  closing.push(() => bus.stop({ graceMs: 0 }));
  bus.subscribe("order.placed", ({ id }) => void handled.push(id), { subscriberId: "mail" });
  await bus.start();
  return bus;
}

describe("a Redis that has forgotten everything", () => {
  test.each([
    ["because it was flushed", (server: RedisServer) => flush(server)],
    [
      "because it was started again without a disk",
      async (server: RedisServer) => {
        await server.kill();
        await server.start();
      },
    ],
  ])("%s gets the subscriptions again before the next event", async (_, forget) => {
    const server = await startServer({ appendonly: "no" });
    const handled: string[] = [];
    const emitter = await startBus(server, "server", handled);
    await startBus(server, "shared", handled);
    const first = await emitter.emit("order.placed", {});
    await eventually(() => expect(handled).toEqual(first));
    await forget(server);
    const second = await emitter.emit("order.placed", {});
    const third = await emitter.emit("order.placed", {});
    await eventually(() => expect(handled).toHaveLength(3));
    expect(handled.toSorted()).toEqual([...first, ...second, ...third].toSorted());
    expect((await emitter.inspect()).counters.unrouted).toBe(0);
  });

  test("gets those of workers as soon as they are connected again, without an emit", async () => {
    const server = await startServer({ appendonly: "no" });
    await startBus(server, "shared", []);
    await server.kill();
    await server.start();
    const redis = new Redis(server.url);
    closing.push(() => redis.quit());
    await eventually(async () => {
      expect(await redis.hkeys("{busbar:shop}:~:subscriptions")).toEqual(["mail"]);
    }, 3_000);
  });

  test("is not taken to know them because others have declared theirs", async () => {
    const session = await open();
    const other = await open({ prefix: session.keys.prefix });
    await session.registry.declare([subscription("mail")]);
    await session.publish(envelope("1"));
    await session.redis.del(session.keys.version, session.keys.subscriptions, session.keys.seen);
    await other.registry.declare([subscription("stock")]);
    const [published] = await session.publish(envelope("2"));
    expect(published).toEqual({ status: "accepted", subscriptions: 2 });
    expect(await session.eventIds("mail")).toEqual(["1", "2"]);
  });

  test("does not get back what was retired", async () => {
    const session = await open();
    await session.registry.declare([subscription("mail"), subscription("stock")]);
    await session.registry.retire("mail", { backlog: "discard" });
    await session.redis.del(session.keys.version, session.keys.subscriptions, session.keys.seen);
    expect(await session.publish(envelope("1"))).toMatchObject([{ subscriptions: 1 }]);
    expect((await session.registry.list()).map((it) => it.subscriptionId)).toEqual(["stock"]);
  });
});

test("a Redis that comes back with an older list gets what it lacks before the next event", async () => {
  const server = await startServer({});
  const session = await createTestSession({ url: server.url, prefix: "{older}" });
  closing.push(() => session.close());
  await session.registry.declare([subscription("mail")]);
  const older = await session.redis.get(session.keys.version);
  await session.registry.declare([subscription("stock")]);
  // As a replica that had not heard of it.
  const admin = new Redis(server.url);
  closing.push(() => admin.quit());
  await admin
    .multi()
    .set(session.keys.version, older ?? "")
    .hdel(session.keys.subscriptions, "stock")
    .zrem(session.keys.seen, "stock")
    .exec();
  await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await session.publish(envelope("1"));
  expect(await session.eventIds("stock")).toEqual(["1"]);
});

async function flush(server: RedisServer): Promise<void> {
  const redis = new Redis(server.url);
  await redis.flushall();
  await redis.quit();
}

describe("a process that has declared nothing, when Redis has forgotten everything", () => {
  const rejected = [{ status: "rejected", retryable: true }];

  /** Deletes the keys of this test alone. */
  async function forget({ redis, keys }: TestSession): Promise<void> {
    await redis.del(...(await redis.keys(`${keys.prefix}:*`)));
  }

  test("is refused events that reached somebody, and says so, until they do again", async () => {
    const worker = await open();
    const emitter = await open({ prefix: worker.keys.prefix });
    await worker.registry.declare([subscription("mail", { events: ["order.placed"] })]);
    expect(await emitter.publish(envelope("1"))).toMatchObject([{ subscriptions: 1 }]);
    await forget(worker);
    expect(await emitter.publish(envelope("2"))).toMatchObject(rejected);
    expect(await emitter.publish(envelope("3"))).toMatchObject(rejected);
    expect(await emitter.publish(envelope("4", { name: "unwanted" }))).toMatchObject([
      { status: "accepted", subscriptions: 0 },
    ]);
    const message = expect.stringContaining("Redis has forgotten 1 subscriptions");
    expect(emitter.errors).toEqual([[{ subscriptions: ["mail"] }, message]]);
    expect(emitter.registry.forgotten.detail).toEqual(message);
    expect(emitter.reports.at(-1)).toMatchObject({ type: "state", state: "degraded" });
    await worker.registry.declare([subscription("mail")]);
    expect(await emitter.publish(envelope("2"))).toMatchObject([{ subscriptions: 1 }]);
    expect(emitter.reports.at(-1)).toMatchObject({ type: "state", state: "ready" });
    // To retire the last one is no loss.
    await worker.registry.retire("mail", { backlog: "discard" });
    expect(await emitter.publish(envelope("5"))).toMatchObject([{ subscriptions: 0 }]);
    expect(emitter.errors).toHaveLength(1);
  });

  test("is refused events for those that are missing while others have declared", async () => {
    const worker = await open();
    const emitter = await open({ prefix: worker.keys.prefix });
    await worker.registry.declare([subscription("mail"), subscription("stock")]);
    await emitter.publish(envelope("1"));
    await forget(worker);
    const other = await open({ prefix: worker.keys.prefix });
    await other.registry.declare([subscription("stock")]);
    expect(await emitter.publish(envelope("2"))).toMatchObject(rejected);
    expect(emitter.errors).toMatchObject([[{ subscriptions: ["mail"] }, expect.anything()]]);
    await worker.registry.list();
    expect(await emitter.publish(envelope("2"))).toMatchObject([{ subscriptions: 2 }]);
  });

  /** A process whose clock a test moves on. */
  async function openWithClock(prefix: string) {
    let passedMs = 0;
    const clock: Clock = {
      ...systemClock,
      monotonic: () => systemClock.monotonic() + passedMs,
      now: () => systemClock.now() + passedMs,
    };
    const session = await open({ prefix, context: { clock } });
    const publish = async (id: string): Promise<readonly PublishResult[]> =>
      session.publisher.publish([envelope(id)], {
        deadline: clock.monotonic() + 10_000,
        inHandler: false,
      });
    const pass = (ms: number): void => void (passedMs += ms);
    return { ...session, publish, pass };
  }

  test("gives up what is missing 90 s after others have declared theirs, and not before", async () => {
    const worker = await open();
    const emitter = await openWithClock(worker.keys.prefix);
    await worker.registry.declare([subscription("mail"), subscription("stock")]);
    await emitter.publish("1");
    await forget(worker);
    expect(await emitter.publish("2")).toMatchObject(rejected);
    // All processes are away, for as long as it takes.
    emitter.pass(600_000);
    expect(await emitter.publish("2")).toMatchObject(rejected);
    const other = await open({ prefix: worker.keys.prefix });
    await other.registry.declare([subscription("stock")]);
    expect(await emitter.publish("2")).toMatchObject(rejected);
    emitter.pass(89_000);
    expect(await emitter.publish("2")).toMatchObject(rejected);
    expect(emitter.warnings).toEqual([]);
    emitter.pass(2_000);
    expect(await emitter.publish("2")).toMatchObject([{ status: "accepted", subscriptions: 1 }]);
    expect(emitter.warnings).toEqual([expect.stringContaining("were not declared again")]);
    expect(emitter.reports.at(-1)).toMatchObject({ type: "state", state: "ready" });
  });

  test("is refused events for all that is missing when Redis forgets a second time", async () => {
    const worker = await open();
    const emitter = await openWithClock(worker.keys.prefix);
    await worker.registry.declare([subscription("mail", { events: ["never"] })]);
    await emitter.publish("1");
    await forget(worker);
    const other = await open({ prefix: worker.keys.prefix });
    await other.registry.declare([subscription("stock")]);
    expect(await emitter.publish("2")).toMatchObject([{ subscriptions: 1 }]);
    expect(emitter.registry.forgotten.isSome).toBe(true);
    await forget(worker);
    const third = await open({ prefix: worker.keys.prefix });
    await third.registry.declare([subscription("sales", { events: ["never"] })]);
    expect(await emitter.publish("3")).toMatchObject(rejected);
  });

  test("knows a list that was begun anew, whatever its version, from one that has moved on", async () => {
    const worker = await open();
    const emitter = await open({ prefix: worker.keys.prefix });
    await worker.registry.declare([subscription("mail")]);
    await emitter.publish(envelope("1"));
    const first = await worker.redis.get(worker.keys.version);
    await worker.registry.declare([subscription("stock")]);
    expect(await emitter.publish(envelope("2"))).toMatchObject([{ subscriptions: 2 }]);
    const moved = await worker.redis.get(worker.keys.version);
    expect(birthOf(moved ?? "")).toBe(birthOf(first ?? ""));
    expect(emitter.errors).toEqual([]);
    await forget(worker);
    const other = await open({ prefix: worker.keys.prefix });
    await other.registry.declare([subscription("sales", { events: ["never"] })]);
    // Its server's clock may be an hour behind that of the Redis before.
    await worker.redis.set(worker.keys.version, "1000-2000");
    expect(await emitter.publish(envelope("3"))).toMatchObject(rejected);
    expect(emitter.errors).toHaveLength(1);
    expect(emitter.registry.forgotten.detail).toContain("forgotten 2 subscriptions");
  });

  test("says so until they are back, also if it emits nothing more", async () => {
    const server = await startServer({ appendonly: "no" });
    const worker = await createTestSession({ url: server.url, prefix: "{quiet}" });
    const clock: Clock = {
      ...systemClock,
      // It looks again after five seconds.
      setTimeout: (callback, ms, options) =>
        systemClock.setTimeout(callback, ms === 5_000 ? 50 : ms, options),
    };
    const context = { clock };
    const emitter = await createTestSession({ url: server.url, prefix: "{quiet}", context });
    closing.push(
      () => worker.close(),
      () => emitter.close(),
    );
    await worker.registry.declare([subscription("mail")]);
    await emitter.publish(envelope("1"));
    await flush(server);
    expect(await emitter.publish(envelope("2"))).toMatchObject(rejected);
    await worker.registry.declare([subscription("mail")]);
    await eventually(() => {
      expect(emitter.reports.at(-1)).toMatchObject({ type: "state", state: "ready" });
    });
  });

  test("has its emits wait for the worker, which notices by itself", async () => {
    const server = await startServer({ appendonly: "no" });
    const handled: string[] = [];
    await startBus(server, "shared", handled);
    const emitter = createEventBus({
      name: "shop",
      provider: redisProvider({ redisUrl: server.url }),
      role: "server",
    });
    closing.push(() => emitter.stop({ graceMs: 0 }));
    await emitter.start();
    await emitter.emit("order.placed", {});
    await flush(server);
    const emitted = emitter.emit("order.placed", {});
    await eventually(async () => expect((await emitter.health()).status).toBe("degraded"));
    const [id] = await emitted;
    await eventually(() => expect(handled).toContain(id));
    expect((await emitter.health()).status).toBe("up");
  }, 20_000);
});
