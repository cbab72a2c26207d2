import specs from "@asyncapi/specs";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { expect, test } from "vitest";
import { z } from "zod";
import { openCatalogue } from "../../src/catalogue/catalogue.ts";
import { defineAsyncEvents } from "../../src/catalogue/define-async-events.ts";
import { asyncApiDocument } from "../../src/rest/asyncapi.ts";

const catalogue = await openCatalogue([
  defineAsyncEvents({
    "sales.order.created": {
      resolve: ({ id }: { id: string }) => ({ id, total: 7 }),
      schema: z.object({ id: z.string(), total: z.number() }),
      example: { id: "42", total: 7 },
      description: "An order was placed.",
    },
    "cms.page.updated": { deprecated: true },
  }),
]);
const document = asyncApiDocument(catalogue.entries());

test("the AsyncAPI document is valid by the schema of AsyncAPI 3.0", () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(specs.schemasWithoutId["3.0.0"] as object);
  validate(document);
  expect(validate.errors).toBeNull();
});

test("each event is a channel whose message has the payload that receivers get", () => {
  expect(Object.keys(document["channels"] as object)).toEqual(
    catalogue.entries().map(({ name }) => name),
  );
  const { messages } = document["components"] as { messages: Record<string, object> };
  expect(messages["sales.order.created"]).toMatchObject({
    summary: "An order was placed.",
    payload: { properties: { data: { properties: { total: { type: "number" } } } } },
    examples: [{ payload: { type: "sales.order.created", data: { id: "42", total: 7 } } }],
  });
  expect(messages["cms.page.updated"]).toMatchObject({ tags: [{ name: "deprecated" }] });
});

test("a schema that refers to itself refers to its place in the document", async () => {
  const category = z.object({
    name: z.string(),
    get children() {
      return z.array(category);
    },
  });
  const definitions = defineAsyncEvents({ "category.changed": { schema: category } });
  const entries = (await openCatalogue([definitions])).entries();
  const described = asyncApiDocument(entries);
  const references = [...JSON.stringify(described).matchAll(/"\$ref":"#([^"]*)"/g)];
  expect(references.some(([, path]) => path!.includes("/payload/"))).toBe(true);
  for (const [, path] of references) {
    const found = path!
      .split("/")
      .slice(1)
      .reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], described);
    expect(found).toBeTypeOf("object");
  }
});
