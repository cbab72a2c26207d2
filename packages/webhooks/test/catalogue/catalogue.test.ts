import { isBusbarError } from "@busbar/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { openCatalogue } from "../../src/catalogue/catalogue.ts";
import { type AsyncEvents, defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";

async function problemsOf(...sources: AsyncEvents[]): Promise<readonly string[]> {
  const error = await openCatalogue(sources).catch((thrown: unknown) => thrown);
  if (!isBusbarError(error, "BUSBAR_INVALID_CONFIG")) throw error;
  return error.details.issues.map(({ path, reason }) => `${path} ${reason}`);
}

describe("the catalogue of async events", () => {
  test("lists the events of several packages with their schemas, and the operational ones", async () => {
    const order = z.object({ id: z.string(), lines: z.array(z.object({ sku: z.string() })) });
    const shop = defineAsyncEvents({
      "sales.order.created": {
        resolve: ({ id }: { id: string }) => ({ id, lines: [] }),
        schema: order,
        example: { id: "42", lines: [{ sku: "A" }] },
        permissions: ["sales.orders.view"],
        description: "A customer has placed an order.",
      },
    });
    const plugin = defineAsyncEvents({ "order.placed": {}, "old-event_1": { deprecated: true } });
    const catalogue = await openCatalogue([shop, plugin]);
    const entries = catalogue.entries();
    expect(entries.map(({ name }) => name)).toEqual([
      "old-event_1",
      "order.placed",
      "sales.order.created",
      "webhooks.delivery.exhausted",
      "webhooks.endpoint.disabled",
      "webhooks.endpoint.recovered",
      "webhooks.endpoint.warning",
      "webhooks.subscription.changed",
    ]);
    expect(entries[2]).toEqual({
      name: "sales.order.created",
      description: "A customer has placed an order.",
      permissions: ["sales.orders.view"],
      schema: z.toJSONSchema(order, { target: "draft-2020-12", io: "input" }),
      example: { id: "42", lines: [{ sku: "A" }] },
      deprecated: false,
      hasResolver: true,
    });
    expect(entries[1]).toMatchObject({ schema: null, example: null, hasResolver: false });
    expect(entries[0]?.deprecated).toBe(true);
    expect(
      entries.filter(({ name }) => name.startsWith("webhooks.")).map((it) => it.example),
    ).not.toContain(null);
  });

  test("has no JSON Schema of a schema that JSON Schema cannot say", async () => {
    const schema = z.object({ at: z.date() });
    const catalogue = await openCatalogue([defineAsyncEvents({ "order.placed": { schema } })]);
    expect(catalogue.entries()[0]?.schema).toBeNull();
  });

  test("names everything that is wrong at once", async () => {
    const wrong = {
      "has space": {},
      "order.*": {},
      [`long.${"x".repeat(255)}`]: {},
      "webhooks.mine": {},
      "sales.order.created": { resolve: "orders.get", permissions: "all", retries: 3 },
      "sales.order.paid": { resolve: () => 1, schema: {}, whenGone: "ignore", retry: 0 },
      "cms.page.updated": { validate: true, whenGone: "drop", example: 1n },
      "cms.block.updated": null,
      "customer.created": { schema: z.object({ id: z.string() }), example: { id: 7_654_321 } },
    } as never;
    const problems = await problemsOf(
      defineAsyncEvents(wrong),
      defineAsyncEvents({ "customer.created": {} }),
    );
    expect(problems).toEqual([
      'events["has space"] must have letters, digits, dots, hyphens and underscores only',
      'events["order.*"] must have letters, digits, dots, hyphens and underscores only',
      `events["long.${"x".repeat(255)}"] must have at most 255 characters`,
      'events["webhooks.mine"] begins with webhooks., as operational events do',
      'events["sales.order.created"].resolve must be a function',
      'events["sales.order.created"].permissions must be an array of strings',
      expect.stringContaining('events["sales.order.created"].retries unknown key'),
      'events["sales.order.paid"].schema must be a Standard Schema, such as one of zod, valibot or arktype',
      'events["sales.order.paid"].whenGone must be "fail", "tombstone" or "drop"',
      'events["sales.order.paid"].retry must be true or false',
      'events["cms.page.updated"].example must be a JSON value',
      'events["cms.block.updated"] must be an object, not null',
      expect.stringContaining(
        'events["customer.created"].example does not match the schema at id: ',
      ),
      'events["customer.created"] is defined twice',
    ]);
    expect(problems.join()).not.toContain("7654321");
    expect(() => defineAsyncEvents(undefined as never)).toThrow(TypeError);
  });

  test("asks for what members of a definition need", async () => {
    const events = defineAsyncEvents({ "a.b": { validate: true, whenGone: "drop" } });
    expect(await problemsOf(events)).toEqual([
      'events["a.b"].validate needs a schema',
      'events["a.b"].whenGone needs a resolver',
    ]);
  });

  test("survives a schema that throws", async () => {
    const schema = z.string().refine(() => {
      throw new Error("no database");
    });
    const events = defineAsyncEvents({ "a.b": { schema, example: "x" } });
    expect(await problemsOf(events)).toEqual([
      'events["a.b"].example does not match the schema: the schema throws: no database',
    ]);
  });

  test("checks payloads of the events that ask for it, without telling their values", async () => {
    const schema = z.object({ email: z.email() });
    const events = defineAsyncEvents({
      checked: { schema, validate: true },
      unchecked: { schema },
    });
    const catalogue = await openCatalogue([events]);
    const payload = { email: "not-an-address" };
    expect(await catalogue.check("unchecked", payload)).toBeUndefined();
    expect(await catalogue.check("checked", { email: "a@b.example" })).toEqual([]);
    const issues = await catalogue.check("checked", payload);
    expect(issues).toMatchObject([{ path: "email" }]);
    expect(JSON.stringify(issues)).not.toContain("not-an-address");
  });
});
