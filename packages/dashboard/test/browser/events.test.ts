import { defineEvents, type EventBus } from "@busbar/core";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { holdRequests } from "./support/held.ts";
import { setHidden } from "./support/hidden.ts";
import { takePicture } from "./support/screenshot.ts";
import { type Shop, type ShopOptions, useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();

const events = defineEvents({
  "order.placed": z
    .object({
      orderId: z.string().min(1).describe("The number on the invoice"),
      total: z.number().positive(),
      currency: z.enum(["EUR", "USD"]),
      isGift: z.boolean().optional(),
      customer: z.object({ email: z.email() }),
      lines: z.array(z.object({ sku: z.string(), quantity: z.int() })),
    })
    .meta({ description: "A customer has paid, or will pay on delivery.", examples: [example()] }),
  "order.shipped": z.object({ orderId: z.string(), carrier: z.string() }),
  "stock.changed": z.object({ sku: z.string(), quantity: z.int(), isFinal: z.boolean() }),
});

function example() {
  return {
    orderId: "100001042",
    total: 59.9,
    currency: "EUR" as const,
    customer: { email: "ada@example.com" },
    lines: [{ sku: "A-1", quantity: 2 }],
  };
}

interface Received {
  readonly name: string;
  readonly data: unknown;
}

/** A shop with a catalogue and some subscriptions, and what two of them have received. */
async function openWithCatalogue(
  options: ShopOptions = {},
): Promise<Shop & { readonly received: readonly Received[] }> {
  const received: Received[] = [];
  const prepare = (bus: EventBus): void => {
    bus.subscribe("order.*", ({ name, data }) => void received.push({ name, data }), {
      subscriberId: "order-ledger",
      attempts: 5,
      concurrency: 4,
    });
    bus.subscribe("order.placed", () => Promise.reject(new Error("SMTP: 421 try later")), {
      subscriberId: "order-emails",
      attempts: 1,
    });
    bus.subscribe("stock.changed", ({ name, data }) => void received.push({ name, data }), {
      subscriberId: "stock-sync",
    });
    bus.subscribe("product.updated", () => undefined, { subscriberId: "search-index" });
  };
  const shop = await shops.open({ events, prepare, ...options });
  return { ...shop, received };
}

async function openEvent(page: Page, name: string): Promise<void> {
  await page.getByRole("link", { name }).click();
  await page.getByRole("heading", { level: 2, name, exact: true }).waitFor();
}

describe("the page of events", () => {
  test("lists the catalogue, and shows the schema, the examples and who gets an event", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events"), { height: 1100 });
    await page.getByRole("link", { name: "order.shipped" }).waitFor();
    await page.getByLabel("Find an event").fill("placed");
    expect(await page.getByRole("link", { name: "order.shipped" }).count()).toBe(0);
    await openEvent(page, "order.placed");
    expect(new URL(page.url()).pathname).toBe("/busbar/events/order.placed");
    const description = "A customer has paid, or will pay on delivery.";
    await page.getByText(description, { exact: true }).waitFor();
    await page.getByLabel("the schema", { exact: true }).getByText('"currency"').first().waitFor();
    await page.getByLabel("example 1", { exact: true }).getByText('"100001042"').waitFor();
    const table = page.getByRole("table", { name: "Subscriptions that get order.placed" });
    const ledger = table.getByRole("row", { name: "order-ledger" });
    await ledger.getByText("order.*").waitFor();
    await ledger.getByText("5 attempts").waitFor();
    await ledger.getByText("Delivering").waitFor();
    await table.getByRole("row", { name: "order-emails" }).waitFor();
    expect(await table.getByRole("row", { name: "search-index" }).count()).toBe(0);
    await expectAccessible(page);
    await takePicture(page, "events");
  });

  test("explains a name that nobody has declared", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events"));
    await page.getByLabel("Find an event").fill("product.update");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 2, name: "product.update", exact: true }).waitFor();
    await page.getByText("Not declared").first().waitFor();
    await page.getByText("No subscription gets this event").waitFor();
    await page.getByText("Patterns that nearly match").waitFor();
    await page.getByRole("link", { name: "search-index" }).waitFor();
    await expectAccessible(page);
  });

  test("emits a test event from a form, and shows at each field what the schema has against it", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events/order.placed"));
    await page.getByRole("button", { name: "Emit a test event" }).click();
    const dialog = page.getByRole("dialog", { name: "Emit order.placed" });
    await dialog.getByText("2 subscriptions will get it (order-emails, order-ledger)").waitFor();
    await dialog.getByLabel("total").fill("-1");
    await dialog.getByLabel("email").fill("nobody");
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    await dialog.getByText("2 fields to correct").waitFor();
    const total = dialog.getByLabel("total");
    expect(await total.getAttribute("aria-invalid")).toBe("true");
    await expectAccessible(page);
    await takePicture(page, "emit-a-test-event");
    expect(shop.received).toEqual([]);

    await total.fill("12.5");
    await dialog.getByLabel("email").fill("grace@example.com");
    await dialog.getByLabel("currency").selectOption("USD");
    await dialog.getByLabel("isGift").check();
    await dialog.getByLabel("Deliver to").selectOption("order-ledger");
    await dialog.getByText("1 subscription will get it (order-ledger)").waitFor();
    const sent = page.waitForRequest((request) => request.method() === "POST");
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    expect((await sent).postDataJSON()).toMatchObject({ to: ["order-ledger"] });
    await page.getByText("Emitted order.placed with the id").waitFor();
    await expect
      .poll(() => shop.received)
      .toEqual([
        {
          name: "order.placed",
          data: {
            ...example(),
            total: 12.5,
            currency: "USD",
            isGift: true,
            customer: { email: "grace@example.com" },
          },
        },
      ]);
  });

  test("emits what the form shows: a box that is not checked is false", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events/stock.changed"));
    await page.getByRole("button", { name: "Emit a test event" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("sku").fill("A-1");
    await dialog.getByLabel("quantity").fill("3");
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    const data = { sku: "A-1", quantity: 3, isFinal: false };
    await expect.poll(() => shop.received).toEqual([{ name: "stock.changed", data }]);
  });

  test("says nothing of subscriptions that it does not know, and emits with a delay", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/no-such-page"));
    const held = await holdRequests(page, "**/explain");
    await page.goto(shop.url("/events/stock.changed"));
    await page.getByRole("button", { name: "Emit a test event" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("This is a real event. The bus checks").waitFor();
    held.release();
    await dialog.getByText("1 subscription will get it (stock-sync)").waitFor();
    await dialog.getByLabel("sku").fill("A-1");
    await dialog.getByLabel("quantity").fill("3");
    await dialog.getByLabel("Delay in seconds").fill("1.1");
    const sent = page.waitForRequest((request) => request.method() === "POST");
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    expect((await sent).postDataJSON()).toMatchObject({ delayMs: 1_100 });
    await dialog.waitFor({ state: "detached" });
  });

  test("emits JSON, and says where it is none", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events/order.shipped"));
    await page.getByRole("button", { name: "Emit a test event" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "JSON", exact: true }).click();
    const data = dialog.getByLabel("Data, as JSON");
    await data.fill("{ orderId");
    await dialog.getByText("This is not JSON").waitFor();
    // Neither this nor what was there before is sent.
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    expect(await data.evaluate((area) => area.matches(":focus"))).toBe(true);
    await data.fill('{ "orderId": "1" }');
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    await dialog.getByText("/carrier").first().waitFor();
    await data.fill('{ "orderId": "1", "carrier": "DHL" }');
    await dialog.getByRole("button", { name: "Emit", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    await expect
      .poll(() => shop.received)
      .toEqual([{ name: "order.shipped", data: { orderId: "1", carrier: "DHL" } }]);
  });

  test("gives the focus back to the button when the dialog is closed with Escape", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events/order.shipped"));
    const button = page.getByRole("button", { name: "Emit a test event" });
    await button.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    // However often one presses Tab, the focus stays inside, or goes to the browser's own buttons.
    for (let count = 0; count < 12; count += 1) {
      await page.keyboard.press("Tab");
      expect(
        await page.locator("main :focus, header :focus").filter({ hasNot: dialog }).count(),
      ).toBe(await dialog.locator(":focus").count());
    }
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.locator(":focus").textContent()).toBe("Emit a test event…");
  });

  test("lets a user who may only look emit nothing", async () => {
    const authenticate = (): { name: string; readOnly: boolean } => ({
      name: "Grace",
      readOnly: true,
    });
    const shop = await openWithCatalogue({ dashboard: { basePath: "/busbar", authenticate } });
    const page = await tabs.open(shop.url("/events/order.placed"));
    const button = page.getByRole("button", { name: "Emit a test event" });
    await button.waitFor();
    expect(await button.isDisabled()).toBe(true);
  });
});

