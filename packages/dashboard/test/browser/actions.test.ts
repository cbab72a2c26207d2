import { describe, expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();

describe("the page of actions", () => {
  test("says who did what, also what has failed", async () => {
    const shop = await shops.open({
      prepare: (bus) =>
        void bus.subscribe("order.placed", () => undefined, { subscriberId: "order-emails" }),
    });
    const page = await tabs.open(shop.url("/actions"));
    await page.getByText("No actions yet").waitFor();
    const headers = { "busbar-request": "1", "content-type": "application/json" };
    for (const id of ["order-emails", "no-such"]) {
      const path = `/api/subscriptions/${id}/pause`;
      await fetch(shop.url(path), { method: "POST", headers, body: '{"everywhere":false}' });
    }
    await page.reload();
    const table = page.getByRole("table", { name: "Actions" });
    const paused = table.getByRole("row", { name: "order-emails" });
    await paused.getByText("Done").waitFor();
    await paused.getByText("Ada").waitFor();
    await paused.getByText("everywhere: false").waitFor();
    await table.getByRole("row", { name: "no-such" }).getByText("Failed").waitFor();
    expect(await table.getByRole("row").count()).toBe(3);
    await expectAccessible(page);
  });
});
