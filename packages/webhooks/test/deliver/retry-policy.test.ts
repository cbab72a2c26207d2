import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RetryPolicy } from "../../src/contract/retry-policy.ts";
import { type FailedAttempt, nextAttempt, retryAfter } from "../../src/deliver/retry-policy.ts";

const DAY = 86_400_000;
const failed: FailedAttempt = {
  retriesMade: 0,
  since: 1_000,
  now: 1_000,
  result: { retryable: true, errorClass: "http_5xx" },
  random: () => 0.5,
};

/** The delays of a policy until it ends. */
function delaysOf(policy: RetryPolicy, attempt: Partial<FailedAttempt> = {}): number[] {
  const delays: number[] = [];
  for (let retriesMade = 0; retriesMade < 100; retriesMade += 1) {
    const delay = nextAttempt(policy, { ...failed, ...attempt, retriesMade });
    if (delay === undefined) break;
    delays.push(delay);
  }
  return delays;
}

/** Any policy within the bounds that a subscription may have. */
const limits = {
  maxAgeMs: fc.option(fc.integer({ min: 0, max: 30 * DAY }), { nil: undefined }),
  retryAfterMaxMs: fc.option(fc.integer({ min: 0, max: 7 * DAY }), { nil: undefined }),
  jitter: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
};
const ms = fc.integer({ min: 0, max: 7 * DAY });
const maxMs = fc.option(ms, { nil: undefined });
const retries = fc.integer({ min: 0, max: 2_000 });
const policies: fc.Arbitrary<RetryPolicy> = fc.oneof(
  fc.record({ type: fc.constantFrom("standard", "mageos", "none"), ...limits }),
  fc.record({
    type: fc.constant("schedule"),
    delaysMs: fc.array(ms, { maxLength: 30 }),
    ...limits,
  }),
  fc.record({ type: fc.constant("linear"), retries, stepMs: ms, maxMs, ...limits }),
  fc.record({
    type: fc.constant("exponential"),
    retries,
    initialMs: ms,
    factor: fc.option(fc.double({ min: 1, max: 100, noNaN: true }), { nil: undefined }),
    maxMs,
    ...limits,
  }),
) as fc.Arbitrary<RetryPolicy>;
const attempts: fc.Arbitrary<FailedAttempt> = fc.record({
  retriesMade: fc.nat({ max: 3_000 }),
  since: fc.nat({ max: 100 * DAY }),
  now: fc.integer({ min: 100 * DAY, max: 200 * DAY }),
  result: fc.record(
    {
      retryable: fc.boolean(),
      // What third parties make of nonsense.
      retryAfterMs: fc.oneof(fc.double(), fc.integer()),
      status: fc.integer({ min: 100, max: 599 }),
      errorClass: fc.constantFrom("http_5xx", "http_429", "timeout", "dns_error", "throttled"),
    },
    { requiredKeys: ["retryable"] },
  ),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }).map((each) => () => each),
});

