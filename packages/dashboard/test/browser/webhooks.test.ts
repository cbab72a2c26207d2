import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { holdRequests } from "./support/held.ts";
import { takePicture } from "./support/screenshot.ts";
import { useShops } from "./support/shop.ts";
import { useWebhooksShops, type WebhooksShop } from "./support/webhooks-shop.ts";

const tabs = useTabs();
const shops = useWebhooksShops(useShops());

function button(page: Page, name: string | RegExp) {
  return page.getByRole("button", { name, exact: typeof name === "string" });
}

/** Two subscriptions, one of which is disabled. */
async function subscribe({ hooks, receiver }: WebhooksShop) {
  const erp = await hooks.subscriptions.create({
    label: "ERP",
    events: ["order.*"],
    destination: receiver.url,
  });
  const crm = await hooks.subscriptions.create({
    label: "CRM",
    events: ["order.paid"],
    destination: "http://127.0.0.1:9/crm",
    scope: "de",
    enabled: false,
  });
  return { erp, crm };
}

/** Publishes an event, and waits until the log has an attempt of it. */
async function deliver(shop: WebhooksShop, data: object): Promise<string> {
  const eventId = await shop.hooks.publish("order.placed", data as never);
  await shop.receiver.next();
  await expect
    .poll(async () => (await shop.hooks.log.attempts({ query: `event_id: ${eventId}` })).items)
    .toHaveLength(1);
  const { items } = await shop.hooks.log.deliveries({ query: `event_id: ${eventId}` });
  return items[0]!.id;
}

describe("the grid of webhook subscriptions", () => {
  test("filters, and enables and disables many at once", async () => {
    const shop = await shops.open();
    await subscribe(shop);
    const page = await tabs.open(shop.url("/webhooks"));
    const table = page.getByRole("table", { name: "Webhook subscriptions" });
    await table.getByRole("link", { name: "ERP" }).waitFor();
    await expectAccessible(page);
    await takePicture(page, "webhooks");

    await page.getByLabel("State").selectOption("disabled");
    await table.getByRole("link", { name: "ERP" }).waitFor({ state: "detached" });
    expect(await table.getByRole("link").allTextContents()).toEqual(["CRM"]);
    await page.getByLabel("State").selectOption("");
    await page.getByLabel("Label or destination").fill("crm");
    await table.getByRole("link", { name: "ERP" }).waitFor({ state: "detached" });
    await page.getByLabel("Label or destination").fill("");
    await table.getByRole("link", { name: "ERP" }).waitFor();

    await page.getByLabel("Select all rows that are shown").check();
    await page.getByText("2 subscriptions selected").waitFor();
    // What the user does not see is not acted on.
    await page.getByLabel("State").selectOption("disabled");
    await page.getByText("1 subscription selected").waitFor();
    await page.getByLabel("State").selectOption("");
    await page.getByLabel("Select all rows that are shown").check();
    await button(page, "Enable…").click();
    await page.getByRole("dialog", { name: "Enable 2 subscriptions?" }).waitFor();
    await button(page, "Enable").click();
    await page.getByText("1 subscription is now enabled; 1 already was.").waitFor();
    const { items } = await shop.hooks.subscriptions.list({ enabled: true });
    expect(items.map(({ label }) => label)).toEqual(["CRM", "ERP"]);
  });

  test("lets a reader change nothing", async () => {
    const authenticate = () => ({ name: "Reader", readOnly: true });
    const shop = await shops.open({ dashboard: { basePath: "/busbar", authenticate } });
    const { erp } = await subscribe(shop);
    const page = await tabs.open(shop.url("/webhooks"));
    await page.getByRole("link", { name: "ERP" }).waitFor();
    expect(await button(page, "New subscription").isDisabled()).toBe(true);
    // A keyboard and a finger find out why.
    await button(page, "New subscription").focus();
    await page.keyboard.press("Enter");
    await page.getByText("You may look at this dashboard, and change nothing.").waitFor();
    await expectAccessible(page);
    expect(new URL(page.url()).pathname).toBe("/busbar/webhooks");
    await page.goto(shop.url(`/webhooks/subscriptions/${erp.id}`));
    for (const name of ["Send a test…", "Edit", "Disable…", "Delete…", "Rotate the secret…"]) {
      await button(page, name).waitFor();
      expect(await button(page, name).isDisabled(), name).toBe(true);
    }
    await page.goto(shop.url("/webhooks/replays"));
    await page.getByText("You may not see replays").waitFor();
  });
});

