import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { createClient, documentOf, TOKEN } from "./support/client.ts";

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly operationId: string }>>>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

test("the OpenAPI document is valid by the schema of OpenAPI 3.1", async () => {
  const { handler } = await createClient();
  const validator = new Validator();
  const result = await validator.validate((await documentOf(handler)) as Record<string, unknown>);
  expect(result).toMatchObject({ valid: true });
  expect(validator.version).toBe("3.1");
});

test("operations have names of their own, and schemas are the ones that check requests", async () => {
  const { handler } = await createClient();
  const { paths, components } = (await documentOf(handler)) as Document;
  const ids = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map((it) => it.operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(components.schemas["NewSubscription"]).toMatchObject({
    required: ["events", "destination"],
    additionalProperties: false,
    properties: { retry: { $ref: "#/components/schemas/RetryPolicy" } },
  });
});

test("every reference leads somewhere", async () => {
  const { handler } = await createClient();
  const text = JSON.stringify(await documentOf(handler));
  const document = JSON.parse(text) as Record<string, unknown>;
  for (const [, reference = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    let part: unknown = document;
    for (const step of reference.split("/"))
      part = (part as Record<string, unknown> | undefined)?.[step];
    expect(part, reference).toBeDefined();
  }
});

test("without Mage-OS, its resources are gone", async () => {
  const { handler } = await createClient({ mageOs: false });
  const { paths } = (await documentOf(handler)) as Document;
  expect(Object.keys(paths).filter((path) => path.startsWith("/rest/V1"))).toEqual([]);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await handler(new Request("http://api.test/rest/V1/async_events", { headers }));
  expect(response.status).toBe(404);
});