describe("nextAttempt", () => {
  test("follows the schedule of Standard Webhooks", () => {
    expect(delaysOf({ type: "standard" })).toEqual(
      [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map((s) => s * 1_000),
    );
  });

  test("retries as Mage-OS does, without jitter", () => {
    const delays = [1_000, 4_000, 9_000, 16_000, 25_000];
    expect(delaysOf({ type: "mageos" }, { random: () => 0 })).toEqual(delays);
  });

  test("grows exponentially up to a limit, as many times as it is told", () => {
    const policy = { type: "exponential", retries: 5, initialMs: 100 } as const;
    expect(delaysOf(policy)).toEqual([100, 200, 400, 800, 1_600]);
    expect(delaysOf({ ...policy, factor: 3, maxMs: 1_000 })).toEqual([100, 300, 900, 1_000, 1_000]);
    expect(delaysOf({ ...policy, initialMs: 3_000_000 })[1]).toBe(3_600_000);
  });

  test("grows by steps up to a limit", () => {
    const policy = { type: "linear", retries: 4, stepMs: 1_000, maxMs: 3_000 } as const;
    expect(delaysOf(policy)).toEqual([1_000, 2_000, 3_000, 3_000]);
  });

  test("takes a schedule of one's own, and none", () => {
    expect(delaysOf({ type: "schedule", delaysMs: [7, 5] })).toEqual([7, 5]);
    expect(delaysOf({ type: "none" })).toEqual([]);
  });

  test("makes delays a fifth shorter or longer at random", () => {
    const between = (random: number): number | undefined =>
      nextAttempt({ type: "standard" }, { ...failed, random: () => random });
    expect([between(0), between(0.5), between(0.999_999)]).toEqual([4_000, 5_000, 6_000]);
  });

  test("spreads the delays that are at their limit, too", () => {
    const policy = { type: "linear", retries: 9, stepMs: 1_000, maxMs: 1_000 } as const;
    const delays = [0, 0.25, 0.75, 1].map((random) =>
      nextAttempt(policy, { ...failed, random: () => random }),
    );
    expect(delays).toEqual([800, 900, 900, 800]);
  });

  test.each([
    ["a time-out", { errorClass: "timeout" }],
    ["a time-out of the connection", { errorClass: "connect_timeout" }],
    ["an answer 429", { status: 429 }],
    ["a throttled request", { errorClass: "throttled" }],
  ] as const)("waits at least 60 s after %s", (_name, result) => {
    const attempt = { ...failed, result: { retryable: true, retryAfterMs: 1_000, ...result } };
    expect(nextAttempt({ type: "mageos" }, attempt)).toBe(60_000);
    const later = { ...attempt, retriesMade: 2 };
    expect(nextAttempt({ type: "standard" }, later)).toBe(1_800_000);
  });

  test.each([
    ["a time that is longer than its own", 90_000, 90_000],
    ["a time that is shorter", 10, 5_000],
    ["a year, up to a day", 365 * DAY, DAY],
    ["for ever", Number.POSITIVE_INFINITY, DAY],
    ["yesterday", -DAY, 5_000],
    ["nonsense", Number.NaN, 5_000],
  ])("waits when it is asked to wait for %s", (_name, retryAfterMs, expected) => {
    const attempt = { ...failed, result: { retryable: true, retryAfterMs } };
    expect(nextAttempt({ type: "standard" }, attempt)).toBe(expected);
  });

  test("does not attempt again what is too old by then", () => {
    const policy = { type: "schedule", delaysMs: [500, 500], maxAgeMs: 600 } as const;
    expect(nextAttempt(policy, { ...failed, since: 900, now: 1_000 })).toBe(500);
    expect(nextAttempt(policy, { ...failed, since: 899, now: 1_000 })).toBeUndefined();
  });

  test("does not attempt again what cannot succeed", () => {
    const attempt = { ...failed, result: { retryable: false, retryAfterMs: 10 } };
    expect(nextAttempt({ type: "standard" }, attempt)).toBeUndefined();
  });

  test("waits a whole number of milliseconds within all limits, whatever it is given", () => {
    fc.assert(
      fc.property(policies, attempts, (policy, attempt) => {
        const delay = nextAttempt(policy, attempt);
        if (delay === undefined) return;
        expect(attempt.result.retryable && Number.isSafeInteger(delay)).toBe(true);
        const longest = Math.max(7 * DAY * 2, policy.retryAfterMaxMs ?? DAY);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(longest);
        const asked = retryAfter(policy, attempt.result) ?? 0;
        expect(delay).toBeGreaterThanOrEqual(asked);
        const { maxAgeMs = Number.POSITIVE_INFINITY } = policy;
        expect(attempt.now + delay - attempt.since).toBeLessThanOrEqual(maxAgeMs);
      }),
    );
  });

  test("ends, whatever the policy is", () => {
    fc.assert(
      fc.property(policies, attempts, (policy, attempt) => {
        expect(nextAttempt(policy, { ...attempt, retriesMade: 2_000 })).toBeUndefined();
      }),
    );
  });
});
