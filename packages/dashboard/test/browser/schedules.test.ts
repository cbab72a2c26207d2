import type { EventBus } from "@busbar/core";
import { expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { takePicture } from "./support/screenshot.ts";
import { useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();

const schedules = {
  "nightly-report": {
    cron: "0 2 * * *",
    timeZone: "Europe/Berlin",
    event: "report.requested",
    data: { report: "sales" },
  },
  "stock-sync": { everyMs: 300_000, event: "stock.requested", data: {} },
} as const;

test("the page of schedules shows when they are due, emits one now, pauses, resumes and removes it", async () => {
  const reports: unknown[] = [];
  const prepare = (bus: EventBus): void => {
    bus.subscribe("report.requested", ({ data }) => void reports.push(data), {
      subscriberId: "reports",
    });
  };
  const shop = await shops.open({ bus: { schedules }, prepare });
  const page = await tabs.open(shop.url("/"));
  await page.getByRole("link", { name: "Schedules" }).click();
  const table = page.getByRole("table", { name: "Schedules" });
  const nightly = table.getByRole("row", { name: "nightly-report" });
  await nightly.getByText("0 2 * * * in Europe/Berlin").waitFor();
  await nightly.getByText(/, 02:00 Europe\/Berlin$/).waitFor();
  await table.getByRole("row", { name: "stock-sync" }).getByText("every 5 min").waitFor();
  await expectAccessible(page);
  await takePicture(page, "schedules");

  await page.getByRole("button", { name: "Show nightly-report" }).click();
  const details = page.getByRole("dialog", { name: "nightly-report" });
  await details.getByText('"sales"').waitFor();
  await details.getByText("one event, for the latest of them").waitFor();
  await page.keyboard.press("Escape");

  const act = async (name: string, confirm: string): Promise<void> => {
    await page.getByRole("button", { name: `${name} nightly-report` }).click();
    await page.getByRole("dialog").getByRole("button", { name: confirm, exact: true }).click();
  };
  await act("Emit now", "Emit now");
  await page.getByText("Emitted report.requested with the id").waitFor();
  await expect.poll(() => reports).toEqual([{ report: "sales" }]);
  await act("Pause", "Pause");
  await nightly.getByText("Paused").waitFor();
  await act("Resume", "Resume");
  await nightly.getByText("Active").waitFor();
  await act("Remove", "Remove the schedule");
  await nightly.waitFor({ state: "detached" });
  expect((await shop.bus.schedules.list()).map(({ id }) => id)).toEqual(["stock-sync"]);
});

test("the page of schedules lets a user who may only look change nothing", async () => {
  const authenticate = () => ({ name: "Grace", readOnly: true });
  const shop = await shops.open({
    bus: { schedules },
    dashboard: { basePath: "/busbar", authenticate },
  });
  const page = await tabs.open(shop.url("/schedules"));
  for (const name of ["Emit now", "Pause", "Remove"]) {
    const button = page.getByRole("button", { name: `${name} stock-sync` });
    await button.waitFor();
    expect(await button.isDisabled()).toBe(true);
  }
});
