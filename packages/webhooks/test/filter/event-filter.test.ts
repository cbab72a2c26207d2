import type { JsonValue } from "@busbar/core/provider";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { WebhookEvent } from "../../src/contract/webhook-event.ts";
import { compileFilter } from "../../src/filter/event-filter.ts";
import { eventFilterSchema } from "../../src/filter/filter-schema.ts";

const order: WebhookEvent = {
  id: "event-1",
  name: "order.placed",
  scope: "shop-1",
  occurredAt: new Date("2024-01-15T10:30:00Z"),
  metadata: { correlationId: "c-1", retries: 2 },
  data: {
    id: 42,
    status: "paid",
    grand_total: "29.0000",
    weight: 2.5,
    gift: true,
    coupon: null,
    placed_at: "2024-01-15",
    customer: { email: "roni@example.com", group: { name: "retail" } },
    items: [
      { sku: "MB01", qty: 1, tags: ["bag", "sale"] },
      { sku: "WB02", qty: 5, tags: [] },
    ],
    tags: ["gift", "express"],
    codes: [7, 8, 9],
    matrix: [
      [1, 2],
      [3, 4],
    ],
    none: [],
    "dotted.name": "whole",
  },
};

function passes(filter: JsonValue, event: WebhookEvent = order): boolean {
  const { matches, issues } = compileFilter(filter);
  expect(issues).toEqual([]);
  return matches(event);
}

