import { describe, expect, test } from "vitest";
import {
  assertPattern,
  createRouter,
  isPattern,
  matchesPattern,
} from "../../src/provider/router.ts";

describe("matchesPattern", () => {
  test.each([
    ["order.placed", "order.placed", true],
    ["order.placed", "order.paid", false],
    ["*", "order", true],
    ["*", "order.line.added", true],
    ["order.*", "order.placed", true],
    ["order.*", "order", false],
    ["order.*", "order.line.added", false],
    ["order.*", "orders.placed", false],
    ["*.placed", "order.placed", true],
    ["*.placed", "shop.order.placed", false],
    ["order.*.paid", "order.42.paid", true],
    ["order.*.paid", "order.42.placed", false],
    ["order.*.paid", "order.paid", false],
    ["order.**", "order.placed", true],
    ["order.**", "order.line.added", true],
    ["order.**", "order", false],
    ["order.*.**", "order.line.added", true],
    ["order.*.**", "order.placed", false],
    ["**", "order", true],
    ["**", "order.placed", true],
  ])("%s on %s is %s", (pattern, name, fits) => {
    expect(matchesPattern(pattern, name)).toBe(fits);
  });
});

describe("assertPattern", () => {
  test.each(["order.placed", "*", "order.*", "*.paid", "order.*.paid", "order.**", "**"])(
    "accepts %s",
    (pattern) => {
      expect(() => assertPattern(pattern)).not.toThrow();
    },
  );

  test.each(["order.**.paid", "**.paid", "or*der", "order.pl*", "order.***"])(
    "refuses %s and names it",
    (pattern) => {
      expect(() => assertPattern(pattern)).toThrow(TypeError);
      expect(() => assertPattern(pattern)).toThrow(`"${pattern}"`);
    },
  );

  test("a name is no pattern", () => {
    expect(isPattern("order.placed")).toBe(false);
    expect(isPattern("order.*")).toBe(true);
  });
});

describe("createRouter", () => {
  test("finds a subscription once, by however many of its events the name fits", () => {
    const router = createRouter([
      { subscriptionId: "mail", events: ["order.placed", "order.*", "*"] },
      { subscriptionId: "stock", events: ["order.**"] },
      { subscriptionId: "cart", events: ["cart.*"] },
    ]);
    expect(router.match("order.placed").toSorted()).toEqual(["mail", "stock"]);
    expect(router.match("user.created")).toEqual(["mail"]);
  });

  test("finds nobody for a name that nobody wants", () => {
    expect(createRouter().match("order.placed")).toEqual([]);
  });

  test("routes by what is added or removed later, for names seen before too", () => {
    const router = createRouter();
    expect(router.match("order.placed")).toEqual([]);
    router.add("mail", ["order.placed"]);
    router.add("mail", ["order.*"]);
    expect(router.match("order.placed")).toEqual(["mail"]);
    router.remove("mail", ["order.placed"]);
    expect(router.match("order.placed")).toEqual(["mail"]);
    router.remove("mail");
    expect(router.match("order.placed")).toEqual([]);
  });

  test("removing what was never added is passed over", () => {
    const router = createRouter([{ subscriptionId: "mail", events: ["order.*"] }]);
    router.remove("mail", ["user.*", "user.created"]);
    router.remove("stock");
    expect(router.match("order.placed")).toEqual(["mail"]);
  });

  test("adds nothing when one of the events is malformed", () => {
    const router = createRouter();
    expect(() => router.add("mail", ["order.placed", "or*der"])).toThrow(TypeError);
    expect(router.match("order.placed")).toEqual([]);
  });

  test("keeps matching right when names are dynamic", () => {
    const router = createRouter([{ subscriptionId: "cart", events: ["cart.*.changed"] }]);
    for (let number = 0; number < 25_000; number++) {
      expect(router.match(`cart.${number}.changed`).length).toBe(1);
    }
    expect(router.match("cart.1.changed")).toEqual(["cart"]);
  });
});
