import type { EventBus } from "@busbar/core";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { takePicture } from "./support/screenshot.ts";
import { type Shop, useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();

/** A shop with two subscriptions that have pending deliveries. */
async function openBusy({ pending = 3 } = {}): Promise<Shop & { readonly ids: readonly string[] }> {
  const prepare = (bus: EventBus): void => {
    bus.subscribe("order.placed", () => undefined, {
      subscriberId: "order-emails",
      concurrency: 2,
      rate: { max: 100, perMs: 60_000 },
    });
    bus.subscribe(["order.placed", "invoice.created"], (_events, _context) => undefined, {
      subscriberId: "order-ledger",
      batch: { maxEvents: 50, maxWaitMs: 500 },
    });
  };
  const shop = await shops.open({ prepare });
  const ids: string[] = [];
  for (let count = 0; count < pending; count += 1) {
    ids.push(
      ...(await shop.bus.emit("order.placed", { orderId: String(count) }, { delay: 600_000 })),
    );
  }
  return { ...shop, ids };
}

async function openSubscription(shop: Shop, id: string): Promise<Page> {
  const page = await tabs.open(shop.url("/subscriptions"));
  await page.getByRole("link", { name: id }).click();
  await page.getByRole("heading", { level: 1, name: id }).waitFor();
  return page;
}

const figure = (page: Page, name: string) =>
  page.locator(".figure", { has: page.getByText(name, { exact: true }) }).locator("dd");

describe("the page of subscriptions", () => {
  test("lists all of them, filters them, and keeps the filter in the address", async () => {
    const shop = await openBusy();
    const page = await tabs.open(shop.url("/subscriptions"));
    const table = page.getByRole("table", { name: "Subscriptions" });
    await table.getByRole("row", { name: "order-emails" }).getByText("Delivering").waitFor();
    await table.getByRole("row", { name: "order-ledger" }).getByText("invoice.created").waitFor();
    await expectAccessible(page);
    await page.getByLabel("Id or event").fill("invoice");
    await table.getByRole("row", { name: "order-emails" }).waitFor({ state: "detached" });
    await page.reload();
    await table.getByRole("row", { name: "order-ledger" }).waitFor();
    expect(await table.getByRole("row").count()).toBe(2);
    await page.getByLabel("State").selectOption("Paused");
    await page.getByText("No subscription fits the filter").waitFor();
  });

  test("shows what is pending, and finds an event by its id", async () => {
    const shop = await openBusy({ pending: 120 });
    const page = await openSubscription(shop, "order-emails");
    await figure(page, "Delayed").getByText("120").waitFor();
    await page.getByText("2 at a time, at most 100 runs in 1 min").waitFor();
    await page.getByRole("button", { name: "Show more" }).waitFor();
    await takePicture(page, "subscription");
    const table = page.getByRole("table", { name: "Pending deliveries" });
    await table.getByRole("row").nth(1).waitFor();
    const shown = await table.getByRole("row").count();
    await page.getByRole("button", { name: "Show more" }).click();
    await expect.poll(() => table.getByRole("row").count()).toBeGreaterThan(shown);
    const id = shop.ids[77]!;
    await page.getByLabel("Id of an event").fill(id);
    await page.keyboard.press("Enter");
    await expect.poll(() => table.getByRole("row").count()).toBe(2);
    await table.getByText(/^in (9|10)/).waitFor();
    await table.getByRole("button", { name: `Show the event ${id}` }).click();
    const dialog = page.getByRole("dialog", { name: "order.placed" });
    await dialog.getByText('"77"').waitFor();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await page.getByLabel("Id of an event").fill("no-such-event");
    await page.keyboard.press("Enter");
    await page.getByText("No pending delivery of this event").waitFor();
  });

  test("cancels a pending event for this subscription, and for all", async () => {
    const shop = await openBusy();
    const page = await openSubscription(shop, "order-emails");
    const [first, second] = shop.ids;
    await page.getByRole("button", { name: `Cancel the event ${first}` }).click();
    const dialog = page.getByRole("dialog", { name: "Cancel order.placed?" });
    await dialog.getByRole("button", { name: "Cancel the event" }).click();
    await page.getByText("Cancelled 1 pending delivery of order.placed.").waitFor();
    await figure(page, "Delayed").getByText("2").waitFor();

    await page.getByRole("button", { name: `Cancel the event ${second}` }).click();
    await dialog.getByLabel("The deliveries to all subscriptions").check();
    await dialog.getByRole("button", { name: "Cancel the event" }).click();
    await page.getByText("Cancelled 2 pending deliveries of order.placed.").waitFor();
    expect((await shop.bus.waiting("order-ledger")).items).toHaveLength(2);
  });

  test("pauses in this process, then everywhere, and resumes both", async () => {
    const shop = await openBusy();
    const page = await openSubscription(shop, "order-emails");
    await page.getByRole("button", { name: "Pause…" }).click();
    const dialog = page.getByRole("dialog", { name: "Pause order-emails?" });
    await expectAccessible(page);
    await dialog.getByLabel("In the process of this dashboard only").check();
    await dialog.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused order-emails in this process.").waitFor();
    await page.getByText("Paused here").waitFor();

    await page.getByRole("button", { name: "Pause…" }).click();
    await dialog.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused order-emails in every process.").waitFor();
    await page.getByText("Paused everywhere", { exact: true }).waitFor();

    await page.getByRole("button", { name: "Resume…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
    await page.getByText("Resumed order-emails.").waitFor();
    await page.getByText("Delivering").waitFor();
    const { subscriptions } = await shop.bus.inspect();
    expect(subscriptions.some(({ paused }) => paused)).toBe(false);
  });

  test("drains into the dead letters, and discards only after the id was typed", async () => {
    const shop = await openBusy();
    const page = await openSubscription(shop, "order-emails");
    await page.getByRole("button", { name: "Drain…" }).click();
    const dialog = page.getByRole("dialog", { name: "Drain order-emails?" });
    await dialog.getByText("3 deliveries are pending").waitFor();
    await expectAccessible(page);
    await dialog.getByRole("button", { name: "Move to dead letters" }).click();
    await page
      .getByText("Moved 3 pending deliveries of order-emails to its dead letters.")
      .waitFor();
    await figure(page, "Dead letters").getByText("3").waitFor();

    await page.getByRole("link", { name: "All subscriptions" }).click();
    await page.getByRole("link", { name: "order-ledger" }).click();
    const batches = "1 batch at a time, at most 50 events in each, collected for at most 500 ms";
    await page.getByText(batches).waitFor();
    await page.getByRole("button", { name: "Drain…" }).click();
    await page.getByLabel("Discard them").check();
    const discard = page.getByRole("button", { name: "Discard the backlog" });
    expect(await discard.isDisabled()).toBe(true);
    await page.getByLabel("Type order-ledger to confirm").fill("order-ledger");
    await discard.click();
    await page.getByText("Discarded 3 pending deliveries of order-ledger.").waitFor();
    await figure(page, "Delayed").getByText("0").waitFor();
  });

  test("retires some events, and then the subscription", async () => {
    const shop = await openBusy();
    const page = await openSubscription(shop, "order-ledger");
    await page.getByRole("button", { name: "Retire…" }).click();
    const dialog = page.getByRole("dialog", { name: "Retire order-ledger?" });
    await dialog.getByText("1 process still has handlers").waitFor();
    await expectAccessible(page);
    await dialog.getByLabel("order.placed").uncheck();
    const confirm = dialog.getByRole("button", { name: /^Retire/ });
    expect(await confirm.isDisabled()).toBe(true);
    await dialog.getByLabel("Type order-ledger to confirm").fill("order-ledger");
    await confirm.click();
    await page.getByText("Retired 1 event of order-ledger.").waitFor();
    await page.getByRole("link", { name: "invoice.created" }).waitFor({ state: "detached" });

    await page.getByRole("button", { name: "Retire…" }).click();
    await dialog.getByLabel("Type order-ledger to confirm").fill("order-ledger");
    await dialog.getByRole("button", { name: "Retire the subscription" }).click();
    await page.getByText("3 pending deliveries were moved to the dead letters").waitFor();
  });

  test("says why an action failed, and keeps the dialog open", async () => {
    const shop = await openBusy();
    const page = await openSubscription(shop, "order-emails");
    await page.getByRole("button", { name: "Drain…" }).click();
    await shop.stopServing();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Move to dead letters" }).click();
    await dialog.getByRole("alert").getByText("The server cannot be reached").waitFor();
    await shop.serveAgain();
    await dialog.getByRole("button", { name: "Move to dead letters" }).click();
    await dialog.waitFor({ state: "detached" });
  });

  test("lets a user who may only look change nothing", async () => {
    const authenticate = (): { name: string; readOnly: boolean } => ({
      name: "Grace",
      readOnly: true,
    });
    const shop = await shops.open({
      dashboard: { basePath: "/busbar", authenticate },
      prepare: (bus) =>
        void bus.subscribe("order.placed", () => undefined, { subscriberId: "order-emails" }),
    });
    const page = await tabs.open(shop.url("/subscriptions/order-emails"));
    for (const name of ["Pause…", "Drain…", "Retire…"]) {
      const button = page.getByRole("button", { name });
      await button.waitFor();
      expect(await button.isDisabled()).toBe(true);
    }
  });

  test("says that there is no such subscription", async () => {
    const shop = await shops.open();
    const page = await tabs.open(shop.url("/subscriptions/no-such"));
    await page.getByText("There is no such subscription").waitFor();
    await expectAccessible(page);
  });
});
