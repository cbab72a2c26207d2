import { describe, expect, test } from "vitest";
import { deliveryIdOf } from "../../src/route/delivery-id.ts";
import { valueAt } from "../../src/route/ordering-key.ts";
import { checkScope } from "../../src/route/scope.ts";

describe("the id of a delivery", () => {
  test("is the same in every process and release", () => {
    expect(deliveryIdOf("event", "subscription")).toBe("c461cabc-3bad-8c6f-a049-ec6f94d6f876");
  });

  test("differs for each event and subscription, however they are put together", () => {
    const pairs = [
      ["a", "b"],
      ["b", "a"],
      ["ab", ""],
      ["", "ab"],
      ['a","b', "c"],
      ["a", 'b","c'],
    ] as const;
    expect(
      new Set(pairs.map(([event, subscription]) => deliveryIdOf(event, subscription))).size,
    ).toBe(pairs.length);
  });
});

describe("an ordering key", () => {
  test.each([
    ["order.id", "42"],
    ["order.lines.1.sku", "B"],
    ["order.paid", "false"],
    ["total", "7.5"],
    ["order", null],
    ["order.lines", null],
    ["order.constructor", null],
    ["missing.id", null],
    ["nothing", null],
    ["empty", null],
    ["binary", null],
    ["total.toString", null],
  ])("at %s is %j", (path, key) => {
    const payload = {
      order: { id: "42", lines: [{ sku: "A" }, { sku: "B" }], paid: false },
      total: 7.5,
      nothing: null,
      empty: "",
      binary: "a\0b",
    };
    expect(valueAt(payload, path)).toBe(key);
  });

  test("may be the whole payload's member only", () => {
    expect(valueAt("text", "length")).toBeNull();
    expect(valueAt(null, "id")).toBeNull();
  });
});

test("a scope is a number or plain text", () => {
  for (const scope of ["de", "1", 0, "a b"]) expect(checkScope(scope)).toBeUndefined();
  for (const scope of ["", "a\nb", "\0", "x".repeat(256), Number.NaN, true, {}, "\ud800"]) {
    expect(checkScope(scope)).toContain("must be a number or a string");
  }
});
