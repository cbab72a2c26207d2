import { runInNewContext } from "node:vm";
import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineEvents } from "../../src/events/define-events.ts";

const libraries = {
  zod: z.object({ orderId: z.string(), items: z.array(z.object({ sku: z.string() })) }),
  valibot: v.object({ orderId: v.string(), items: v.array(v.object({ sku: v.string() })) }),
  arktype: type({ orderId: "string", items: [{ sku: "string" }, "[]"] }),
};

const transforming = {
  zod: z.object({ amount: z.coerce.number<string>(), currency: z.string().default("EUR") }),
  valibot: v.object({
    amount: v.pipe(v.string(), v.transform(Number)),
    currency: v.optional(v.string(), "EUR"),
  }),
  arktype: type({ amount: "string.numeric.parse", currency: "string = 'EUR'" }),
};

describe.each(["zod", "valibot", "arktype"] as const)("defineEvents with %s", (library) => {
  const events = defineEvents({ "order.placed": libraries[library] });

  test("valid data has no issues, and the answer is no promise", () => {
    expect(events.check("order.placed", { orderId: "1", items: [{ sku: "a" }] })).toBeUndefined();
  });

  test("issues have readable paths", () => {
    const data = { orderId: 1, items: [{ sku: "a" }, { sku: 2 }] };
    const issues = events.check("order.placed", data);
    // In the order of the library.
    expect(issues).toHaveLength(2);
    expect(issues).toEqual(
      expect.arrayContaining([
        { path: "orderId", reason: expect.stringContaining("string") },
        { path: "items[1].sku", reason: expect.stringContaining("string") },
      ]),
    );
  });

  test.each([undefined, null, "text", 1])(
    "%s in place of an object is an issue of the whole",
    (data) => {
      expect(events.check("order.placed", data)).toEqual([
        { path: "", reason: expect.any(String) },
      ]);
    },
  );

  test("a name that is not in the catalogue has no issues", () => {
    expect(events.check("order.lost", 1)).toBeUndefined();
    expect(events.check("constructor", 1)).toBeUndefined();
  });

  test("check leaves the input as it is, also when the schema transforms", () => {
    const changing = defineEvents({ paid: transforming[library] });
    const data = { amount: "12.5", extra: true };
    expect(changing.check("paid", data)).toBeUndefined();
    expect(data).toEqual({ amount: "12.5", extra: true });
  });

  test("parse is absent unless the catalogue validates at consume", () => {
    expect(events.parse).toBeUndefined();
    const not = defineEvents({ paid: transforming[library] }, { validateAtConsume: false });
    expect(not.parse).toBeUndefined();
  });

  test("parse gives the schema's output or issues", () => {
    const parsing = defineEvents({ paid: transforming[library] }, { validateAtConsume: true });
    expect(parsing.parse?.("paid", { amount: "12.5" })).toEqual({
      value: { amount: 12.5, currency: "EUR" },
    });
    expect(parsing.parse?.("paid", { amount: "12.5", currency: 1 })).toEqual({
      issues: [{ path: "currency", reason: expect.any(String) }],
    });
    expect(parsing.parse?.("lost", { amount: "12.5" })).toEqual({ value: { amount: "12.5" } });
  });
});

describe("asynchronous schemas", () => {
  const known = z.object({
    sku: z.string().refine(async (sku) => Promise.resolve(sku !== "x"), "unknown sku"),
  });
  const failing = v.pipeAsync(
    v.string(),
    v.checkAsync(async () => Promise.reject(new Error("no database"))),
  );
  const events = defineEvents({ "item.added": known, failing }, { validateAtConsume: true });

  test("check answers with a promise", async () => {
    const answer = events.check("item.added", { sku: "a" });
    expect(answer).toBeInstanceOf(Promise);
    await expect(answer).resolves.toBeUndefined();
    await expect(events.check("item.added", { sku: "x" })).resolves.toEqual([
      { path: "sku", reason: "unknown sku" },
    ]);
  });

  test("parse answers with a promise", async () => {
    await expect(events.parse?.("item.added", { sku: "a" })).resolves.toEqual({
      value: { sku: "a" },
    });
    await expect(events.parse?.("item.added", { sku: "x" })).resolves.toEqual({
      issues: [{ path: "sku", reason: "unknown sku" }],
    });
  });

  test("a promise of another realm is answered with one of this", async () => {
    const foreign: unknown = runInNewContext("Promise.resolve({ value: 1 })");
    expect(foreign).not.toBeInstanceOf(Promise);
    const schema = {
      "~standard": { version: 1, vendor: "test", validate: () => foreign as never },
    } as const;
    const answer = defineEvents({ event: schema }).check("event", 1);
    expect(answer).toBeInstanceOf(Promise);
    await expect(answer).resolves.toBeUndefined();
  });

  test("what a schema throws passes through", async () => {
    await expect(events.check("failing", "a")).rejects.toThrow("no database");
    const throwing = v.pipe(
      v.string(),
      v.check(() => {
        throw new Error("a bug");
      }),
    );
    const { check } = defineEvents({ throwing });
    expect(() => check("throwing", "a")).toThrow("a bug");
  });
});

describe("paths", () => {
  function pathOf(path: readonly (PropertyKey | { readonly key: PropertyKey })[]): unknown {
    const result = { issues: [{ message: "wrong", path }] };
    const schema = {
      "~standard": { version: 1, vendor: "test", validate: () => result },
    } as const;
    const issues = defineEvents({ event: schema }).check("event", {});
    return Array.isArray(issues) ? issues[0]?.path : undefined;
  }

  test.each([
    [[], ""],
    [[0], "[0]"],
    [["items", 0, "sku"], "items[0].sku"],
    [[{ key: "items" }, { key: 0 }, { key: "sku" }], "items[0].sku"],
    [["länge", "content-type", "$id", "_x"], "länge.content-type.$id._x"],
    [["a b", ""], '["a b"][""]'],
    [["x", "1"], 'x["1"]'],
    [["x", Symbol("s")], "x[Symbol(s)]"],
  ])("%j", (path, expected) => {
    expect(pathOf(path)).toBe(expected);
  });
});

describe("bad definitions", () => {
  test.each([
    ["", 'Event name "" must not be empty'],
    ["order placed", 'Event name "order placed" must not contain spaces or control characters'],
    ["order.*", 'Event name "order.*" must not contain *, which is for patterns'],
    ["a".repeat(256), "must have at most 255 characters"],
  ])("the name %j is a TypeError that names it", (name, message) => {
    expect(() => defineEvents({ [name]: z.string() })).toThrow(TypeError);
    expect(() => defineEvents({ [name]: z.string() })).toThrow(message);
  });

  test("a name of 255 characters is fine", () => {
    expect(() => defineEvents({ ["a".repeat(255)]: z.string() })).not.toThrow();
  });

  test.each([
    [undefined],
    [null],
    [1],
    [{}],
    [() => {}],
    [{ "~standard": undefined }],
    [{ "~standard": { version: 2, vendor: "test", validate: () => ({ value: 1 }) } }],
    [{ "~standard": { version: 1, vendor: "test" } }],
  ])("%j, no Standard Schema, is a TypeError that names the event", (schema) => {
    // @ts-expect-error not a Standard Schema, or perhaps undefined
    const define = () => defineEvents({ "order.placed": schema });
    expect(define).toThrow(TypeError);
    expect(define).toThrow('The value of event "order.placed" must be a Standard Schema');
  });
});
