import { createFaultProxy } from "@busbar/conformance";
import { createEventBus, type Logger } from "@busbar/core";
import { type EventProvider, type ProviderContext, systemClock } from "@busbar/core/provider";
import { Cluster, Redis } from "ioredis";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type RedisProviderOptions, redisProvider } from "../src/index.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function server(config?: Readonly<Record<string, string>>): Promise<RedisServer> {
  const redis = await startRedisServer({ config });
  ends.push(redis.stop);
  return redis;
}

/** What a provider warns of while it starts. */
async function warnings(options: RedisProviderOptions): Promise<readonly string[]> {
  const said: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (_, message) => void said.push(message),
    error() {},
  };
  const bus = createEventBus({ name: "shop", provider: redisProvider(options), logger });
  await bus.start();
  await bus.stop();
  return said;
}

describe("start()", () => {
  test("warns of nothing where the settings are right", async () => {
    const { url } = await server();
    expect(await warnings({ redisUrl: url })).toEqual([]);
  });

  test("warns of a Redis that evicts, and of one that keeps nothing", async () => {
    const { url } = await server({ appendonly: "no", "maxmemory-policy": "allkeys-lru" });
    expect(await warnings({ redisUrl: url })).toEqual([
      "Redis deletes events when its memory is full: set its maxmemory-policy to noeviction",
      "Redis writes nothing to disk, and a restart loses every event: set appendonly",
    ]);
  });

  test("says nothing where it may not look", async () => {
    const { url, port } = await server({ appendonly: "no" });
    const admin = new Redis(url);
    await admin.acl("SETUSER", "guest", "on", ">secret", "~*", "+@all", "-config");
    admin.disconnect();
    const redisUrl = `redis://guest:secret@127.0.0.1:${port}`;
    expect(await warnings({ redisUrl })).toEqual([]);
  });

  test("rejects with the reason when the password is wrong", async () => {
    const { port } = await server({ requirepass: "right" });
    const provider = redisProvider({ redisUrl: `redis://:wrong@127.0.0.1:${port}` });
    const bus = createEventBus({ name: "shop", provider });
    const error: unknown = await bus.start().catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      cause: { message: expect.stringContaining("WRONGPASS") as string },
    });
  });

  test("may be called again after it has failed, which leaves no connection behind", async () => {
    const { port, url } = await server();
    const admin = new Redis(url);
    ends.push(async () => admin.disconnect());
    await admin.acl("SETUSER", "shop", "on", ">new", "~*", "&*", "+@all");
    const ignore = (): void => {};
    const given: ProviderContext = {
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      clock: systemClock,
      namespace: "shop",
      instanceId: "1",
      deadLetters: { maxPerSubscription: 10, maxAgeMs: 1_000 },
      orphanedAfterMs: 1_000,
      report: ignore,
    };
    const provider = redisProvider({ redisUrl: `redis://shop:old@127.0.0.1:${port}` });
    await expect(provider.start(given)).rejects.toThrow("WRONGPASS");
    expect(await admin.client("LIST")).not.toContain("name=busbar:shop");
    await admin.acl("SETUSER", "shop", ">old");
    await provider.start(given);
    expect(await provider.probe?.()).toEqual({ ok: true });
    await provider.stop({ graceMs: 0 });
    await expect(provider.start(given)).rejects.toThrow(TypeError);
  });

  test("waits for a Redis that is away, and stop ends the wait", async () => {
    const redis = await server();
    await redis.kill();
    const waiting = createEventBus({ name: "a", provider: redisProvider({ redisUrl: redis.url }) });
    const gone = redisProvider({ redisUrl: redis.url });
    const stopped = createEventBus({ name: "b", provider: gone });
    const starting = waiting.start();
    const ending = stopped.start().catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await gone.stop({ graceMs: 0 });
    expect(await ending).toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
    await redis.start();
    await starting;
    await waiting.stop();
  });
});

