// A primary of Redis Sentinel's that goes away under load. What its replica has not received by then is
// lost with it, which no client can change; all else must hold.
import { createEventBus, type EventBus } from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisProviderOptions, redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { Load } from "./support/load.ts";
import { type RedisSentinel, startRedisSentinel } from "./support/redis-sentinel.ts";

const EMIT_TIMEOUT_MS = 1_000;
/** What a busy machine may be late by, in milliseconds. */
const SLACK_MS = 1_000;
const LIMIT = { timeout: 40_000 };
const SUBSCRIPTIONS = ["mail", "stock"] as const;

let sentinel: RedisSentinel;
let users: Redis;
let bus: EventBus | undefined;
let count = 0;

beforeAll(async () => {
  sentinel = await startRedisSentinel({ name: "shop" });
  users = new Redis(sentinel.connection);
  users.on("error", () => {});
}, 30_000);
afterAll(async () => {
  users.disconnect();
  await sentinel.stop();
});
afterEach(async () => {
  await bus?.stop({ graceMs: 0 });
  await sentinel.heal();
}, 30_000);

interface Fault {
  /** Resolves when the primary accepts nothing any more. */
  readonly begin: () => Promise<void>;
  /** Whether the replica has by then all that was accepted. */
  readonly isCopied: boolean;
}

const FAULTS = {
  "is killed": {
    begin: async () => (await sentinel.primary()).kill(),
    isCopied: false,
  },
  "hangs, with a sentinel on the same machine": {
    async begin() {
      sentinel.sentinels[0]!.freeze();
      (await sentinel.primary()).freeze();
    },
    isCopied: false,
  },
  "is replaced while writes pause": {
    async begin() {
      const primary = sentinel.client(await sentinel.primary());
      await sentinel.caughtUp();
      await primary.call("CLIENT", "PAUSE", 5_000, "WRITE");
      await sentinel.client(sentinel.sentinels[0]!).call("SENTINEL", "FAILOVER", "shop");
    },
    isCopied: true,
  },
} satisfies Readonly<Record<string, Fault>>;

describe("a bus on Redis Sentinel", () => {
  test.for([
    ["options", "is killed"],
    ["a client of the user's", "hangs, with a sentinel on the same machine"],
    ["options", "is replaced while writes pause"],
  ] as const)("given %s, goes on by itself when the primary %s", LIMIT, async ([given, fault]) => {
    const handled = { mail: new Set<string>(), stock: new Set<string>() };
    bus = createBus(given === "options" ? sentinel.connection : users, handled);
    await bus.start();
    const load = new Load(bus, "order.placed");

    load.start();
    await load.more(200);
    // A backlog has to outlive the primary, too.
    await bus.pause("stock");
    await load.more(200);
    await load.stop();
    await sentinel.caughtUp();
    const copied = load.accepted.length;
    load.start();
    await load.more(50);
    const former = await sentinel.primary();
    await FAULTS[fault].begin();
    const brokenAt = performance.now();
    await sentinel.failedOver(former);
    const from = performance.now();
    await load.more(200);
    const againAfterMs = performance.now() - from;
    await load.stop();
    await bus.resume("stock");

    const mustHold = load.accepted.filter(
      ({ begunAt }, at) => FAULTS[fault].isCopied || at < copied || begunAt > brokenAt,
    );
    expect(mustHold.length).toBeGreaterThanOrEqual(copied + 150);
    await eventually(() => {
      for (const ids of Object.values(handled)) {
        expect(mustHold.filter(({ id }) => !ids.has(id))).toEqual([]);
      }
    });
    await bus.settled({ timeoutMs: 10_000 });
    expect((await bus.health()).status).toBe("up");
    expect(load.slowestMs).toBeLessThan(EMIT_TIMEOUT_MS + SLACK_MS);
    expect(users.status).not.toBe("end");
    const lost = load.accepted.filter(({ id }) => !handled.mail.has(id) || !handled.stock.has(id));
    console.log(
      `primary ${fault}: of ${mustHold.length} emits that must hold lost 0; of ` +
        `${load.accepted.length - mustHold.length} others, around the failover, ${lost.length}; ` +
        `${load.rejected} rejected; 200 more accepted ${Math.round(againAfterMs)} ms after it`,
    );
  });
});

function createBus(
  connection: RedisProviderOptions["connection"],
  handled: Readonly<Record<string, Set<string>>>,
): EventBus {
  const timing = { lockDurationMs: 1_000, stalledCheckMs: 300, commandTimeoutMs: 500 };
  count += 1;
  const created = createEventBus({
    name: `sentinel-${count}`,
    provider: redisProvider({ connection, ...timing }),
    emitTimeoutMs: EMIT_TIMEOUT_MS,
  });
  for (const subscriberId of SUBSCRIPTIONS) {
    const subscriber = ({ id }: { readonly id: string }): void =>
      void handled[subscriberId]?.add(id);
    created.subscribe("order.placed", subscriber, { subscriberId });
  }
  return created;
}
