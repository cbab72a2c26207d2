import { describe, expect, onTestFinished, test } from "vitest";
import { createEventBus } from "../../src/event-bus.ts";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import { memoryProvider, providerLike } from "../support/test-bus.ts";

/** Runs a subscriber that fails at first, and tells how long the bus waits on which of two clocks. */
async function waitOf(
  provider: EventProvider,
  clock: ManualClock,
  options: Partial<Pick<EventBusOptions, "clock" | "random">> = {},
): Promise<number> {
  const bus = createEventBus({ provider, ...options });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  const runs: number[] = [];
  bus.subscribe(
    "order.placed",
    () => {
      runs.push(clock.now());
      if (runs.length === 1) throw new Error("the mail server is busy");
    },
    {
      subscriberId: "mail",
      attempts: 2,
      backoff: { type: "fixed", delay: 100, jitter: 1 },
    },
  );
  await bus.start();
  await bus.emit("order.placed", {});
  await clock.advance(100);
  return (runs[1] ?? Number.NaN) - (runs[0] ?? Number.NaN);
}

describe("a provider with a clock of its own", () => {
  test("gives the bus its time and its chance", async () => {
    const clock = createManualClock();
    const provider = providerLike(memoryProvider(), { clock, random: () => 0.75 });
    expect(await waitOf(provider, clock)).toBe(25);
  });

  test("does not when the bus is given others", async () => {
    const clock = createManualClock();
    const others = { clock: createManualClock(), random: () => 0.75 };
    const provider = providerLike(memoryProvider(), others);
    expect(await waitOf(provider, clock, { clock, random: () => 0.5 })).toBe(50);
  });
});
