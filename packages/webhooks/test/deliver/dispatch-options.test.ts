import { optionIssues } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import { checkDispatch } from "../../src/deliver/dispatcher.ts";

/** The members that are refused. */
function refused(dispatch: unknown): readonly string[] {
  return optionIssues({ dispatch }, { dispatch: checkDispatch }).map(({ path }) => path.join("."));
}

describe("the options of dispatching", () => {
  test("take numbers, and false where something can be switched off", () => {
    expect(refused({})).toEqual([]);
    const breaker = { openAfter: false, disableAfterFailures: false, disableAfterMs: false };
    expect(refused({ concurrency: 5, leaseMs: 1, breaker })).toEqual([]);
    expect(refused({ breaker: { openAfter: 1, disableAfterFailures: 3, openForMs: 1 } })).toEqual(
      [],
    );
  });

  test("refuse everything else, each by its path", () => {
    expect(refused({ concurrency: 0, pollEveryMs: "1", lease: 3 })).toEqual([
      "dispatch.concurrency",
      "dispatch.pollEveryMs",
      "dispatch.lease",
    ]);
    expect(refused({ breaker: { openAfter: true, openForMs: false } })).toEqual([
      "dispatch.breaker.openAfter",
      "dispatch.breaker.openForMs",
    ]);
  });
});