/** Of each pair, the first filter lets the order pass, and the second does not. */
const CASES: readonly (readonly [string, JsonValue, JsonValue])[] = [
  ["a number", { data: { id: 42 } }, { data: { id: 43 } }],
  ["a text", { data: { status: "paid" } }, { data: { status: "Paid" } }],
  ["a boolean", { data: { gift: true } }, { data: { gift: false } }],
  ["null", { data: { coupon: null } }, { data: { status: null } }],
  ["what is not there is not null", { data: { id: 42 } }, { data: { absent: null } }],
  ["a number written as text", { data: { grand_total: 29 } }, { data: { grand_total: 29.5 } }],
  ["a text is no number", { data: { id: { $neq: "42" } } }, { data: { id: "42" } }],
  ["a path", { "data.customer.email": "roni@example.com" }, { "data.customer.mail": "x" }],
  [
    "a path in parts",
    { data: { "customer.group": { name: "retail" } } },
    { data: { "customer.group.name": "b2b" } },
  ],
  [
    "a name with a dot",
    { data: { "dotted.name": "whole" } },
    { data: { dotted: { name: "whole" } } },
  ],
  ["several members", { data: { id: 42, status: "paid" } }, { data: { id: 42, status: "new" } }],
  ["the name", { name: "order.placed" }, { name: "order.paid" }],
  ["the scope", { scope: "shop-1" }, { scope: null }],
  ["the id", { id: { $startsWith: "event-" } }, { id: { $startsWith: "e-" } }],
  ["the time", { occurredAt: { $gte: "2024-01-15" } }, { occurredAt: { $lt: "2024-01-15" } }],
  ["metadata", { "metadata.retries": { $lt: 3 } }, { metadata: { retries: { $gt: 3 } } }],
  ["$eq", { "data.id": { $eq: 42 } }, { "data.id": { $eq: 41 } }],
  [
    "$eq of an object",
    { "data.customer.group": { $eq: { name: "retail" } } },
    { "data.customer.group": { $eq: {} } },
  ],
  [
    "$eq of an array",
    { "data.tags": { $eq: ["gift", "express"] } },
    { "data.tags": { $eq: ["express", "gift"] } },
  ],
  ["$neq", { "data.status": { $neq: "new" } }, { "data.status": { $neq: "paid" } }],
  ["$neq of what is not there", { "data.absent": { $neq: 1 } }, { "data.id": { $neq: 42 } }],
  ["$neq of an array", { "data.tags": { $neq: "none" } }, { "data.tags": { $neq: "gift" } }],
  ["$gt", { "data.id": { $gt: 41 } }, { "data.id": { $gt: 42 } }],
  ["$gte", { "data.id": { $gte: 42 } }, { "data.id": { $gte: 43 } }],
  ["$lt", { "data.id": { $lt: 43 } }, { "data.id": { $lt: 42 } }],
  ["$lte", { "data.id": { $lte: 42 } }, { "data.id": { $lte: 41 } }],
  ["a range", { "data.weight": { $gt: 2, $lt: 3 } }, { "data.weight": { $gt: 2, $lt: 2.5 } }],
  [
    "a range of texts",
    { "data.placed_at": { $gte: "2024-01-01", $lt: "2024-02-01" } },
    { "data.placed_at": { $gt: "2024-01-15" } },
  ],
  [
    "a range of numbers in text",
    { "data.grand_total": { $gte: 20 } },
    { "data.grand_total": { $gte: 30 } },
  ],
  ["a range of another type", { "data.gift": { $not: { $gt: 0 } } }, { "data.gift": { $gt: 0 } }],
  ["$in", { "data.status": { $in: ["new", "paid"] } }, { "data.status": { $in: ["new"] } }],
  [
    "$in of a text",
    { "data.customer.email": { $in: "@example." } },
    { "data.customer.email": { $in: "@test." } },
  ],
  [
    "$in of an array",
    { "data.tags": { $in: ["gift", "none"] } },
    { "data.tags": { $in: ["none"] } },
  ],
  ["$nin", { "data.status": { $nin: ["new"] } }, { "data.status": { $nin: ["paid", "new"] } }],
  [
    "$nin of what is not there",
    { "data.absent": { $nin: [1] } },
    { "data.codes": { $nin: [1, 9] } },
  ],
  [
    "$startsWith",
    { "data.customer.email": { $startsWith: "roni" } },
    { "data.customer.email": { $startsWith: "Roni" } },
  ],
  [
    "$endsWith",
    { "data.customer.email": { $endsWith: ".com" } },
    { "data.customer.email": { $endsWith: ".org" } },
  ],
  [
    "$startsWith of a number",
    { "data.id": { $not: { $startsWith: "4" } } },
    { "data.id": { $startsWith: "4" } },
  ],
  ["$exist", { "data.coupon": { $exist: true } }, { "data.coupon": { $exist: false } }],
  ["$exist of nothing", { "data.absent": { $exist: false } }, { "data.absent": { $exist: true } }],
  [
    "$exist within nothing",
    { data: { absent: { more: { $exist: false } } } },
    { data: { absent: { more: { $exist: true } } } },
  ],
  [
    "$exist in an array",
    { "data.items.sku": { $exist: true } },
    { "data.items.color": { $exist: true } },
  ],
  ["$or of values", { "data.id": { $or: [1, 42] } }, { "data.id": { $or: [1, 2] } }],
  [
    "$or of conditions",
    { "data.id": { $or: [{ $lt: 10 }, { $gt: 40 }] } },
    { "data.id": { $or: [{ $lt: 10 }, { $gt: 50 }] } },
  ],
  [
    "$or of filters",
    { $or: [{ name: "order.paid" }, { "data.id": 42 }] },
    { $or: [{ name: "order.paid" }, { "data.id": 1 }] },
  ],
  [
    "$and",
    { "data.id": { $and: [{ $gt: 1 }, { $lt: 50 }] } },
    { "data.id": { $and: [{ $gt: 1 }, { $lt: 5 }] } },
  ],
  [
    "$and of filters",
    { $and: [{ name: "order.placed" }, { "data.id": 42 }] },
    { $and: [{ name: "order.placed" }, { "data.id": 1 }] },
  ],
  [
    "$not",
    { "data.status": { $not: { $in: ["new"] } } },
    { "data.status": { $not: { $in: ["paid"] } } },
  ],
  ["$not of a value", { "data.status": { $not: "new" } }, { "data.status": { $not: "paid" } }],
  ["$not of a filter", { $not: { name: "order.paid" } }, { $not: { name: "order.placed" } }],
  [
    "$not twice",
    { $not: { $not: { name: "order.placed" } } },
    { $not: { $not: { name: "order.paid" } } },
  ],
  ["any member of an array", { data: { tags: "express" } }, { data: { tags: "expres" } }],
  [
    "all that an array is asked for",
    { data: { tags: ["express", "gift"] } },
    { data: { tags: ["express", "none"] } },
  ],
  ["numbers in an array", { "data.codes": { $gt: 8 } }, { "data.codes": { $gt: 9 } }],
  ["arrays in an array", { "data.matrix": 4 }, { "data.matrix": 5 }],
  [
    "objects in an array",
    { data: { items: { sku: "WB02" } } },
    { data: { items: { sku: "WB03" } } },
  ],
  [
    "one member in all respects",
    { data: { items: { sku: "WB02", qty: 5 } } },
    { data: { items: { sku: "MB01", qty: 5 } } },
  ],
  ["a path into an array", { "data.items.qty": { $gte: 5 } }, { "data.items.qty": { $gte: 6 } }],
  [
    "arrays within objects in an array",
    { "data.items.tags": "sale" },
    { "data.items.tags": "sold" },
  ],
  ["an empty array", { "data.none": { $exist: true } }, { "data.none": "x" }],
  [
    "members of an empty array",
    { data: { none: { sku: { $exist: false } } } },
    { data: { none: { sku: "MB01" } } },
  ],
  [
    "$lucene",
    { $lucene: "data.grand_total:[20 TO 30] AND data.items.sku:mb*" },
    { $lucene: "data.grand_total:>30" },
  ],
  [
    "$lucene and a member",
    { $lucene: "event_name:order.*", scope: "shop-1" },
    { $lucene: "event_name:order.*", scope: "shop-2" },
  ],
  [
    "$lucene within $or",
    { $or: [{ $lucene: "nothing" }, { $lucene: "retail" }] },
    { $not: { $lucene: "scope:shop-1" } },
  ],
  [
    "operators beside members",
    { "data.customer": { $exist: true, email: { $in: "roni" } } },
    { "data.customer": { $exist: true, email: "x" } },
  ],
];

