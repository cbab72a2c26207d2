import { toJsonSchema } from "@valibot/to-json-schema";
import { type } from "arktype";
import * as v from "valibot";
import { afterEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { describeEvents } from "../../src/events/describe-events.ts";
import { memoryProvider } from "../support/test-bus.ts";

afterEach(() => vi.restoreAllMocks());

const order = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: { orderId: { type: "string" } },
  required: ["orderId"],
};

/** A schema of zod as a release without Standard JSON Schema would make it. */
function withoutStandard<T extends object>(schema: T): T {
  const standard = { version: 1, vendor: "old", validate: () => ({ value: 1 }) };
  return Object.create(schema, { "~standard": { value: standard } }) as T;
}

test("describes schemas of zod, with their description and examples, by name", () => {
  const examples = [{ orderId: "42" }];
  const meta = { description: "A customer has paid", examples };
  const events = defineEvents({
    "order.placed": z.object({ orderId: z.string() }),
    "order.paid": z.object({ orderId: z.string() }).meta(meta),
  });
  const described = describeEvents(events);
  expect(described).toEqual([
    { name: "order.paid", ...meta, schema: { ...order, ...meta } },
    { name: "order.placed", schema: order },
  ]);
  expect(createEventBus({ provider: memoryProvider(), events }).describeEvents()).toEqual(
    described,
  );
});

test("describes what is emitted, and leaves open what is no JSON Schema", () => {
  const schema = z.object({ at: z.date(), count: z.string().transform(Number) });
  const [described] = describeEvents(defineEvents({ a: schema }));
  expect(described?.schema).toMatchObject({ properties: { at: {}, count: { type: "string" } } });
});

test("describes schemas of arktype", () => {
  const [described] = describeEvents(defineEvents({ a: type({ orderId: "string" }) }));
  expect(described?.schema).toEqual(order);
});

test("describes schemas of releases that have a method instead of the standard", () => {
  const zod = withoutStandard(z.object({ orderId: z.string() }));
  const ark = withoutStandard(type({ orderId: "string" }));
  const described = describeEvents({ schemas: { a: zod, b: ark } });
  expect(described.map(({ schema }) => schema)).toEqual([order, order]);
});

test("describes schemas of valibot if the application has its converter", () => {
  const schema = v.object({ orderId: v.string() });
  const catalogue = defineEvents({ a: schema });
  vi.spyOn(process, "cwd").mockReturnValue(new URL("../..", import.meta.url).pathname);
  const [described] = describeEvents(catalogue);
  expect(described?.schema).toEqual(toJsonSchema(schema, { target: "draft-2020-12" }));
});

test("gives the name alone of a schema whose library makes no JSON Schema, and nothing without a catalogue", () => {
  const plain = {
    "~standard": { version: 1, vendor: "own", validate: () => ({ value: 1 }) },
  } as const;
  expect(describeEvents(defineEvents({ a: plain }))).toEqual([{ name: "a" }]);
  expect(createEventBus({ provider: memoryProvider() }).describeEvents()).toEqual([]);
});
