import { describe, expect, test } from "vitest";
import { definePlugin } from "../../src/contract/plugin.ts";
import { createEventBus } from "../../src/event-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { memoryProvider, providerLike, startTestBus, type TestBus } from "../support/test-bus.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** A bus on a server whose clock goes right, and how long that takes to answer. */
async function startOnServer(answersAfterMs = 0): Promise<TestBus> {
  let serverNow = (): number => Date.UTC(2026, 0, 1);
  let wait = async (): Promise<void> => {};
  const provider = providerLike(memoryProvider(), {
    async serverTime() {
      await wait();
      const time = serverNow();
      await wait();
      return time;
    },
  });
  const plugin = definePlugin({ name: "rows", serverTime: async () => serverNow() });
  const test = await startTestBus({ provider, plugins: [plugin] });
  // The first look has ended.
  await idle();
  const { clock } = test;
  const startedAt = clock.now() - clock.monotonic();
  serverNow = () => startedAt + clock.monotonic();
  wait = () => new Promise((resolve) => clock.setTimeout(resolve, answersAfterMs / 2));
  return test;
}

async function skewsOf({ bus }: TestBus): Promise<readonly (readonly [string, number])[]> {
  const { clockSkews = [] } = await bus.health();
  return clockSkews.map(({ server, aheadMs }) => [server, aheadMs]);
}

function warningsIn({ logger }: TestBus): readonly string[] {
  return logger.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
}

describe("the clocks of servers", () => {
  test("are looked at every minute, and shown", async () => {
    const test = await startOnServer();
    test.clock.stepWall(1_234);
    await test.clock.advance(MINUTE_MS);
    expect(await skewsOf(test)).toEqual([
      ['provider "memory"', 1_234],
      ['plugin "rows"', 1_234],
    ]);
    expect(warningsIn(test)).toEqual([]);
    expect(await test.bus.health()).toMatchObject({ status: "up", detail: undefined });
  });

  test("are warned of once if they differ by more than 5 s, and again when that changes", async () => {
    const test = await startOnServer();
    test.clock.stepWall(-HOUR_MS);
    await test.clock.advance(3 * MINUTE_MS);
    expect(warningsIn(test)).toHaveLength(2);
    expect(warningsIn(test).join()).toContain(
      'The clock of this process is 3600 s behind that of provider "memory"',
    );
    expect((await test.bus.health()).detail).toContain("3600 s behind");
    test.clock.stepWall(2 * HOUR_MS);
    await test.clock.advance(2 * MINUTE_MS);
    expect(warningsIn(test)).toHaveLength(4);
    expect(warningsIn(test)[2]).toContain("3600 s ahead of");
    test.clock.stepWall(-HOUR_MS);
    await test.clock.advance(MINUTE_MS);
    expect(warningsIn(test)).toHaveLength(4);
    expect((await test.bus.health()).detail).toBeUndefined();
    expect(test.logger.lines.at(-1)).toMatchObject({ level: "info" });
  });

  test("are compared without the time that the answer took", async () => {
    const test = await startOnServer(8_000);
    test.clock.stepWall(6_000);
    await test.clock.advance(MINUTE_MS + 8_000);
    expect((await skewsOf(test))[0]).toEqual(['provider "memory"', 6_000]);
    // Half of the way is how wrong that may be.
    expect(warningsIn(test)).toEqual([expect.stringContaining('plugin "rows"')]);
  });

  test("are not looked at after a stop, nor where there is no server", async () => {
    const test = await startOnServer();
    await test.bus.stop();
    expect(test.clock.pendingTimers()).toBe(0);
    const { bus, clock } = await startTestBus();
    expect(clock.pendingTimers({ keepAlive: false })).toBe(0);
    expect(await bus.health()).not.toHaveProperty("clockSkews");
  });
});

test("a clock that was written for an earlier release gets the system's monotonic time", async () => {
  const fired: string[] = [];
  const clock = {
    now: () => Date.now() - HOUR_MS,
    setTimeout(callback: () => void, delayMs: number) {
      const timeout = setTimeout(callback, delayMs);
      return { cancel: () => clearTimeout(timeout) };
    },
  };
  const bus = createEventBus({ provider: memoryProvider(), clock: clock as never });
  bus.subscribe("order.placed", () => void fired.push("now"), { subscriberId: "mail" });
  await bus.start();
  await bus.emit("order.placed", {}, { delay: 5 });
  await bus.settled();
  await idle();
  expect(fired).toEqual(["now"]);
  await bus.stop();
});