describe("the form of a webhook subscription", () => {
  test("is made from the schema of the notifier, and shows the secret once", async () => {
    const shop = await shops.open();
    const page = await tabs.open(shop.url("/webhooks"));
    await button(page, "New subscription").click();
    await page.getByRole("heading", { level: 1, name: "New webhook subscription" }).waitFor();
    await page.getByLabel("Label (optional)").fill("Warehouse");
    await page.getByLabel("Events").fill("order.*");
    await page.getByLabel("Destination").fill("no url");
    await page.getByLabel("Format").selectOption({ index: 2 });
    await page.getByLabel("Authentication (optional)").selectOption("bearer");
    await page.getByLabel("Token").fill("a-secret-token");
    await button(page, "Create the subscription").click();
    await page.getByText("Some fields are not right").waitFor();
    expect(await page.getByLabel("Destination").getAttribute("aria-invalid")).toBe("true");
    await expectAccessible(page);

    await page.getByLabel("Destination").fill(shop.receiver.url);
    await button(page, "Create the subscription").click();
    const dialog = page.getByRole("dialog", { name: "The secret of the subscription" });
    const secret = await dialog.locator("code").textContent();
    expect(secret).toMatch(/^whsec_/);
    await button(page, "Open the subscription").click();
    await page.getByRole("heading", { level: 1, name: "Warehouse" }).waitFor();
    expect(await page.content()).not.toContain(secret!);
    const { items } = await shop.hooks.subscriptions.list();
    const settings = { auth: { type: "bearer", token: "[secret]" } };
    const written = { label: "Warehouse", events: ["order.*"], createdBy: "Ada", settings };
    expect(items[0]).toMatchObject(written);
  });

  test("changes a subscription, and keeps its stored secrets", async () => {
    const shop = await shops.open();
    const { id } = await shop.hooks.subscriptions.create({
      label: "ERP",
      events: ["order.*"],
      destination: shop.receiver.url,
      settings: { auth: { type: "bearer", token: "a-secret-token" } },
    });
    const page = await tabs.open(shop.url(`/webhooks/subscriptions/${id}`));
    await button(page, "Edit").click();
    await page.getByRole("heading", { level: 1, name: "Edit ERP" }).waitFor();
    expect(await page.content()).not.toContain("a-secret-token");
    await page.getByLabel("Label (optional)").fill("ERP 2");
    // An empty field is a mistake: it must not become a default that the user has not seen.
    for (const name of ["Attempts at the same time", "Retries"]) {
      const field = page.getByLabel(name);
      const before = await field.inputValue();
      await field.fill("");
      await button(page, "Save").click();
      expect(await field.evaluate((it) => it.matches(":focus"))).toBe(true);
      expect(await field.getAttribute("aria-invalid")).toBe("true");
      await field.fill(before);
    }
    await button(page, "Save").click();
    await page.getByRole("heading", { level: 1, name: "ERP 2" }).waitFor();
    await deliver(shop, { id: "1" });
    expect(shop.receiver.requests.at(-1)?.headers["authorization"]).toBe("Bearer a-secret-token");
  });
});

describe("the page of a webhook subscription", () => {
  test("sends a test, and rotates the secret", async () => {
    const shop = await shops.open();
    const { erp } = await subscribe(shop);
    const page = await tabs.open(shop.url(`/webhooks/subscriptions/${erp.id}`));
    await page.getByRole("heading", { level: 1, name: "ERP" }).waitFor();
    await expectAccessible(page);
    await takePicture(page, "webhook");
    shop.receiver.answer({ status: 200, body: "thanks" });
    await button(page, "Send a test…").click();
    await page.getByLabel("Event (optional)").fill("order.placed");
    await button(page, "Send the test").click();
    const result = page.getByRole("status", { name: "Result of the test" });
    await result.getByText("Delivered").waitFor();
    await result.getByText("thanks").waitFor();
    await expectAccessible(page);
    await page
      .getByRole("dialog")
      .getByRole("button", { name: "Close", exact: true })
      .last()
      .click();

    await button(page, "Rotate the secret…").click();
    const held = await holdRequests(page, "**/secret", "POST");
    await button(page, "Rotate the secret").click();
    // The answer has the only copy of the secret: the dialog stays until it is there.
    await button(page, "Working…").waitFor();
    const rotating = page.getByRole("dialog", { name: "Rotate the secret?" });
    for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press("Escape");
    expect(await rotating.getByRole("button").allTextContents()).toEqual(["Cancel", "Working…"]);
    expect(await rotating.getByRole("button", { name: "Cancel" }).isDisabled()).toBe(true);
    held.release();
    const dialog = page.getByRole("dialog", { name: "The new secret" });
    expect(await dialog.locator("code").textContent()).toMatch(/^whsec_/);
    for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press("Escape");
    await button(page, "Done").click();
    await page.getByText("signs until").waitFor();
    expect((await shop.hooks.subscriptions.get(erp.id))?.secrets).toHaveLength(2);
  });

  test("shows a failing endpoint, disables the subscription, and deletes it", async () => {
    const shop = await shops.open();
    const { erp } = await subscribe(shop);
    shop.receiver.answer({ status: 503, headers: { "retry-after": "60" } });
    await deliver(shop, { id: "1" });
    const page = await tabs.open(shop.url(`/webhooks/subscriptions/${erp.id}`));
    const health = page.getByRole("region", { name: "Health of the endpoint" });
    await health.getByText("Resting").waitFor();
    await button(page, "Disable…").click();
    await button(page, "Disable").click();
    await page.getByText("The subscription is disabled since").waitFor();
    await button(page, "Delete…").click();
    await button(page, "Delete the subscription").click();
    await page.getByRole("heading", { level: 1, name: "Webhooks" }).waitFor();
    expect((await shop.hooks.subscriptions.get(erp.id))?.deletedAt).toBeInstanceOf(Date);
  });
});

