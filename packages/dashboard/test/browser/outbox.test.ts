import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outbox } from "@busbar/outbox";
import { sqliteStore } from "@busbar/sql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { holdRequests } from "./support/held.ts";
import { takePicture } from "./support/screenshot.ts";
import { useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "busbar-dashboard-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A shop whose outbox has two events that no provider takes. */
async function openWithRefused() {
  const store = sqliteStore({ file: join(folder, "outbox.db") });
  const plugin = outbox({ store });
  const shop = await shops.open({ bus: { plugins: [plugin] } });
  await plugin.pause();
  for (const id of ["1", "2"]) {
    await store.transaction((tx) => shop.bus.withTransaction(tx).emit("order.placed", { id }));
  }
  // What a provider does that refuses an event for good.
  await store.execute(
    "UPDATE busbar_outbox SET state = 'failed', error = 'The payload is too large', attempts = 1",
  );
  return { ...shop, plugin };
}

describe("the outbox", () => {
  test("shows what was set aside, retries one event, and discards the rest", async () => {
    const { url, plugin } = await openWithRefused();
    const page = await tabs.open(url("/outbox"));
    const table = page.getByRole("table", { name: "Events that were set aside" });
    await expect.poll(() => table.locator("tbody tr").count()).toBe(2);
    await expectAccessible(page);
    await takePicture(page, "outbox");
    await page
      .getByRole("button", { name: /^Show the event/ })
      .first()
      .click();
    await page.getByRole("dialog").getByText("The payload is too large").waitFor();
    await page.keyboard.press("Escape");

    await table.getByRole("checkbox").nth(1).check();
    await page.getByRole("button", { name: "Retry 1 event…" }).click();
    await page.getByRole("button", { name: "Retry", exact: true }).click();
    await page.getByText("1 event is pending again.").waitFor();
    expect(await plugin.inspect()).toMatchObject({ pending: 1, failed: 1 });

    await page.getByRole("button", { name: "Discard all…" }).click();
    await page
      .getByRole("dialog", { name: "Discard all events that were set aside (1)?" })
      .getByRole("button", { name: "Discard all", exact: true })
      .click();
    await page.getByText("1 event is discarded.").waitFor();
    await page.getByText("No event was set aside").waitFor();
    expect(await plugin.inspect()).toMatchObject({ failed: 0 });
  });
});

describe("groups", () => {
  test("are released and cleared", async () => {
    const shop = await shops.open();
    const seen: string[] = [];
    shop.bus.subscribe("order.placed", ({ id }) => void seen.push(id), { subscriberId: "audit" });
    const stage = (eventGroupId: string) =>
      shop.bus.emit({ name: "order.placed", data: {}, metadata: { eventGroupId } });
    const [released] = await stage("checkout-1");
    await stage("checkout-2");
    const page = await tabs.open(shop.url("/outbox"));
    await page.getByRole("heading", { level: 1, name: "Groups" }).waitFor();
    await page.getByRole("button", { name: "Release checkout-1" }).click();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Release the group" }).click();
    await page.getByText("The group is released.").waitFor();
    await page.getByRole("button", { name: "Clear checkout-2" }).click();
    await page.getByRole("button", { name: "Clear the group" }).click();
    await page.getByText("No group is staged").waitFor();
    await shop.bus.settled();
    expect(seen).toEqual([released]);
  });
});

test("a page that polls waits for a server that is slower than its polls", async () => {
  const { url } = await shops.open();
  const page = await tabs.open(url("/no-such-page"));
  await page.clock.install();
  const held = await holdRequests(page, "**/api/groups");
  await page.goto(url("/outbox"));
  await expect.poll(() => held.count).toBe(1);
  await page.clock.runFor(20_000);
  expect(held.count).toBe(1);
  const next = page.waitForRequest("**/api/groups");
  held.release();
  await page.getByText("No group is staged").waitFor();
  await page.clock.runFor(5_000);
  await next;
});

describe("workflows", () => {
  test("show what a run store knows, and say what is missing without one", async () => {
    const { url } = await shops.open();
    const page = await tabs.open(url("/workflows"));
    await page.getByText("This bus has no run store").waitFor();
    await expectAccessible(page);
    const authenticate = () => ({ name: "Ada" });
    const runs = { list: async () => [{ id: "run-7", workflow: "checkout", state: "done" }] };
    const other = await shops.open({ dashboard: { basePath: "/busbar", authenticate, runs } });
    await page.goto(other.url("/workflows"));
    await page.getByRole("heading", { name: "run-7" }).waitFor();
    await expectAccessible(page);
  });
});