describe("a filter", () => {
  test.each(CASES)("compares %s", (_, fitting, other) => {
    expect(passes(fitting)).toBe(true);
    expect(passes(other)).toBe(false);
  });

  test("without members lets all pass", () => {
    expect(passes({})).toBe(true);
  });

  test.each<[filter: JsonValue, path: string, reason: RegExp]>([
    [null, "", /must be an object/],
    ["a", "", /must be an object/],
    [[], "", /must be an object/],
    [{ total: 1 }, "total", /no member of an event: the payload's own are data\.total/],
    [{ "order.total": 1 }, "order.total", /payload's own are data\.order\.total/],
    [{ dta: 1 }, "dta", /did you mean "data"\?/],
    [{ $gte: 1 }, "$gte", /an operator stands at the path of a value/],
    [{ $nott: {} }, "$nott", /did you mean "\$not"\?/],
    [{ "data.total": { $gte: null } }, "data.total.$gte", /must be a number or a text/],
    [{ "data.total": { $lt: [1] } }, "data.total.$lt", /must be a number or a text/],
    [{ data: { total: { $get: 1 } } }, "data.total.$get", /no operator, did you mean "\$gte?"\?/],
    [{ data: { total: { $regex: "a+" } } }, "data.total.$regex", /any time/],
    [{ data: { total: { $in: 1 } } }, "data.total.$in", /must be an array/],
    [{ data: { total: { $in: [] } } }, "data.total.$in", /must not be empty/],
    [
      { data: { total: { $nin: Array.from({ length: 1_001 }, (_, index) => index) } } },
      "data.total.$nin",
      /at most 1000/,
    ],
    [{ data: { total: { $startsWith: 1 } } }, "data.total.$startsWith", /must be a text/],
    [{ data: { total: { $exist: 1 } } }, "data.total.$exist", /true or false/],
    [{ data: { total: { $or: {} } } }, "data.total.$or", /array of conditions/],
    [{ data: { total: { $or: [{ $foo: 1 }] } } }, "data.total.$or.0.$foo", /no operator/],
    [{ data: { total: {} } }, "data.total", /must not be empty/],
    [{ data: { total: [] } }, "data.total", /must not be empty/],
    [{ $and: [] }, "$and", /must not be empty/],
    [{ $or: [1] }, "$or.0", /must be an object/],
    [{ $not: 1 }, "$not", /must be an object/],
    [{ $lucene: 1 }, "$lucene", /must be a text/],
    [{ $lucene: "a AND" }, "$lucene", /at position 6/],
    [{ $lucene: "success:true" }, "$lucene", /no field "success"/],
    [{ data: { $or: Array.from({ length: 300 }, () => 1) } }, "", /at most 256 conditions/],
  ])("%j is refused", (filter, path, reason) => {
    const { issues, matches } = compileFilter(filter);
    expect(issues).toContainEqual({ path, reason: expect.stringMatching(reason) });
    expect(matches(order)).toBe(false);
  });

  test("names all its faults at once", () => {
    const { issues } = compileFilter({ foo: 1, "data.a": { $gt: true }, $lucene: "(" });
    expect(issues.map(({ path }) => path)).toEqual(["foo", "data.a.$gt", "$lucene"]);
  });

  test("is refused if it is nested too deep, without exhausting the stack", () => {
    let deep: JsonValue = 1;
    for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
    expect(compileFilter({ data: deep }).issues).toEqual([
      { path: "", reason: "must not be nested deeper than 20" },
    ]);
    expect(eventFilterSchema.safeParse({ data: deep }).success).toBe(false);
    let nested: JsonValue = 1;
    for (let depth = 0; depth < 25; depth += 1) nested = { a: nested };
    expect(compileFilter({ data: nested }).issues[0]?.reason).toMatch(/nested deeper than 20/);
  });

  test("never throws, whatever it and the event are", () => {
    const names = fc.constantFrom(
      "data",
      "name",
      "a",
      "a.b",
      "$eq",
      "$neq",
      "$in",
      "$gt",
      "$or",
      "$not",
      "$exist",
      "$lucene",
    );
    const json = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom<JsonValue>(null, true, 0, 1.5, "", "a", "1.5", "a AND b"),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(names, tie("value"), { maxKeys: 3 }),
      ),
    })).value;
    fc.assert(
      fc.property(json, json, (filter, data) => {
        const { matches, issues } = compileFilter(filter);
        const answer = matches({ ...order, data });
        if (issues.length > 0) return;
        const negated = compileFilter({ $not: filter });
        expect(negated.issues).toEqual([]);
        expect(negated.matches({ ...order, data })).toBe(!answer);
        expect(passes({ $and: [filter, filter] }, { ...order, data })).toBe(answer);
        expect(passes({ $or: [filter, { name: "none" }] }, { ...order, data })).toBe(answer);
      }),
      { numRuns: 1_000 },
    );
  });

  test("has a schema for forms and for requests", () => {
    const { $defs } = z.toJSONSchema(z.object({ filter: eventFilterSchema }));
    expect($defs).toMatchObject({ EventFilter: { type: "object" } });
    expect(eventFilterSchema.parse({ name: "order.placed" })).toEqual({ name: "order.placed" });
    expect(
      eventFilterSchema.safeParse({ data: { total: { $gt: null } } }).error?.issues,
    ).toMatchObject([{ path: ["data", "total", "$gt"], message: "must be a number or a text" }]);
  });
});
