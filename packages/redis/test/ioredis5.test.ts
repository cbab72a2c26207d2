// The peer range has two major versions of ioredis. All other tests run with the newer one.
import { createEventBus, type EventBus } from "@busbar/core";
import { Cluster, Redis } from "ioredis5";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisProviderOptions, redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

let redis: RedisServer;
let users: Redis;
let bus: EventBus | undefined;

beforeAll(async () => {
  redis = await startRedisServer();
  users = new Redis(redis.url);
});
afterAll(async () => {
  users.disconnect();
  await redis.stop();
});
afterEach(() => bus?.stop({ graceMs: 0 }));

/** An application that has ioredis 5 has its types, too. Here those of 6 are installed. */
function asConnection(client: Redis | Cluster): RedisProviderOptions["connection"] {
  return client as unknown as RedisProviderOptions["connection"];
}

describe("a client of ioredis 5", () => {
  test("carries a bus, which retries, keeps dead letters and comes back", async () => {
    const provider = redisProvider({ connection: asConnection(users) });
    bus = createEventBus({ name: "shop", provider });
    const seen: unknown[] = [];
    bus.subscribe(
      "order.placed",
      ({ data }, { attempt }) => {
        if (data === "never" || attempt === 1) throw new Error("busy");
        seen.push(data);
      },
      { subscriberId: "mail", attempts: 2, backoff: 10 },
    );
    await bus.start();
    await bus.emit("order.placed", "before");
    await bus.emit("order.placed", "never");
    await bus.settled({ timeoutMs: 5_000 });
    expect(seen).toEqual(["before"]);
    expect((await bus.deadLetters.list()).items).toMatchObject([{ event: { data: "never" } }]);

    const names = String(await users.client("LIST")).match(/name=busbar:shop\S*/g);
    expect(names).not.toBeNull();
    await users.client("KILL", "TYPE", "normal", "SKIPME", "yes");
    await bus.emit("order.placed", "after");
    await eventually(() => expect(seen).toEqual(["before", "after"]));
    await bus.stop();
    expect(await users.ping()).toBe("PONG");
    expect(String(await users.client("LIST"))).not.toMatch(/name=busbar:shop/);
  });

  test("carries a bus on Redis Cluster", async () => {
    const node = await startRedisServer({
      config: { "cluster-enabled": "yes", "cluster-announce-ip": "127.0.0.1" },
    });
    const admin = new Redis(node.url);
    await admin.cluster("ADDSLOTSRANGE", 0, 16_383);
    const cluster = new Cluster([node.url]);
    bus = createEventBus({
      name: "shop",
      provider: redisProvider({ connection: asConnection(cluster) }),
    });
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.start();
    await bus.emit("order.placed", 1);
    await eventually(() => expect(seen).toEqual([1]));
    await bus.stop();
    expect(await cluster.ping()).toBe("PONG");
    for (const client of [admin, cluster]) client.disconnect();
    await node.stop();
  });
});
