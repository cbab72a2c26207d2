import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/contract/clock.ts";

const DAY_MS = 86_400_000;

describe("systemClock", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("tells the time in milliseconds since the epoch", () => {
    vi.setSystemTime(1_700_000_000_000);
    expect(systemClock.now()).toBe(1_700_000_000_000);
  });

  test("calls back once, after the delay", () => {
    const callback = vi.fn();
    systemClock.setTimeout(callback, 100);
    vi.advanceTimersByTime(99);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("counts 60 days, which Node's timers cannot", () => {
    const callback = vi.fn();
    systemClock.setTimeout(callback, 60 * DAY_MS);
    vi.advanceTimersByTime(60 * DAY_MS - 1);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("cancels a timer, in a later part of a long delay too", () => {
    const callback = vi.fn();
    const short = systemClock.setTimeout(callback, 100);
    const long = systemClock.setTimeout(callback, 60 * DAY_MS);
    short.cancel();
    vi.advanceTimersByTime(40 * DAY_MS);
    long.cancel();
    long.cancel();
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(callback).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("keeps the process alive only when asked to", () => {
    vi.useRealTimers();
    const referenced = () => process.getActiveResourcesInfo().filter((it) => it === "Timeout");
    const before = referenced().length;
    const housekeeping = systemClock.setTimeout(() => {}, 60_000);
    expect(referenced().length).toBe(before);
    const promised = systemClock.setTimeout(() => {}, 60_000, { keepAlive: true });
    expect(referenced().length).toBe(before + 1);
    promised.cancel();
    housekeeping.cancel();
  });
});
