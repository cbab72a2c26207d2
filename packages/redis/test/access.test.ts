import { createEventBus, type EventBus, isBusbarError } from "@busbar/core";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { documentedRights } from "./support/documented-rights.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const EMIT_TIMEOUT_MS = 500;

let redis: RedisServer;
let admin: Redis;
let bus: EventBus | undefined;

beforeAll(async () => {
  redis = await startRedisServer({ config: { requirepass: "admin" } });
  admin = new Redis(redis.url, { password: "admin" });
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});
beforeEach(async () => {
  await allow("reset", ...documentedRights({ bus: "shop" }));
  await admin.acl("LOG", "RESET");
});
afterEach(() => bus?.stop({ graceMs: 0 }));

function allow(...rights: readonly string[]): Promise<unknown> {
  return admin.call("ACL", "SETUSER", "shop", ...rights);
}

function createBus(credentials: string): EventBus {
  const redisUrl = `redis://${credentials}127.0.0.1:${redis.port}`;
  bus = createEventBus({
    name: "shop",
    provider: redisProvider({ redisUrl, lockDurationMs: 1_000, stalledCheckMs: 300 }),
    emitTimeoutMs: EMIT_TIMEOUT_MS,
  });
  return bus;
}

/** What a promise rejects with, which has to be soon: not after the minute of a Redis that is away. */
async function refusal(promise: Promise<unknown>): Promise<unknown> {
  const from = performance.now();
  const error: unknown = await promise.catch((caught: unknown) => caught);
  expect(performance.now() - from).toBeLessThan(EMIT_TIMEOUT_MS + 2_000);
  return error;
}

describe("a Redis with access lists", () => {
  test("lets a user with the documented rights do everything", async () => {
    const shop = createBus("shop:secret@");
    let isBroken = true;
    const seen: unknown[] = [];
    shop.subscribe(
      "order.placed",
      ({ data }) => {
        if (isBroken) throw new Error("busy");
        seen.push(data);
      },
      { subscriberId: "mail", attempts: 2, backoff: 10 },
    );
    const rate = { max: 100, perMs: 10 };
    shop.subscribe("order.placed", () => {}, { subscriberId: "ledger", ordering: "all", rate });
    await shop.start();
    await shop.schedules.set("nightly", { cron: "0 2 * * *", event: "report.wanted", data: {} });
    await shop.schedules.trigger("nightly");
    expect((await shop.schedules.list()).length).toBe(1);
    await shop.schedules.remove("nightly");
    await shop.emit("order.placed", 1, { deduplicationId: "one", orderingKey: "a" });
    await shop.emit("order.placed", 2, { delay: 20, priority: "high" });
    await shop.emit({ name: "order.placed", data: 3, metadata: { eventGroupId: "group" } });
    await shop.releaseGroupedEvents("group");
    await eventually(async () => expect((await shop.deadLetters.list()).items.length).toBe(3));
    isBroken = false;
    await shop.deadLetters.replay("mail");
    await eventually(() => expect(new Set(seen)).toEqual(new Set([1, 2, 3])));
    const [late] = await shop.emit("order.placed", 4, { delay: 60_000, to: ["ledger"] });
    expect(await shop.cancel(late)).toBe(1);
    await shop.inspect();
    await shop.retire("ledger");
    expect((await shop.health()).status).toBe("up");
    expect(await admin.acl("LOG")).toEqual([]);
  });

  test.for([
    ["a wrong password", "shop:wrong@", /WRONGPASS/],
    ["an unknown user", "nobody:secret@", /WRONGPASS/],
    ["no password", "", /NOAUTH/],
  ] as const)("refuses %s, which start says at once", async ([, credentials, reason]) => {
    expect(await refusal(createBus(credentials).start())).toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      message: expect.stringMatching(reason) as string,
    });
  });

  test.for([
    ["scripts", "-@scripting"],
    ["the keys", "resetkeys"],
  ])("refuses who lacks the right to %s, which start says at once", async ([, right]) => {
    await allow(right!);
    const shop = createBus("shop:secret@");
    shop.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    expect(await refusal(shop.start())).toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      message: expect.stringMatching(/NOPERM/) as string,
    });
  });

  test("may change the password under a bus, which goes on once it is the right one", async () => {
    const shop = createBus("shop:secret@");
    const seen: unknown[] = [];
    shop.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await shop.start();
    await allow("resetpass", ">other");
    await admin.client("KILL", "USER", "shop");
    await eventually(async () => expect((await shop.health()).status).toBe("down"));
    const error = await refusal(shop.emit("order.placed", 1));
    expect(isBusbarError(error)).toBe(true);
    await allow(">secret");
    await eventually(() => shop.emit("order.placed", 2));
    await eventually(() => expect(seen).toContain(2));
    expect((await shop.health()).status).toBe("up");
  });
});
