import { createEventBus, type EventBus } from "@busbar/core";
import { type Clock, systemClock } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { outbox, type OutboxOptions } from "../src/outbox.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DELAY_MS = 300;

/** The system's clock, but for a wall clock that is off. */
function clockAhead(ms: number): Clock {
  return { ...systemClock, now: () => Date.now() + ms };
}

describe.each(databases)("on %s, an emitter whose clock is off", (_, createDatabase) => {
  let database: TestDatabase;
  const buses: EventBus[] = [];
  const seen = new Map<unknown, number>();

  beforeEach(async () => {
    database = await createDatabase();
    seen.clear();
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.stop({ graceMs: 500 })));
    await database.close();
  });

  async function start(
    options: Omit<OutboxOptions<never>, "store">,
    clock: Clock,
  ): Promise<EventBus> {
    const plugins = [outbox({ store: database.createStore(), ...options })];
    const bus = createEventBus({ provider: localProvider(), plugins, clock });
    bus.subscribe("**", ({ data }) => void seen.set(data, performance.now()), {
      subscriberId: "all",
    });
    await bus.start();
    buses.push(bus);
    return bus;
  }

  test.each([
    ["10 minutes ahead", 10 * MINUTE_MS],
    ["10 minutes behind", -10 * MINUTE_MS],
    ["32 days ahead", 32 * DAY_MS],
  ])("by being %s delays by no more and no less", async (_name, aheadMs) => {
    await start({ relay: { pollEveryMs: 50 } }, systemClock);
    const emitter = await start({ relay: false }, clockAhead(aheadMs));
    const from = performance.now();
    await database.transaction(async (tx) => {
      const staging = emitter.withTransaction(tx);
      await staging.emit("order.placed", "at once");
      await staging.emit("order.placed", "later", { delay: DELAY_MS });
    });
    await until(() => seen.size === 2, "both events", 5_000);
    expect((seen.get("later") ?? 0) - from).toBeGreaterThanOrEqual(DELAY_MS - 3);
    expect((seen.get("at once") ?? 0) - from).toBeLessThan(DELAY_MS + 2_000);
  });

  test("stages groups whose delays count from the release", async () => {
    await start({ relay: { pollEveryMs: 50 } }, systemClock);
    const emitter = await start({ relay: false }, clockAhead(32 * DAY_MS));
    const metadata = { eventGroupId: "g" };
    await emitter.emit({
      name: "order.placed",
      data: "later",
      metadata,
      options: { delay: DELAY_MS },
    });
    const from = performance.now();
    await emitter.releaseGroupedEvents("g");
    await until(() => seen.size === 1, "the event", 5_000);
    expect((seen.get("later") ?? 0) - from).toBeGreaterThanOrEqual(DELAY_MS - 3);
  });

  test("is told so by the health of its bus", async () => {
    const emitter = await start({ relay: false }, clockAhead(-10 * MINUTE_MS));
    await until(async () => (await emitter.health()).clockSkews !== undefined, "a look");
    const [skew] = (await emitter.health()).clockSkews ?? [];
    expect(skew?.server).toBe('plugin "outbox"');
    expect(Math.abs((skew?.aheadMs ?? 0) + 10 * MINUTE_MS)).toBeLessThan(5_000);
  });
});
