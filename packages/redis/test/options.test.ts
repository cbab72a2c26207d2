import { Cluster, Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import redisModule, { redisProvider, type RedisProviderOptions } from "../src/index.ts";
import { resolveOptions } from "../src/options.ts";

const redisUrl = "redis://127.0.0.1:6379";

describe("redisProvider()", () => {
  test.for<[string, unknown, string]>([
    ["nothing", {}, "redisProvider(): its options must say where Redis is"],
    ["both ways", { redisUrl, connection: {} }, "either by redisUrl or by connection"],
    ["another scheme", { redisUrl: "http://a" }, "option redisUrl must be a URL that starts with"],
    [
      "a typo",
      { redisUrl, prefx: "a" },
      'redisProvider() has no option "prefx", did you mean "prefix"?',
    ],
    [
      "a nested typo",
      { redisUrl, batch: { maxEvent: 1 } },
      'no option "batch.maxEvent", did you mean "maxEvents"?',
    ],
    [
      "zero",
      { redisUrl, batch: { maxEvents: 0 } },
      "batch.maxEvents must be a whole number from 1",
    ],
    ["a number too small", { redisUrl, lockDurationMs: 5 }, "lockDurationMs must be a whole"],
    ["a third way", { redisUrl, whenDown: "queue" }, 'whenDown must be "wait" or "reject"'],
    ["a key prefix", { connection: { keyPrefix: "a" } }, "connection must not have a keyPrefix"],
    ["no seconds", { redisUrl, workerOptions: { drainDelay: 0 } }, "must be seconds above 0"],
    [
      "what would lose events",
      { redisUrl, workerOptions: { maxStalledCount: 3 } },
      "option workerOptions.maxStalledCount cannot be set: BullMQ would fail jobs",
    ],
    [
      "retries of BullMQ",
      { redisUrl, jobOptions: { attempts: 3 } },
      "option jobOptions.attempts cannot be set: retries are the bus's",
    ],
    [
      "a subscription in two lanes",
      { redisUrl, lanes: { a: ["mail"], b: ["mail"] } },
      'option lanes.b must not name "mail" again: it is in the lane a',
    ],
  ])("refuses %s, and says why", ([, options, message]) => {
    let error: unknown;
    try {
      redisProvider(options as RedisProviderOptions);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).message).toContain(message);
  });

  test("asks for a hash tag on Redis Cluster", () => {
    const connection = new Cluster(["redis://127.0.0.1:1"], { lazyConnect: true });
    expect(() => redisProvider({ connection, prefix: "shop" })).toThrow('such as "{shop}"');
    expect(redisProvider({ connection, prefix: "{shop}" }).name).toBe("redis");
    expect(redisProvider({ connection }).name).toBe("redis");
    connection.disconnect();
  });

  test("says how soon what a dead process had in hand comes again", () => {
    const { capabilities } = redisProvider({
      redisUrl,
      lockDurationMs: 1_000,
      stalledCheckMs: 400,
    });
    expect(capabilities.redeliverAfterMs).toBe(2_800);
  });
});

describe("resolveOptions()", () => {
  test("bounds by default what is kept", () => {
    const { keepCompleted, maxLenEvents, prefix } = resolveOptions({ redisUrl });
    expect({ keepCompleted, maxLenEvents }).toEqual({
      keepCompleted: { count: 0 },
      maxLenEvents: 1_000,
    });
    expect(prefix("shop")).toBe("{busbar:shop}");
  });

  test.for([
    [true, { count: 0 }],
    [false, { count: -1 }],
    [100, { count: 100 }],
    [{ age: 60 }, { age: 60 }],
  ] as const)("takes removeOnComplete: %j", ([removeOnComplete, kept]) => {
    expect(resolveOptions({ redisUrl, jobOptions: { removeOnComplete } }).keepCompleted).toEqual(
      kept,
    );
  });

  test("reads the options, and keeps its hands off them", () => {
    const connection = Object.freeze({ host: "127.0.0.1" });
    const options = Object.freeze({ connection, batch: Object.freeze({ maxEvents: 5 }) });
    expect(resolveOptions(options)).toMatchObject({ source: connection, batch: { maxEvents: 5 } });
    const users = new Redis({ lazyConnect: true });
    expect(resolveOptions({ connection: users }).source).toBe(users);
  });
});

describe("the module", () => {
  test("names every bad option of a configuration", async () => {
    const result = await redisModule.options?.["~standard"].validate({ redisUrl: 1, lane: {} });
    expect(result?.issues).toEqual([
      { path: ["redisUrl"], message: "must be a URL that starts with redis:// or rediss://" },
      { path: ["lane"], message: 'unknown key, did you mean "lanes"?' },
    ]);
  });

  test("says what is missing when there are no options", async () => {
    const result = await redisModule.options?.["~standard"].validate(undefined);
    expect(result?.issues?.[0]?.message).toContain("must say where Redis is");
  });
});