describe("the delivery log", () => {
  test("searches in Lucene's syntax, with completion, and marks a mistake", async () => {
    const shop = await shops.open();
    await subscribe(shop);
    await deliver(shop, { id: "1", email: "ada@example.com" });
    await deliver(shop, { id: "2", email: "bob@example.com" });
    const page = await tabs.open(shop.url("/webhooks/log"));
    const rows = page.getByRole("table", { name: "Deliveries" }).locator("tbody tr");
    await expect.poll(() => rows.count()).toBe(2);
    await expectAccessible(page);
    await takePicture(page, "webhook-log");

    const query = page.getByRole("combobox", { name: "Query" });
    await query.pressSequentially("succ");
    await page.getByRole("option", { name: /success/ }).waitFor();
    await expectAccessible(page);
    await query.press("ArrowDown");
    await query.press("Enter");
    expect(await query.inputValue()).toBe("success: ");
    await query.pressSequentially("tr");
    await query.press("ArrowDown");
    await query.press("Enter");
    expect(await query.inputValue()).toBe("success: true");
    await query.fill("data.email: ada@example.com");
    await query.press("Enter");
    await expect.poll(() => rows.count()).toBe(1);
    expect(new URL(page.url()).searchParams.get("query")).toBe("data.email: ada@example.com");

    await query.fill("success: (true");
    await query.press("Enter");
    const fault = page.getByRole("alert");
    await fault.locator("mark").waitFor();
    expect(await fault.textContent()).toMatch(/position/);
    await expectAccessible(page);

    await query.fill("");
    await query.press("Enter");
    await expect.poll(() => rows.count()).toBe(2);
    const searches: string[] = [];
    page.on("request", (request) => {
      const { pathname, searchParams } = new URL(request.url());
      if (pathname.endsWith("/deliveries")) searches.push(searchParams.get("since") ?? "");
    });
    const since = page.getByLabel("Since");
    await since.pressSequentially("soon");
    await page.getByText("The search cannot be read").waitFor();
    expect(searches).toEqual(["soon"]);
    expect(await since.getAttribute("aria-invalid")).toBe("true");
    expect(await query.getAttribute("aria-invalid")).toBeNull();
    await since.fill("2026-11-30");
    await expect.poll(() => rows.count()).toBe(2);
    await page.getByLabel("Show").selectOption("attempts");
    const attempts = page.getByRole("table", { name: "Attempts" });
    await expect.poll(() => attempts.locator("tbody tr").count()).toBe(2);
    await button(page, "Count the attempts").click();
    await page.getByText("2 attempts", { exact: true }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "CSV", exact: true }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("attempts.csv");
  });

  test("traces a delivery, and replays it", async () => {
    const shop = await shops.open();
    await subscribe(shop);
    shop.receiver.answer({ status: 400, body: "no such order" });
    const id = await deliver(shop, { id: "1" });
    const page = await tabs.open(shop.url(`/webhooks/deliveries/${id}`));
    await page.getByText("400").first().waitFor();
    await page.getByRole("img", { name: /1 attempt within/ }).waitFor();
    await page.locator("summary", { hasText: "Attempt 1" }).click();
    await page.getByText("no such order").waitFor();
    await expectAccessible(page);
    await takePicture(page, "webhook-delivery");
    shop.receiver.answer({ status: 200 });
    await button(page, "Replay…").click();
    await button(page, "Replay").click();
    await shop.receiver.next();
    await page.locator("summary", { hasText: "Attempt 2" }).waitFor();
  });

  test("replays what a search finds, after it has counted", async () => {
    const shop = await shops.open();
    await subscribe(shop);
    shop.receiver.answer({ status: 400 }, { status: 400 });
    await deliver(shop, { id: "1" });
    await deliver(shop, { id: "2" });
    shop.receiver.answer({ status: 200 });
    const page = await tabs.open(shop.url("/webhooks/log?query=success%3A+false"));
    await page.getByRole("table", { name: "Deliveries" }).waitFor();
    await button(page, "Replay what is found…").click();
    await page.getByText("The search finds 2 deliveries.").waitFor();
    await expectAccessible(page);
    await button(page, "Replay 2 deliveries").click();
    await page.getByRole("heading", { level: 1, name: "Replays" }).waitFor();
    await Promise.all([shop.receiver.next(), shop.receiver.next()]);
    await page.getByText("2 of 2").waitFor();
    await expectAccessible(page);
  });

  test("cancels a delivery that waits", async () => {
    const shop = await shops.open();
    await subscribe(shop);
    shop.receiver.answer({ status: 503 });
    const id = await deliver(shop, { id: "1" });
    const page = await tabs.open(shop.url(`/webhooks/deliveries/${id}`));
    await button(page, "Cancel the delivery…").click();
    await button(page, "Cancel the delivery").click();
    await page.getByText("The delivery is cancelled.").waitFor();
    expect((await shop.hooks.log.trace(id))?.delivery.state).toBe("cancelled");
  });
});
