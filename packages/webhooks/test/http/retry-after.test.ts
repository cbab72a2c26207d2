import { expect, test } from "vitest";
import { parseRetryAfter } from "../../src/http/retry-after.ts";

const NOW = new Date("2026-11-30T12:00:00Z");
const YEAR_MS = 366 * 86_400_000;

test.each<[string | undefined, number | undefined]>([
  [undefined, undefined],
  ["", undefined],
  ["0", 0],
  ["120", 120_000],
  [" 7 ", 7_000],
  ["31536000", 31_536_000_000],
  ["99999999999", YEAR_MS],
  ["9".repeat(400), YEAR_MS],
  ["-5", undefined],
  ["1.5", undefined],
  ["+5", undefined],
  ["0x10", undefined],
  ["1e3", undefined],
  ["soon", undefined],
  ["5 minutes", undefined],
  ["2026-11-30T12:01:00Z", undefined],
  ["Mon, 30 Nov 2026 12:01:30 GMT", 90_000],
  ["Monday, 30-Nov-26 12:01:30 GMT", 90_000],
  ["Mon Nov 30 12:01:30 2026", 90_000],
  ["Sun, 29 Nov 2026 12:00:00 GMT", 0],
  ["Tue, 30 Nov 2027 12:00:00 GMT", 31_536_000_000],
  ["Sun, 30 Nov 2036 12:00:00 GMT", YEAR_MS],
  ["Xyz, 99 Foo 2026 99:99:99 GMT", undefined],
  ["Mon, 30 Nov 2026 12:01:30 CET", undefined],
])("%j asks for %j ms", (value, ms) => {
  expect(parseRetryAfter(value, undefined, NOW)).toBe(ms);
});

test("a date is relative to the clock of the other side, if it says its time", () => {
  const date = "Mon, 30 Nov 2026 13:00:00 GMT";
  expect(parseRetryAfter("Mon, 30 Nov 2026 13:00:10 GMT", date, NOW)).toBe(10_000);
  expect(parseRetryAfter("Mon, 30 Nov 2026 12:00:10 GMT", "nonsense", NOW)).toBe(10_000);
  expect(parseRetryAfter("10", date, NOW)).toBe(10_000);
});