describe("the live tail", () => {
  test("shows what happens to events, with their data and errors, and filters it", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events"), { height: 1100 });
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("status").getByText("Live").waitFor();
    const list = page.getByRole("list", { name: "What happened" });
    const entries = (text: string) => list.getByRole("listitem").filter({ hasText: text });
    // Processes begin to show what happens within seconds of the first look.
    await expect
      .poll(
        async () => {
          await shop.bus.emit("order.placed", example());
          return entries("Delivered").count();
        },
        { timeout: 8_000, interval: 200 },
      )
      .toBeGreaterThan(0);
    await entries("Emitted").first().waitFor();
    await entries("SMTP: 421 try later").first().waitFor();
    await entries("Dead").first().waitFor();
    await takePicture(page, "live-tail");

    // Nothing moves under the eyes of someone who reads an entry.
    await entries("Emitted").first().getByText("order.placed").click();
    await list.getByLabel("the data", { exact: true }).getByText('"100001042"').waitFor();
    await shop.bus.emit("order.shipped", { orderId: "1", carrier: "DHL" });
    await page.getByRole("button", { name: /Show \d+ new entr/ }).click();
    await entries("order.shipped").first().waitFor();
    await expectAccessible(page);

    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByText("Nothing has happened yet").waitFor();
    const filtered = page.waitForRequest((request) => request.url().includes("text=UPS"));
    await page.getByLabel("What happened").selectOption("Emitted");
    await page.getByLabel("Text in the event").fill("UPS");
    expect(new URL((await filtered).url()).searchParams.get("type")).toBe("emitted");
    await expect
      .poll(
        async () => {
          await shop.bus.emit("order.shipped", { orderId: "3", carrier: "DHL" });
          await shop.bus.emit("order.shipped", { orderId: "2", carrier: "UPS" });
          return entries("Emitted").count();
        },
        { timeout: 8_000, interval: 200 },
      )
      .toBeGreaterThan(0);
    await page.getByRole("button", { name: "Stop" }).click();
    expect(await entries("Delivered").count()).toBe(0);
    await entries("Emitted").first().getByText("order.shipped").click();
    await list.getByLabel("the data", { exact: true }).getByText('"UPS"').waitFor();
  });

  test("ends when it is stopped, and while the tab is hidden", async () => {
    const shop = await openWithCatalogue();
    const page = await tabs.open(shop.url("/events/order.placed"));
    const isTail = (request: { url(): string }): boolean => request.url().includes("/api/tail?");
    const begun = page.waitForRequest(isTail);
    await page.getByRole("button", { name: "Start" }).click();
    expect(new URL((await begun).url()).searchParams.get("name")).toBe("order.placed");
    await page.getByRole("status").getByText("Live").waitFor();
    const hidden = page.waitForEvent("requestfailed", isTail);
    await setHidden(page, true);
    await hidden;
    const again = page.waitForRequest(isTail);
    await setHidden(page, false);
    await again;
    const stopped = page.waitForEvent("requestfailed", isTail);
    await page.getByRole("button", { name: "Stop" }).click();
    await stopped;
  });
});
