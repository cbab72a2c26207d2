import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  allowedBy,
  nextAllowedAt,
  type Rate,
  type RateWindow,
  withAttempts,
} from "../../src/deliver/rate.ts";

/** Begins as many attempts as are wanted and allowed at each moment. Returns when each began. */
function run(rate: Rate, moments: readonly (readonly [at: number, wanted: number])[]): number[] {
  let window: RateWindow = [];
  const starts: number[] = [];
  for (const [at, wanted] of moments) {
    const count = Math.min(wanted, allowedBy(rate, window, at));
    if (count > 0) window = withAttempts(rate, window, at, count);
    starts.push(...Array.from({ length: count }, () => at));
    expect(window.length).toBeLessThanOrEqual(22);
  }
  return starts;
}

describe("a rate", () => {
  test("allows as many attempts as it says, and more a period later", () => {
    const rate = { max: 3, perMs: 1_000 };
    const moments = [
      [0, 2],
      [400, 2],
      [999, 5],
      [1_000, 5],
      [1_400, 5],
    ] as const;
    expect(run(rate, moments)).toEqual([0, 0, 400, 1_000, 1_000, 1_400]);
  });

  test("says when the next attempt may begin", () => {
    const rate = { max: 2, perMs: 1_000 };
    const one = withAttempts(rate, [], 0, 1);
    expect(nextAllowedAt(rate, one, 10)).toBe(10);
    const two = withAttempts(rate, one, 300, 1);
    expect(nextAllowedAt(rate, two, 400)).toBe(1_000);
    expect(nextAllowedAt({ ...rate, max: 1 }, two, 400)).toBe(1_300);
  });

  test("never allows more in any period, and is not far below it when there is enough to do", () => {
    const steps = fc.array(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 20 })), {
      minLength: 20,
      maxLength: 300,
    });
    const rates = fc.record({
      max: fc.integer({ min: 1, max: 50 }),
      perMs: fc.integer({ min: 1, max: 2_000 }),
    });
    fc.assert(
      fc.property(rates, steps, (rate, waits) => {
        let at = 0;
        const starts = run(
          rate,
          waits.map(([wait, wanted]) => [(at += wait), wanted] as const),
        );
        for (let index = 0; index + rate.max < starts.length; index += 1) {
          expect(starts[index + rate.max]! - starts[index]!).toBeGreaterThanOrEqual(rate.perMs);
        }
      }),
    );
    const everyMs = Array.from({ length: 10_000 }, (_, ms) => [ms, 100] as const);
    expect(run({ max: 100, perMs: 1_000 }, everyMs).length).toBeGreaterThanOrEqual(1_000);
    const oneByOne = Array.from({ length: 10_000 }, (_, ms) => [ms, 1] as const);
    expect(run({ max: 100, perMs: 1_000 }, oneByOne).length).toBeGreaterThanOrEqual(900);
  });
});
