import { createEventBus, type EventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisProviderOptions, redisProvider } from "../src/index.ts";
import { type Certificates, makeCertificates } from "./support/certificates.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess } from "./support/process.ts";
import { startRedisSentinel } from "./support/redis-sentinel.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

let ours: Certificates;
let others: Certificates;
let redis: RedisServer;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  [ours, others] = await Promise.all([makeCertificates(), makeCertificates()]);
  redis = await startRedisServer({ config: ours.config });
});
afterAll(async () => {
  await redis.stop();
  await Promise.all([ours.remove(), others.remove()]);
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function createBus(options: RedisProviderOptions): EventBus {
  const bus = createEventBus({ name: "shop", provider: redisProvider(options) });
  ends.push(() => bus.stop({ graceMs: 0 }));
  return bus;
}

async function expectToCarry(options: RedisProviderOptions): Promise<void> {
  const bus = createBus(options);
  const seen: unknown[] = [];
  bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
  await bus.start();
  await bus.emit("order.placed", 1);
  await eventually(() => expect(seen).toEqual([1]));
}

/** What `start` rejects with. It has a minute for a Redis that is away, and here needs a moment. */
async function refusal(options: RedisProviderOptions, withinMs = 5_000): Promise<unknown> {
  const from = performance.now();
  const error: unknown = await createBus(options)
    .start()
    .catch((caught: unknown) => caught);
  expect(performance.now() - from).toBeLessThan(withinMs);
  return error;
}

function unavailable(because: RegExp): unknown {
  const cause = expect.objectContaining({ message: expect.stringMatching(because) as string });
  return expect.objectContaining({ code: "BUSBAR_UNAVAILABLE", cause: cause as Error });
}

describe("a bus over TLS", () => {
  test("carries events, given options of ioredis", async () => {
    const { port } = redis;
    await expectToCarry({ connection: { host: "127.0.0.1", port, tls: { ca: ours.ca } } });
  });

  test("carries events, given a client of the user's", async () => {
    const users = new Redis(redis.url, { tls: { ca: ours.ca } });
    ends.push(() => users.disconnect());
    await expectToCarry({ connection: users });
  });

  test("carries events, given a URL, where Node.js is told of the authority", async () => {
    const name = "by-url";
    const input = { name, redisUrl: redis.url, subscriptions: ["mail"] };
    const worker = await startProcess("counting-worker.ts", input, {
      NODE_EXTRA_CA_CERTS: ours.caFile,
    });
    ends.push(() => worker.terminate());
    await worker.saw("started");
    const connection = new Redis(redis.url, { tls: { ca: ours.ca } });
    ends.push(() => connection.disconnect());
    const emitter = createEventBus({
      name,
      provider: redisProvider({ connection }),
      role: "server",
    });
    ends.push(() => emitter.stop());
    await emitter.start();
    await emitter.emit("order.placed", 1);
    await worker.saw("handled");
  });

  test("does not start with a server whose authority it does not know", async () => {
    expect(await refusal({ redisUrl: redis.url })).toEqual(unavailable(/self-signed certificate/));
    const { port } = redis;
    const connection = { host: "127.0.0.1", port, tls: { ca: others.ca } };
    expect(await refusal({ connection })).toEqual(unavailable(/certificate|signature/));
  });

  test("does not start with a server that has another name", async () => {
    const connection = { host: "localhost", port: redis.port, tls: { ca: ours.ca } };
    expect(await refusal({ connection })).toEqual(unavailable(/does not match/));
  });

  // By TLS 1.3 the refusal comes after the handshake, and is lost if the server's reset overtakes it: then
  // a later attempt tells.
  const ATTEMPTS_MS = 25_000;
  test(
    "needs a certificate of its own where the server asks for one",
    { timeout: ATTEMPTS_MS + 10_000 },
    async () => {
      const strict = await startRedisServer({
        config: { ...ours.config, "tls-auth-clients": "yes" },
      });
      ends.push(() => strict.stop());
      const place = { host: "127.0.0.1", port: strict.port };
      const { ca, cert, key } = ours;
      const refused = await refusal({ connection: { ...place, tls: { ca } } }, ATTEMPTS_MS);
      expect(refused).toEqual(unavailable(/certificate required/));
      await expectToCarry({ connection: { ...place, tls: { ca, cert, key } } });
    },
  );

  test("finds its primary by sentinels over TLS", { timeout: 30_000 }, async () => {
    const config = { ...ours.config, "tls-replication": "yes" };
    const tls = { ca: ours.ca };
    const sentinel = await startRedisSentinel({ name: "shop", config, access: { tls } });
    ends.push(() => sentinel.stop());
    await expectToCarry({
      connection: {
        ...sentinel.connection,
        sentinelTLS: tls,
        tls,
        enableTLSForSentinelMode: true,
      },
    });
  });

  test("refuses sentinels with TLS of which ioredis would make no use", () => {
    const connection = { name: "shop", sentinels: [{ host: "127.0.0.1" }], tls: {} };
    const create = (more: object): unknown =>
      redisProvider({ connection: { ...connection, ...more } });
    expect(() => create({})).toThrow(
      new TypeError(
        "redisProvider(): option connection must say enableTLSForSentinelMode: without it, ioredis talks to a primary that sentinels name without TLS",
      ),
    );
    expect(() => create({ enableTLSForSentinelMode: true })).not.toThrow();
    expect(() => create({ enableTLSForSentinelMode: false })).not.toThrow();
  });
});
