import { createEventBus, type EventBus } from "@busbar/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { testingProvider, type TestingProvider } from "../src/index.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A running bus with one schedule and one subscription, a minute before midnight in UTC. */
async function startBus(
  timeoutMs?: number,
): Promise<{ readonly bus: EventBus; readonly provider: TestingProvider }> {
  const provider = testingProvider({ startAt: Date.parse("2026-03-28T22:59:00Z"), timeoutMs });
  const bus = createEventBus({
    provider,
    logger: false,
    schedules: { tick: { cron: "* * * * *", event: "tick", data: {} } },
  });
  bus.subscribe("tick", () => {}, { subscriberId: "ticks" });
  onTestFinished(() => bus.stop());
  await bus.start();
  return { bus, provider };
}

describe("a schedule in virtual time", () => {
  test("emits as time is moved on, and the emits are recorded", async () => {
    const { provider } = await startBus();
    expect(provider.emitted("tick")).toEqual([]);
    await provider.advance(HOUR);
    expect(new Set(provider.emitted("tick").map(({ id }) => id)).size).toBe(60);
    expect(provider.deliveries("ticks")).toHaveLength(60);
  });

  test("is nothing that drain() or settled() waits for", async () => {
    const { bus, provider } = await startBus();
    await provider.drain();
    await bus.settled();
    expect(provider.emitted()).toEqual([]);
  });

  test("does not keep drain() from giving up", async () => {
    const { bus, provider } = await startBus(300);
    await bus.pause("ticks");
    await bus.emit("tick", {});
    await expect(provider.drain()).rejects.toThrow(/ticks: /);
  });

  test("meets the faults of a publish", async () => {
    const { bus, provider } = await startBus();
    provider.rejectPublish({ times: 1 });
    await provider.advance(MINUTE);
    expect(provider.emitted("tick")).toEqual([]);
    expect((await bus.schedules.get("tick"))?.lastError).toMatchObject({ attempts: 1 });
    provider.timeOutPublish({ accepted: true, times: 1 });
    await provider.advance(1_000);
    await provider.advance(2 * MINUTE);
    expect(provider.emitted("tick").map(({ id }) => id.slice(-13, -8))).toEqual([
      "23:00",
      "23:01",
      "23:02",
    ]);
  });
});
