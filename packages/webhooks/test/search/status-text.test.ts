import { expect, test } from "vitest";
import { statusText } from "../../src/search/status-text.ts";

test.each([
  ["waiting", 0, 0, false, "Waiting for its first attempt"],
  ["retrying", 2, 2, false, "Retrying, attempt 3 is next"],
  ["retrying", 6, 0, true, "Waiting for a replay, attempt 7"],
  ["retrying", 7, 1, true, "Retrying, attempt 8 is next"],
  ["running", 1, 0, false, "Attempt 1 is running"],
  ["delivered", 1, 1, false, "Delivered"],
  ["delivered", 2, 2, false, "Delivered after 1 retry"],
  ["delivered", 3, 3, false, "Delivered after 2 retries"],
  ["delivered", 3, 2, false, "Delivered after 2 retries"],
  ["delivered", 7, 1, true, "Delivered after a replay"],
  ["delivered", 9, 3, true, "Delivered after a replay and 2 retries"],
  ["paused", 0, 0, false, "Paused before its first attempt"],
  ["paused", 1, 1, false, "Paused after 1 attempt"],
  ["dead", 6, 6, false, "Dead after 6 attempts"],
  ["cancelled", 0, 0, false, "Cancelled before its first attempt"],
] as const)("%s, %i attempts", (state, attempts, chainAttempts, isReplayed, text) => {
  expect(statusText({ state, attempts, chainAttempts, isReplayed })).toBe(text);
});
