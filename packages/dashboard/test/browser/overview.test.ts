import { describe, expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { setHidden } from "./support/hidden.ts";
import { takePicture } from "./support/screenshot.ts";
import { useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();

describe("the overview", () => {
  test("shows the numbers, the processes and the guarantees of the whole system", async () => {
    const shop = await shops.open({
      redis: true,
      prepare(bus) {
        bus.subscribe("order.placed", () => undefined, { subscriberId: "order-emails" });
        let count = 0;
        const ledger = async (): Promise<void> => {
          count += 1;
          if (count % 8 === 0) throw new Error("The ledger is closed");
        };
        bus.subscribe("order.*", ledger, { subscriberId: "order-ledger", attempts: 1 });
      },
    });
    await shops.open({
      redis: true,
      prepare: (bus) =>
        void bus.subscribe("stock.changed", () => undefined, { subscriberId: "stock-sync" }),
    });
    const page = await tabs.open(shop.url(), { height: 1000 });
    await page.getByRole("status").getByText("Live").waitFor();
    const figure = (name: string) =>
      page.locator(".figure", { has: page.getByText(name, { exact: true }) }).locator("dd");

    let most = 1;
    const emitting = setInterval(() => {
      most = (most % 9) + 1;
      for (let count = 0; count < most; count += 1) {
        void shop.bus.emit("order.placed", { orderId: "100001042" });
      }
    }, 200);
    try {
      for (const name of ["Emitted", "Delivered", "Failed", "Dead"]) {
        await figure(name).getByText(/[1-9]/).waitFor();
      }
      // A minute of charts.
      await takePicture(page, "overview", () => page.waitForTimeout(60_000));
    } finally {
      clearInterval(emitting);
    }
    await figure("Dead letters").getByText(/[1-9]/).waitFor();

    const subscriptions = page.getByRole("table", { name: "Subscriptions" });
    const ledger = subscriptions.getByRole("row", { name: "order-ledger" });
    await ledger.getByText("Delivering").waitFor();
    // A run time of this second is there after the next report of the process.
    await subscriptions
      .getByRole("row", { name: "order-emails" })
      .getByText(/\d m?s/)
      .first()
      .waitFor();
    await subscriptions.getByRole("link", { name: "stock-sync" }).waitFor();

    const processes = page.getByRole("table", { name: "Processes" });
    await processes.getByRole("row").nth(2).waitFor();
    expect(await processes.getByText("This one").count()).toBe(1);
    expect(await processes.getByText(`node ${process.versions.node}`).count()).toBe(2);
    // Another process has the handlers.
    await subscriptions.getByRole("row", { name: "stock-sync" }).getByText("Delivering").waitFor();
    await page.getByRole("button", { name: "Charts of order-emails" }).click();
    const charts = page.getByRole("region", { name: "Charts of order-emails" });
    await charts.locator("canvas").first().waitFor();
    await page.getByText("Guarantees of the provider redis").waitFor();
    await page.getByRole("heading", { name: "Accepted events survive a crash" }).waitFor();
    expect(await page.locator("canvas").count()).toBeGreaterThanOrEqual(3);
    await expectAccessible(page);

    await ledger.getByRole("link", { name: "order-ledger" }).click();
    await page.getByRole("heading", { level: 1, name: "order-ledger" }).waitFor();
  });

  test("stops its stream while the tab is hidden, and opens it again", async () => {
    const shop = await shops.open();
    const page = await tabs.open(shop.url());
    await page.getByRole("status").getByText("Live").waitFor();
    const isStream = (url: string): boolean => url.endsWith("/api/live");
    const ended = page.waitForEvent("requestfailed", (request) => isStream(request.url()));
    await setHidden(page, true);
    await ended;
    await page.getByText("Paused while hidden").waitFor();
    const begun = page.waitForRequest((request) => isStream(request.url()));
    await setHidden(page, false);
    await begun;
    await page.getByRole("status").getByText("Live").waitFor();
  });

  test("says when the server is gone, and goes on when it is there again", async () => {
    const shop = await shops.open();
    const page = await tabs.open(shop.url());
    await page.getByRole("status").getByText("Live").waitFor();
    await shop.stopServing();
    await page.getByText("Connection lost; trying again").waitFor();
    await page.getByRole("heading", { name: "Processes" }).waitFor();
    await shop.serveAgain();
    await page.getByRole("status").getByText("Live").waitFor();
  });
});