describe("whenDown", () => {
  test('"reject" refuses emits at once while Redis is down, and what was on its way', async () => {
    const redis = await server();
    const proxy = await createFaultProxy({ port: redis.port });
    ends.push(() => proxy.close());
    const place = `127.0.0.1:${proxy.port}`;
    const redisUrl = `redis://${place}`;
    const provider = redisProvider({ redisUrl, whenDown: "reject" });
    const bus = createEventBus({ name: "shop", provider, emitTimeoutMs: 60_000 });
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.start();
    ends.push(() => bus.stop({ graceMs: 0 }));

    await proxy.halfOpen();
    const lost = bus.emit("order.placed", 1).catch((error: unknown) => error);
    await proxy.cut();
    expect(await lost).toMatchObject({ code: "BUSBAR_UNAVAILABLE", details: { rejected: [] } });
    await expect.poll(async () => (await bus.health()).status).toBe("down");
    const message = expect.stringContaining(`Redis at ${place} cannot be reached (`) as string;
    const grouped = { metadata: { eventGroupId: "g" } };
    for (const emit of [
      bus.emit("order.placed", 2),
      bus.emit({ name: "order.placed", data: 3, ...grouped }),
    ]) {
      await expect(emit).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE", message });
    }

    await proxy.heal();
    await expect.poll(async () => (await bus.health()).status).toBe("up");
    await bus.emit("order.placed", 4);
    await expect.poll(() => seen).toContain(4);
    expect(seen).not.toContain(2);
  });
});

describe("the console", () => {
  test("has no lines of BullMQ's: the logger says it", async () => {
    const written = vi.spyOn(console, "warn").mockImplementation(() => {});
    const { url } = await server({ "maxmemory-policy": "allkeys-lru" });
    const said: string[] = [];
    const put = (_: object, message: string): void => void said.push(message);
    const logger: Logger = { debug() {}, info() {}, warn: put, error: put };
    const bus = createEventBus({
      name: "shop",
      provider: redisProvider({ redisUrl: url }),
      logger,
    });
    const ran = new Promise<void>((resolve) => {
      bus.subscribe("order.placed", () => resolve(), { subscriberId: "mail" });
    });
    await bus.start();
    await bus.emit("order.placed", 1);
    await ran;
    // BullMQ looks once its worker begins to wait.
    const admin = new Redis(url);
    await expect.poll(async () => admin.client("LIST")).toMatch(/cmd=bzpopmin/);
    admin.disconnect();
    await bus.stop();
    expect(said.filter((line) => line.includes("maxmemory-policy"))).toHaveLength(1);
    expect(written).not.toHaveBeenCalled();
  });

  test("says within two seconds what start waits for", async () => {
    const written = vi.spyOn(console, "warn").mockImplementation(() => {});
    const redis = await server();
    await redis.kill();
    const bus = createEventBus({ name: "shop", provider: redisProvider({ redisUrl: redis.url }) });
    const started = bus.start();
    await vi.waitFor(() => expect(written).toHaveBeenCalledTimes(2), 3_000);
    await redis.start();
    await started;
    await bus.stop();
    const place = `127.0.0.1:${redis.port}`;
    const why = `connect ECONNREFUSED ${place}`;
    expect(written.mock.calls.map(([line]: unknown[]) => line)).toEqual([
      `busbar warning: Provider "redis" (${place}) is down: ${why}`,
      `busbar warning: The start waits for provider "redis" (${place}) to start: ${why} (bus=shop)`,
    ]);
  });
});

describe("probe()", () => {
  async function ok(provider: EventProvider): Promise<boolean | undefined> {
    return (await provider.probe?.())?.ok;
  }

  test("says whether Redis answers", async () => {
    const redis = await server();
    const provider = redisProvider({ redisUrl: redis.url });
    expect(await ok(provider)).toBe(false);
    const bus = createEventBus({ name: "shop", provider });
    await bus.start();
    expect(await ok(provider)).toBe(true);
    await redis.kill();
    expect(await ok(provider)).toBe(false);
    await redis.start();
    await expect.poll(() => ok(provider)).toBe(true);
    await bus.stop();
    expect(await ok(provider)).toBe(false);
  });
});

describe("Redis Cluster", () => {
  test("carries events over a cluster of the user's", { timeout: 30_000 }, async () => {
    const node = await server({
      "cluster-enabled": "yes",
      "cluster-announce-ip": "127.0.0.1",
      "cluster-node-timeout": "500",
    });
    const connection = new Cluster([node.url]);
    ends.push(async () => connection.disconnect());
    const admin = new Redis(node.url);
    await admin.cluster("ADDSLOTSRANGE", 0, 16_383);
    admin.disconnect();
    const bus = createEventBus({ name: "shop", provider: redisProvider({ connection }) });
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), {
      subscriberId: "mail",
      attempts: 2,
    });
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), {
      subscriberId: "stock",
      ordering: "all",
    });
    await bus.start();
    await bus.emit("order.placed", 1);
    await bus.emit("order.placed", 2, { delay: 50 });
    await expect
      .poll(() => seen.map(String).toSorted(), { timeout: 5_000 })
      .toEqual(["1", "1", "2", "2"]);
    await bus.stop();
    expect(await connection.ping()).toBe("PONG");
  });
});
