// Whatever breaks, no payload and no password is logged or thrown: neither by the bus, nor by the provider to
// the bus.
import { type SecretWatch, watchSecrets } from "@busbar/conformance";
import { createEventBus, type EventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { redisProvider, type RedisProviderOptions } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const PASSWORD = "hunter2-of-redis";
const CARD = "card-4711-0815";
const METADATA = "tenant-secret-99";
const MEMBER = "member-of-a-users-error";
const SECRETS = [PASSWORD, "hunter3-of-redis", CARD, METADATA, MEMBER];
const MESSAGE = { name: "order.placed", data: { card: CARD }, metadata: { tenant: METADATA } };
const SOON = { lockDurationMs: 1_000, stalledCheckMs: 100, commandTimeoutMs: 500 };
const LIMIT = { timeout: 30_000 };

let redis: RedisServer;
let admin: Redis;
let secrets: SecretWatch;
let closing: (() => Promise<unknown>)[];
let count = 0;
let name: string;

beforeAll(async () => {
  redis = await startRedisServer({ config: { "maxmemory-policy": "noeviction" } });
  admin = new Redis(redis.url);
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});
beforeEach(async () => {
  count += 1;
  name = `secrets-${count}`;
  secrets = watchSecrets(SECRETS);
  closing = [];
  await admin.acl("SETUSER", "shop", "reset", "on", `>${PASSWORD}`, "~*", "&*", "+@all");
});
afterEach(async () => {
  await admin.config("SET", "maxmemory", "0");
  for (const close of closing.toReversed()) await close();
});

function url(password = PASSWORD): string {
  return `redis://shop:${password}@127.0.0.1:${redis.port}`;
}

function key(rest: string): string {
  return `{busbar:${name}}:${rest}`;
}

function createBus(options: RedisProviderOptions = { redisUrl: url() }): EventBus {
  const provider = redisProvider({ ...SOON, ...options });
  const bus = createEventBus({
    name,
    provider: secrets.provider(provider),
    logger: secrets.logger,
    emitTimeoutMs: 500,
  });
  closing.push(() => bus.stop({ graceMs: 0 }));
  return bus;
}

/** Waits for something to fail, and looks through that. */
async function fails(where: string, promise: Promise<unknown>): Promise<unknown> {
  const error: unknown = await promise.then(
    () => expect.fail(`${where} should have failed`),
    (reason: unknown) => reason,
  );
  secrets.look(where, error);
  return error;
}

async function killConnections(): Promise<void> {
  const clients = String(await admin.client("LIST")).split("\n");
  for (const client of clients.filter((line) => / user=shop /.test(line))) {
    await admin.client("KILL", "ID", /^id=(\d+)/.exec(client)?.[1] ?? "");
  }
}

describe("no secret is logged or thrown", LIMIT, () => {
  test("when the password is wrong at start, in a URL and in options", async () => {
    for (const provider of [
      { redisUrl: url("hunter3-of-redis") },
      {
        connection: { port: redis.port, username: "shop", password: "hunter3-of-redis" },
      },
    ]) {
      await fails("start", createBus(provider).start());
    }
    secrets.assertNone();
  });

  test("when the options are wrong", () => {
    for (const options of [
      { redisUrl: `http://:${PASSWORD}@host` },
      { redisUrl: `redis://:${PASSWORD}@ho st:99999999` },
      { redisUrl: url(), connection: { password: PASSWORD } },
      { connection: { password: PASSWORD, keyPrefix: "x" } },
    ]) {
      try {
        redisProvider(options);
        expect.fail("should have thrown");
      } catch (error) {
        secrets.look("redisProvider", error);
      }
    }
    secrets.assertNone();
  });

  test("when the password is changed while the bus runs, and the connections break", async () => {
    const bus = createBus();
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await bus.start();
    await bus.emit(MESSAGE);
    await admin.acl("SETUSER", "shop", "resetpass", ">hunter3-of-redis");
    await killConnections();
    await eventually(async () => expect((await bus.health()).status).not.toBe("up"));
    secrets.look("health", await bus.health());
    await fails("emit", bus.emit(MESSAGE));
    await fails("inspect", bus.inspect());
    secrets.assertNone();
  });

  test("when Redis is full, for emits and for settlements", async () => {
    const bus = createBus();
    bus.subscribe(
      "order.placed",
      async () => {
        await admin.config("SET", "maxmemory", "1");
        throw Object.assign(new Error("mail server busy"), { card: CARD, url: url() });
      },
      { subscriberId: "mail", attempts: 2, backoff: 50 },
    );
    await bus.start();
    await bus.emit(MESSAGE);
    await eventually(() => fails("emit", bus.emit(MESSAGE)));
    await fails("emit", bus.emit([MESSAGE, MESSAGE]));
    await fails("the release of a group", stageAndRelease(bus));
    await admin.config("SET", "maxmemory", "0");
    await bus.stop({ graceMs: 0 });
    secrets.assertNone();
  });

  test("when a script fails, for emits, settlements, and looks at dead letters", async () => {
    const bus = createBus();
    bus.subscribe(
      "order.placed",
      async () => {
        await admin.set(key("~:dead:mail"), "of another type");
        throw Object.assign(new Error("fails"), { card: CARD });
      },
      { subscriberId: "mail" },
    );
    await bus.start();
    await bus.emit(MESSAGE);
    await eventually(async () => expect(await admin.get(key("~:dead:mail"))).not.toBeNull());
    await fails("the dead letters", bus.deadLetters.list());
    await admin.set(key("~:version"), "no number");
    await admin.del(key("~:subscriptions"));
    await admin.set(key("~:subscriptions"), "of another type");
    await fails("emit", bus.emit(MESSAGE));
    await fails("retire", bus.retire("mail"));
    secrets.assertNone();
  });

  test("when a command is forbidden", async () => {
    const bus = createBus();
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await bus.start();
    await admin.acl("SETUSER", "shop", "-evalsha", "-eval");
    await fails("emit", bus.emit(MESSAGE));
    secrets.assertNone();
  });

  test("when Redis ends in the middle of a publish, and stays away", async () => {
    const server = await startRedisServer();
    const bus = createBus({ redisUrl: server.url });
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await bus.start();
    const emits = Array.from({ length: 50 }, () =>
      bus.emit(MESSAGE).catch((error: unknown) => secrets.look("emit", error)),
    );
    await server.stop();
    await Promise.all(emits);
    await fails("emit", bus.emit(MESSAGE));
    await fails("a group", stageAndRelease(bus));
    await fails("retire", bus.retire("mail"));
    secrets.look("health", await bus.health());
    secrets.assertNone();
  });

  test("when a job is corrupt", async () => {
    const bus = createBus();
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail", concurrency: 1 });
    await bus.start();
    const paused = createBus();
    await paused.start();
    await bus.pause("mail");
    await paused.emit(MESSAGE);
    const jobs = await eventually(async () => {
      const keys = await admin.keys(key("mail:*"));
      const found: string[] = [];
      for (const it of keys) {
        if ((await admin.type(it)) === "hash" && (await admin.hexists(it, "data"))) found.push(it);
      }
      expect(found.length).toBeGreaterThan(0);
      return found;
    });
    for (const job of jobs) await admin.hset(job, "data", `{"card":"${CARD}`);
    await bus.resume("mail");
    await bus.inspect().catch((error: unknown) => secrets.look("inspect", error));
    await paused.emit({ ...MESSAGE, data: { card: CARD, second: true } });
    await bus.stop({ graceMs: 100 });
    secrets.assertNone();
  });

  test("when handlers fail, time out, throw what is no error, or fail with an error of Redis", async () => {
    const bus = createBus();
    const thrown: readonly unknown[] = [
      Object.assign(new Error("fails"), { card: CARD, config: { password: PASSWORD } }),
      new Error("fails", { cause: Object.assign(new Error("inner"), { params: [CARD] }) }),
      { card: CARD },
      new AggregateError([Object.assign(new Error("one"), { card: CARD })], "several"),
    ];
    for (const [index, value] of thrown.entries()) {
      bus.subscribe("order.placed", () => Promise.reject(value as Error), {
        subscriberId: `fails-${index}`,
        attempts: 2,
      });
    }
    bus.subscribe("order.placed", () => new Promise(() => {}), {
      subscriberId: "hangs",
      timeoutMs: 20,
    });
    bus.subscribe("order.placed", () => admin.call("LPUSH", key("~:version"), CARD) as never, {
      subscriberId: "uses-redis",
    });
    await bus.start();
    await bus.emit(MESSAGE);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toHaveLength(6);
    secrets.assertNone();
  });
});

async function stageAndRelease(bus: EventBus): Promise<void> {
  await bus.emit({ ...MESSAGE, metadata: { ...MESSAGE.metadata, eventGroupId: "group" } });
  await bus.releaseGroupedEvents("group");
}
