import { inspect } from "node:util";
import { describe, expect, test } from "vitest";

import { safeLogger } from "../../src/errors/safe-logger.ts";
import { quoted } from "../../src/errors/quoted.ts";
import { withoutValues } from "../../src/events/schema-issues.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";

describe("safeLogger", () => {
  test("passes on fields and messages, and errors without what they carry", () => {
    const logger = createRecordingLogger();
    const error = Object.assign(new Error("refused"), { query: "SECRET" });
    for (const level of ["debug", "info", "warn", "error"] as const) {
      safeLogger(logger)[level]({ queue: "q", err: error, cause: error }, "It failed");
    }
    expect(logger.lines.map(({ level }) => level)).toEqual(["debug", "info", "warn", "error"]);
    expect(inspect(logger.lines, { depth: Infinity, showHidden: true })).not.toContain("SECRET");
    expect(logger.lines[0]).toMatchObject({
      fields: { queue: "q", err: { message: "refused" }, cause: { message: "refused" } },
      message: "It failed",
    });
  });

  test("says what was thrown when it was no error", () => {
    const logger = createRecordingLogger();
    safeLogger(logger).warn({ err: { card: "SECRET" } }, "It failed");
    expect(logger.lines[0]?.fields).toEqual({ err: new Error("Not an error but [object Object]") });
  });

  test("a message has one line, of bounded length", () => {
    const logger = createRecordingLogger();
    const message = `a\n2026 ERROR forged\r\u001B[31m\u2028\u0085${"x".repeat(10_000)}`;
    safeLogger(logger).error({}, message);
    const [line] = logger.lines;
    expect(line?.message).toMatch(/^a\\n2026 ERROR forged\\r\\u001b\[31m\\u2028\\u0085x+…$/);
    expect(line?.message.length).toBeLessThan(2_100);
  });
});

describe("quoted", () => {
  test.each([
    ["send-receipt", '"send-receipt"'],
    ['a"b\\', '"a\\"b\\\\"'],
    ["a\nb\u2028\u007F", '"a\\nb\\u2028\\u007f"'],
    ["é😀", '"é😀"'],
  ])("quotes %j on one line", (text, expected) => {
    expect(quoted(text)).toBe(expected);
  });

  test("cuts a long text, and no surrogate pair", () => {
    expect(quoted("x".repeat(201))).toBe(`"${"x".repeat(200)}…"`);
    expect(quoted(`${"x".repeat(199)}😀`)).toBe(`"${"x".repeat(199)}…"`);
  });
});

describe("withoutValues", () => {
  test.each([
    [
      `Expected number but received "4111-1111"`,
      { card: "4111-1111" },
      `Expected number but received …`,
    ],
    ["card must be even (was 41117)", { a: [{ card: 41_117 }] }, "card must be even (was …)"],
    ["must be 7 or 8 (was 5)", { count: 5 }, "must be 7 or 8 (was …)"],
    ["received 'a'", ["a"], "received …"],
    ["abcd-efgh and abcd", { a: "abcd", b: "abcd-efgh" }, "… and …"],
    [String.raw`received "a\"bcdef"`, { a: 'a"bcdef' }, "received …"],
    ["Expected string", { a: "s", b: 1, c: null, d: true }, "Expected string"],
  ])("takes values out of %j", (text, data, expected) => {
    expect(withoutValues(text, data)).toBe(expected);
  });

  test("keeps names of members", () => {
    expect(withoutValues('Unrecognized key: "cardNumber"', { cardNumber: "4111" })).toBe(
      'Unrecognized key: "cardNumber"',
    );
  });
});
