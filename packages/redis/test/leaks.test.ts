// Nothing is left after a stop, however often.
import { createEventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { eventuallyWithoutTimer } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const ROUNDS = 1_000;
let redis: RedisServer;
let admin: Redis;

beforeAll(async () => {
  redis = await startRedisServer();
  admin = new Redis(redis.url);
  await admin.ping();
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});

test(
  `${ROUNDS} starts and stops leave no listener, socket or timer`,
  { timeout: 120_000 },
  async () => {
    const users = new Redis(redis.url);
    await users.ping();
    const before = await footprint(users);
    for (let round = 0; round < ROUNDS; round += 1) {
      const bus = createEventBus({ name: "leaks", provider: redisProvider({ connection: users }) });
      bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
      await bus.start();
      await bus.emit("order.placed", round);
      if (round % 100 === 0) await bus.settled();
      await bus.stop();
    }
    await eventuallyWithoutTimer(async () => {
      const { timers, ...others } = await footprint(users);
      expect(before).toMatchObject(others);
      // One of the test runner's own may have been open, and be none any more.
      expect(timers).toBeLessThanOrEqual(before.timers);
    });
    expect(await users.ping()).toBe("PONG");
    users.disconnect();
  },
);

interface Footprint {
  readonly clients: number;
  readonly sockets: number;
  readonly timers: number;
  readonly usersListeners: readonly (readonly [event: string, listeners: number])[];
}

async function footprint(users: Redis): Promise<Footprint> {
  const resources = process.getActiveResourcesInfo();
  const named = (name: string): number => resources.filter((each) => each === name).length;
  return {
    clients: ((await admin.client("LIST")) as string).trim().split("\n").length,
    sockets: named("TCPSocketWrap"),
    timers: named("Timeout"),
    usersListeners: users
      .eventNames()
      .map((event) => [String(event), users.listenerCount(event)] as const),
  };
}
