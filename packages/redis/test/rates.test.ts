import { randomUUID } from "node:crypto";
import { createEventBus, type EventBus } from "@busbar/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { createRates } from "../src/rates/rates.ts";
import { redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { subscription } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

describe("the rate of a subscription", () => {
  test("keeps as many starts as the largest rate asks for, until its window is over", async () => {
    const session = await open();
    const { keys, redis } = session;
    const rates = createRates(session);
    const narrow = { max: 2, perMs: 600_000, horizonMs: 0 };
    const wide = { max: 5, perMs: 300_000, horizonMs: 0 };
    const first = await rates.reserve("mail", { ...narrow, count: 3 });
    expect(first.waitsMs).toEqual([0, 0]);
    expect(first.retryAfterMs).toBeGreaterThan(599_000);
    expect((await rates.reserve("mail", { ...wide, count: 9 })).waitsMs).toEqual([0, 0, 0]);
    expect((await rates.reserve("mail", { ...narrow, count: 1 })).waitsMs).toEqual([]);
    const many = { max: 5, perMs: 1, horizonMs: 60_000 };
    expect((await rates.reserve("mail", { ...many, count: 100 })).waitsMs).toHaveLength(100);
    // The starts, and how many are kept.
    expect(await redis.zcard(keys.rate("mail"))).toBe(6);
    expect(await redis.pttl(keys.rate("mail"))).toBeGreaterThan(500_000);
  });

  test("is counted under its present id, and forgotten when the subscription is retired", async () => {
    const session = await open();
    const { keys, redis, registry } = session;
    const rates = createRates(session);
    const limit = { max: 3, perMs: 60_000, horizonMs: 0, count: 1 };
    await registry.declare([subscription("mail")]);
    expect((await rates.reserve("mail", limit)).waitsMs).toEqual([0]);
    const narrow = { ...limit, max: 2, perMs: 1_000 };
    expect((await rates.reserve("post", narrow)).waitsMs).toEqual([0]);
    await registry.declare([subscription("post", { aliases: ["mail"] })]);
    expect(await redis.exists(keys.rate("mail"))).toBe(0);
    expect(await redis.zscore(keys.rate("post"), "max")).toBe("-3");
    expect(await redis.pttl(keys.rate("post"))).toBeGreaterThan(50_000);
    expect((await rates.reserve("post", limit)).waitsMs).toEqual([0]);
    expect((await rates.reserve("mail", limit)).waitsMs).toEqual([]);
    await registry.retire("post", { backlog: "discard" });
    expect(await redis.exists(keys.rate("post"))).toBe(0);
  });

  test("goes on when the clock of Redis was set back", async () => {
    const session = await open();
    const { keys, redis } = session;
    const rates = createRates(session);
    const limit = { max: 2, perMs: 10_000, count: 2, horizonMs: 1_000 };
    await rates.reserve("mail", limit);
    const [max, ...starts] = await redis.zrange(keys.rate("mail"), "0", "-1");
    expect(max).toBe("max");
    for (const start of starts) await redis.zincrby(keys.rate("mail"), 3_600_000, String(start));
    await redis.pexpire(keys.rate("mail"), 3_610_000);
    const { waitsMs, retryAfterMs } = await rates.reserve("mail", limit);
    expect(waitsMs).toEqual([]);
    expect(retryAfterMs).toBeLessThanOrEqual(10_000);
    expect(await redis.pttl(keys.rate("mail"))).toBeLessThan(20_000);
    expect(await redis.zcard(keys.rate("mail"))).toBe(3);
  });

  test("holds for three buses together, within 5 % over two seconds, with few requests", async () => {
    const session = await open();
    const name = `rate-${randomUUID()}`;
    const redisUrl = session.options.source as string;
    const starts: number[] = [];
    const buses: EventBus[] = [];
    onTestFinished(async () => {
      await Promise.all(buses.map((bus) => bus.stop({ graceMs: 0 })));
    });
    for (let index = 0; index < 3; index += 1) {
      const bus = createEventBus({ name, provider: redisProvider({ redisUrl }), logger: false });
      bus.subscribe("a", () => void starts.push(performance.now()), {
        subscriberId: "mail",
        rate: { max: 10, perMs: 100 },
        concurrency: 100,
      });
      buses.push(bus);
    }
    await buses[0]?.start();
    await buses[0]?.pause("mail", { everywhere: true });
    await buses[0]?.emit(Array.from({ length: 400 }, (_, data) => ({ name: "a", data })));
    await Promise.all(buses.map((bus) => bus.start()));
    const callsBefore = await reservations(session);
    await buses[0]?.resume("mail", { everywhere: true });
    await eventually(() => expect(starts.length).toBeGreaterThan(0));
    const from = starts[0] as number;
    await eventually(() => expect(performance.now() - from).toBeGreaterThan(2_050));
    const count = starts.filter((at) => at < from + 1_995).length;
    expect(count).toBeGreaterThanOrEqual(190);
    expect(count).toBeLessThanOrEqual(210);
    // Each process asks about twice a second, not once for each start.
    expect((await reservations(session)) - callsBefore).toBeLessThan(40);
  });
});

/** How many starts were reserved so far, in how many calls: each call has one PTTL. */
async function reservations({
  redis,
}: {
  readonly redis: { info(part: string): Promise<string> };
}) {
  const info = await redis.info("commandstats");
  return Number(/cmdstat_pttl:calls=(\d+)/.exec(info)?.[1] ?? 0);
}
