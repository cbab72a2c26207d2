import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { PERMISSIONS } from "../../src/rest/permissions.ts";
import { PROBLEMS } from "../../src/rest/problem.ts";
import { createClient, documentOf } from "./support/client.ts";

const page = await readFile(
  new URL("../../../../docs/reference/webhooks-rest.md", import.meta.url),
  "utf8",
);

test("the reference page has each resource with its permission", async () => {
  const { handler } = await createClient();
  const { paths } = (await documentOf(handler)) as {
    paths: Record<string, Record<string, { description: string }>>;
  };
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { description }]) => {
      const permission = /the permission `(.*)`/.exec(description)?.[1];
      const needs = description.includes("any permission") ? "any" : "public";
      return `${method.toUpperCase()} ${path} ${permission ?? needs}`;
    }),
  );
  const onPage = [...page.matchAll(/^\| `([A-Z]+ \/[^`]*)` *\|[^|]*\| `?([\w.]+)`? *\|$/gm)].map(
    ([, resource, permission]) => `${resource} ${permission}`,
  );
  expect(onPage.filter((it) => !it.includes("openapi.json")).toSorted()).toEqual(
    documented.toSorted(),
  );
});

test("the reference page has each permission and each problem", () => {
  for (const permission of Object.keys(PERMISSIONS)) expect(page).toContain(`| \`${permission}\` `);
  for (const [code, [status]] of Object.entries(PROBLEMS)) {
    const row = page.split("\n").find((line) => line.startsWith(`| ${status} `));
    expect(row, code).toContain(`\`${code}\``);
  }
});
