import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { testProvider } from "../src/test-provider.ts";
import { tinyProvider } from "./support/provider-of-the-page.ts";

test("the provider tested here is the first one of a short page, and has at most 40 lines", async () => {
  const page = new URL("../../../docs/how-to/write-a-provider.md", import.meta.url);
  const code = new URL("support/provider-of-the-page.ts", import.meta.url);
  const text = await readFile(page, "utf8");
  const [, block] = text.split(/```ts file=src\/tiny-provider.ts\n|```\n/);
  expect(text.trim().split("\n").length).toBeLessThanOrEqual(130);
  expect(await readFile(code, "utf8")).toBe(block);
  expect(block?.trim().split("\n").length).toBeLessThanOrEqual(40);
});

await testProvider(test, { create: tinyProvider });
