import { readFile } from "node:fs/promises";
import { afterAll, expect, test } from "vitest";
// @boundaries-ignore the servers of all tests
import { startServer } from "../../../.ci/servers/start-server.mjs";
import { openShop as openAfter } from "../src/after.ts";
import { openShop as openBefore } from "../src/before.ts";
import { runDay } from "../src/day.ts";

const redis = await startServer("redis");
afterAll(() => redis.stop());

const page = new URL("../../../docs/how-to/from-bullmq.md", import.meta.url);

test("the shop does the same on BullMQ and on Busbar", async () => {
  const [before, after] = await Promise.all([
    runDay((services) => openBefore(redis.url, services)),
    runDay((services) => openAfter(redis.url, services)),
  ]);
  const deeds = [
    "alert receipts: No address: nobody",
    "mail ada@mail.example: Receipt of order-1",
    "mail ada@mail.example: Receipt of order-1",
    "mail ada@mail.example: You left cart-1",
    "mail bob@mail.example: Receipt of order-2",
    "mail owner@shop.example: Sales of the day",
    "parcel of order-1",
    "parcel of order-2",
    "parcel of order-3",
  ];
  expect(before.deeds).toEqual(deeds);
  expect(after.deeds).toEqual(deeds);
  // At most two in 500 ms. A busy machine may begin the first one late.
  expect(before.parcelsAtMs[2]).toBeGreaterThan(400);
  expect(after.parcelsAtMs[2]).toBeGreaterThan(400);
});

test.each(["services.ts", "before.ts", "after.ts"])("the page shows src/%s", async (file) => {
  const source = await readFile(new URL(`../src/${file}`, import.meta.url), "utf8");
  expect(await readFile(page, "utf8")).toContain(`\n\`\`\`ts file=${file}\n${source}\`\`\`\n`);
});
