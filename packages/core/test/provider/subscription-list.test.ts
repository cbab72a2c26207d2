import { describe, expect, test } from "vitest";

import type { SubscriptionSpec } from "../../src/contract/provider.ts";
import {
  createSubscriptionList,
  type SubscriptionList,
} from "../../src/provider/subscription-list.ts";
import { createManualClock } from "../support/manual-clock.ts";

function spec(subscriptionId: string, overrides: Partial<SubscriptionSpec> = {}): SubscriptionSpec {
  const defaults = { ordering: "none", onOrderedFailure: "park", aliases: [] } as const;
  return { subscriptionId, events: ["a"], ...defaults, ...overrides };
}

function setUp(orphanedAfterMs = 100) {
  const clock = createManualClock(1_000);
  const list = createSubscriptionList({ clock, orphanedAfterMs });
  return { clock, list };
}

describe("createSubscriptionList", () => {
  test("adds events and aliases to what is declared, under the policy of the last", () => {
    const { list } = setUp();

    list.declare([spec("mail", { events: ["a", "b.*"], aliases: ["post"] })]);
    list.declare([spec("mail", { events: ["a", "c"], ordering: "key" })]);

    expect(list.list()).toEqual([
      {
        ...spec("mail", { events: ["a", "b.*", "c"], aliases: ["post"], ordering: "key" }),
        lastSeenAt: 1_000,
        orphaned: false,
        withheld: 0,
      },
    ]);
    expect([list.match("b.x"), list.match("c"), list.match("d")]).toEqual([["mail"], ["mail"], []]);
  });

  test("has the strictest ordering that was declared within three minutes, also when it was stored", async () => {
    const { clock, list } = setUp(1_000_000);
    list.declare([spec("mail", { ordering: "key" })]);
    await clock.advance(60_000);
    const stored = JSON.parse(JSON.stringify(list)) as never;
    const again = createSubscriptionList({ clock, orphanedAfterMs: 1_000_000 }, stored);
    again.declare([spec("mail", { ordering: "none" })]);
    expect(again.list()).toMatchObject([{ ordering: "key" }]);
    again.declare([spec("mail", { ordering: "all" })]);
    expect(again.list()).toMatchObject([{ ordering: "all" }]);
    await clock.advance(180_000);
    again.declare([spec("mail", { ordering: "none" })]);
    expect(again.list()).toMatchObject([{ ordering: "none" }]);
    expect(again.list()[0]).not.toHaveProperty("declaredAt");
  });

  test("blocks keys while a release that orders them has declared so within three minutes", async () => {
    const { clock, list } = setUp(1_000_000);
    list.declare([spec("mail", { ordering: "key", onOrderedFailure: "block" })]);
    list.declare([spec("mail", { ordering: "all" })]);
    expect(list.get("mail")).toMatchObject({ ordering: "all", onOrderedFailure: "block" });
    await clock.advance(180_000);
    list.declare([spec("mail", { ordering: "all" })]);
    expect(list.get("mail")).toMatchObject({ ordering: "all", onOrderedFailure: "park" });
    // Who asks for no order has nothing to say about its failures.
    list.declare([spec("mail", { ordering: "none", onOrderedFailure: "block" })]);
    expect(list.get("mail")).toMatchObject({ ordering: "all", onOrderedFailure: "park" });
  });

  test("counts what is declared under earlier ids for the present one, also when it was stored", async () => {
    const { clock, list } = setUp(1_000_000);
    const strict = spec("mail", { ordering: "key", onOrderedFailure: "block" });
    const renamed = spec("post", { aliases: ["mail"] });
    list.declare([strict]);
    list.declare([renamed]);
    expect(list.get("post")).toMatchObject({ ordering: "key", onOrderedFailure: "block" });
    await clock.advance(60_000);
    const stored = JSON.parse(JSON.stringify(list)) as never;
    const again = createSubscriptionList({ clock, orphanedAfterMs: 1_000_000 }, stored);
    const twice = spec("letters", { aliases: ["post"] });
    again.declare([twice]);
    expect(again.get("letters")).toMatchObject({ ordering: "key", onOrderedFailure: "block" });
    await clock.advance(120_000);
    again.declare([twice]);
    expect(again.get("letters")).toMatchObject({ ordering: "none", onOrderedFailure: "park" });
    again.declare([strict]);
    expect(again.get("letters")).toMatchObject({ ordering: "key", onOrderedFailure: "block" });
    expect(again.get("mail")).toBeUndefined();
  });

  test("is kept alive by a release that has an earlier id", async () => {
    const { clock, list } = setUp(100);
    list.declare([spec("new", { aliases: ["old"] })]);
    await clock.advance(99);
    list.declare([spec("old")]);
    await clock.advance(99);
    expect(list.list()).toMatchObject([{ subscriptionId: "new", orphaned: false }]);
  });

  test("declares nothing when one of the patterns is malformed", () => {
    const { list } = setUp();

    expect(() => list.declare([spec("mail"), spec("stock", { events: ["a*"] })])).toThrow(
      TypeError,
    );

    expect(list.list()).toEqual([]);
  });

  test("renames once, and takes an earlier id for the present one from then on", () => {
    const { list } = setUp();
    list.declare([spec("one", { events: ["x"] })]);

    expect(list.declare([spec("two", { aliases: ["one"] })])).toEqual([{ from: "one", to: "two" }]);
    expect(list.declare([spec("three", { aliases: ["two", "one", "three"] })])).toEqual([
      { from: "two", to: "three" },
    ]);
    // A release that has an earlier id.
    expect(list.declare([spec("one", { events: ["x"] })])).toEqual([]);

    expect(["one", "two", "three", "four"].map(list.presentId)).toEqual([
      "three",
      "three",
      "three",
      "four",
    ]);
    expect([list.match("a"), list.match("x")]).toEqual([["three"], []]);
  });

  test("retires events, and says which are wanted all the same", () => {
    const { list } = setUp();
    list.declare([spec("mail", { events: ["x.one", "x.*", "y"] })]);

    const isWanted = list.retire("mail", ["x.one", "y"]);

    expect(["x.one", "y"].map(isWanted)).toEqual([true, false]);
    expect([list.match("x.one"), list.match("y")]).toEqual([["mail"], []]);
  });

  test("forgets a subscription that is retired, and its earlier ids", () => {
    const { list } = setUp();
    list.declare([spec("new", { aliases: ["old"] }), spec("other")]);

    expect(list.retire("old")("a")).toBe(false);
    expect(list.match("a")).toEqual(["new", "other"]);
    expect(list.retire("new")("a")).toBe(false);
    expect(list.retire("unknown", ["a"])("a")).toBe(false);

    expect(list.match("a")).toEqual(["other"]);
    expect(list.presentId("old")).toBe("old");
  });

  test("sends nothing to who was not declared for too long, until it is again", async () => {
    const { list, clock } = setUp(100);
    list.declare([spec("mail"), spec("stock")]);
    await clock.advance(99);
    list.declare([spec("stock")]);
    await clock.advance(1);

    expect(list.match("a")).toEqual(["stock"]);
    expect(list.list().map(({ orphaned }) => orphaned)).toEqual([true, false]);
    list.declare([spec("mail")]);
    expect(list.match("a")).toEqual(["mail", "stock"]);
  });

  test("counts what orphans do not get, until they are retired, also across JSON", async () => {
    const { list, clock } = setUp(100);
    list.declare([spec("mail")]);
    await clock.advance(100);
    const stored = JSON.parse(JSON.stringify(list));
    const again = createSubscriptionList({ clock, orphanedAfterMs: 100 }, stored);
    again.match("nobody.cares");
    expect(again.changed).toBe(false);

    again.match("a");
    again.match("a");
    expect(again.changed).toBe(true);
    again.declare([spec("mail")]);
    again.match("a");
    const storedAgain = JSON.parse(JSON.stringify(again));
    const third = createSubscriptionList({ clock, orphanedAfterMs: 100 }, storedAgain);
    expect(third.list()).toMatchObject([{ orphaned: false, withheld: 2 }]);

    third.retire("mail");
    third.declare([spec("mail")]);
    expect(third.list()).toMatchObject([{ withheld: 0 }]);
  });

  test.each<[string, (list: SubscriptionList) => void]>([
    ["declare", (list) => list.declare([spec("mail")])],
    ["retire", (list) => list.retire("mail")],
  ])("has changed after %s", (_, change) => {
    const { list } = setUp();
    expect(list.changed).toBe(false);
    change(list);
    expect(list.changed).toBe(true);
  });

  test("comes back from JSON as it was", () => {
    const { list, clock } = setUp();
    list.declare([spec("old"), spec("new", { events: ["a", "b.**"], aliases: ["old"] })]);

    const stored = JSON.parse(JSON.stringify(list));
    const again = createSubscriptionList({ clock, orphanedAfterMs: 100 }, stored);

    expect(again.list()).toEqual(list.list());
    expect(again.presentId("old")).toBe("new");
    expect(again.match("b.c.d")).toEqual(["new"]);
  });
});
