import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { addDuration, createHistogram, quantile } from "../src/recorder/histogram.ts";
import { mergeRuns } from "../src/recorder/merge-runs.ts";
import { recorder } from "../src/recorder/recorder.ts";

describe("a histogram", () => {
  test("finds quantiles that are at most 19 % too high", () => {
    const histogram = createHistogram();
    for (let ms = 1; ms <= 1_000; ms += 1) addDuration(histogram, ms);
    for (const [share, exact] of [
      [0.5, 500],
      [0.95, 950],
      [0.99, 990],
    ] as const) {
      const found = quantile(histogram, share)!;
      expect(found).toBeGreaterThanOrEqual(exact);
      expect(found).toBeLessThanOrEqual(exact * 1.2);
    }
    expect(quantile(createHistogram(), 0.5)).toBeNull();
  });

  test("takes any number", () => {
    const histogram = createHistogram();
    for (const ms of [0, -1, Number.NaN, 1e12, Number.POSITIVE_INFINITY])
      addDuration(histogram, ms);
    expect(histogram.reduce((sum, count) => sum + count, 0)).toBe(5);
  });
});

describe("a recorder", () => {
  test("counts the runs of each subscription, and those of the last 5 minutes apart", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const plugin = recorder();
    const bus = createEventBus({ provider: localProvider(), plugins: [plugin], logger: false });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    bus.subscribe("a", () => undefined, { subscriberId: "__proto__" });
    bus.subscribe("a", () => Promise.reject(new Error("no")), { subscriberId: "fails" });
    await bus.start();
    await bus.emit("a", {});
    await bus.settled();
    const runs = () => mergeRuns([{ plugins: { [plugin.name]: plugin.report!() } }], "dashboard");
    expect(runs().get("__proto__")).toMatchObject({ delivered: 1, failed: 0, dead: 0 });
    expect(runs().get("fails")).toMatchObject({ delivered: 0, failed: 1, dead: 1 });
    expect(runs().get("fails")!.p95Ms).toBeGreaterThan(0);
    expect(runs().get("fails")!.perSecond.failed).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(299_000);
    expect(runs().get("fails")!.p95Ms).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(runs().get("fails")).toMatchObject({ failed: 1, p95Ms: null, perSecond: { failed: 0 } });
  });
});

describe("the runs of several processes", () => {
  const report = (delivered: number, durations: number[]) => ({
    windowMs: 10_000,
    runs: [
      {
        subscriberId: "a",
        delivered,
        failed: 0,
        dead: 0,
        recent: { delivered, failed: 0, durations },
      },
    ],
  });

  test("are added up, once for a process that has two recorders", () => {
    const runs = mergeRuns(
      [
        { plugins: { dashboard: report(10, [0, 10]), "dashboard-recorder": report(10, [0, 10]) } },
        { plugins: { "dashboard-recorder": report(30, [40, 30]) } },
        { plugins: {} },
      ],
      "dashboard",
    );
    expect(runs.get("a")).toMatchObject({ delivered: 40, perSecond: { delivered: 4 }, p50Ms: 102 });
  });

  test("ignore what they cannot read", () => {
    const strange = [
      { runs: 1 },
      { runs: [null, 1, [], {}] },
      {
        windowMs: -1,
        runs: [{ subscriberId: "a", delivered: "x", recent: { durations: [1e9, 5, 1] } }],
      },
    ];
    for (const plugin of strange) {
      const runs = mergeRuns([{ plugins: { dashboard: plugin as never } }], "dashboard");
      expect([undefined, 0]).toContain(runs.get("a")?.delivered);
    }
  });
});
