import { defineEvents, type EventBus } from "@busbar/core";
import type { Page, Request } from "playwright-core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { takePicture } from "./support/screenshot.ts";
import { useShops } from "./support/shop.ts";

const tabs = useTabs();
const shops = useShops();

const events = defineEvents({
  "order.placed": z.object({ orderId: z.string(), email: z.email() }),
  "stock.changed": z.object({ sku: z.string() }),
});

/** A shop whose mail server is away, with some dead letters. */
async function openShop(readOnly = false) {
  const mail = { isAway: true, sent: [] as unknown[] };
  const shop = await shops.open({
    events,
    dashboard: { basePath: "/busbar", authenticate: () => ({ name: "Ada", readOnly }) },
    prepare(bus) {
      bus.subscribe(
        "order.placed",
        ({ data }) => {
          if (mail.isAway) throw refused();
          mail.sent.push(data);
        },
        { subscriberId: "order-emails", attempts: 2, backoff: 1 },
      );
      bus.subscribe(
        "stock.changed",
        () => {
          throw new RangeError("There is no such shelf");
        },
        { subscriberId: "stock/sync", attempts: 1 },
      );
    },
  });
  const { bus } = shop;
  for (let n = 1; n <= 3; n += 1) await bus.emit("order.placed", order(n));
  await bus.emit("stock.changed", { sku: "A-1" });
  await bus.settled();
  return { ...shop, mail };
}

/** The error of a driver, with a stack that is the same on every machine. */
function refused(): Error {
  const message = "connect ECONNREFUSED 127.0.0.1:25";
  const frames = [
    "at sendMail (/app/src/mail.ts:12:9)",
    "at sendReceipt (/app/src/subscribers/order-emails.ts:7:9)",
  ];
  return Object.assign(new Error(message), {
    code: "ECONNREFUSED",
    stack: [`Error: ${message}`, ...frames].join("\n    "),
  });
}

const order = (n: number) => ({ orderId: `o-${n}`, email: `customer-${n}@example.com` });

const rowsOf = (page: Page) => page.getByRole("table", { name: "Dead letters" }).getByRole("row");

/** Expects so many dead letters in the table, below its heading. */
async function expectRows(page: Page, count: number): Promise<void> {
  await expect.poll(() => rowsOf(page).count()).toBe(count + 1);
}

describe("the dead letters", () => {
  test("are found by a filter that the address keeps", async () => {
    const { url } = await openShop();
    const page = await tabs.open(url("/dead-letters"));
    await expectRows(page, 4);
    await page.getByText("4 of 4 dead letters shown").waitFor();
    await expectAccessible(page);
    await takePicture(page, "dead-letters");

    await page.getByLabel("Text in the event").fill("customer-2@");
    await page.keyboard.press("Enter");
    await expectRows(page, 1);
    expect(new URL(page.url()).searchParams.get("text")).toBe("customer-2@");
    await page.reload();
    await expectRows(page, 1);
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByLabel("Text in an error").fill("no such shelf");
    await page.getByLabel("Event, or pattern").fill("stock.*");
    await page.getByLabel("Reason").selectOption("Out of attempts");
    await page.getByLabel("Died from").fill("2020-01-01T00:00");
    await page.getByRole("button", { name: "Search" }).click();
    await expectRows(page, 1);
    await page.getByLabel("Died before").fill("2020-01-02T00:00");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByText("No dead letter matches the filter").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByLabel("Subscription").fill("order-mails");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByText('did you mean "order-emails"?').waitFor();
  });

  test("show their errors, with stacks, and what they carry, and are replayed or discarded", async () => {
    const { url, mail } = await openShop();
    const page = await tabs.open(url("/dead-letters?subscriberId=order-emails"));
    await expectRows(page, 3);
    await page.getByRole("link", { name: "order.placed" }).first().click();
    await page.getByRole("heading", { level: 1, name: "Dead letter: order.placed" }).waitFor();
    await page.getByLabel("the data").getByText("customer-1@example.com").waitFor();
    const attempts = page.getByRole("list", { name: "Errors" }).getByRole("listitem");
    expect(await attempts.count()).toBe(2);
    await attempts.last().getByText("connect ECONNREFUSED").first().waitFor();
    await attempts.last().getByText("/app/src/mail.ts:12:9").waitFor();
    await expectAccessible(page);
    await takePicture(page, "dead-letter");

    mail.isAway = false;
    await page.getByRole("button", { name: "Replay…", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
    await page.getByText("Replayed order.placed to order-emails").waitFor();
    await expectRows(page, 2);
    await expect.poll(() => mail.sent).toEqual([order(1)]);

    await page.getByRole("link", { name: "order.placed" }).first().click();
    await page.getByRole("button", { name: "Discard…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
    await page.getByText("Discarded the dead letter of order.placed").waitFor();
    await expectRows(page, 1);
    await page.goto(url("/dead-letters/order-emails/no-such"));
    await page.getByText("The dead letter was replayed or discarded").waitFor();
  });

  test("are repaired and replayed, once the data fits the schema", async () => {
    const { url, mail } = await openShop();
    mail.isAway = false;
    const page = await tabs.open(url("/dead-letters?text=customer-3"));
    await page.getByRole("link", { name: "order.placed" }).click();
    await page.getByRole("button", { name: "Edit and replay…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "JSON" }).click();
    const data = dialog.getByLabel("Data, as JSON");
    await data.fill('{ "orderId": "o-3", "email": "nobody" }');
    const replay = dialog.getByRole("button", { name: "Replay with this data" });
    await replay.click();
    await dialog.getByRole("alert").getByText("The data does not fit the schema").waitFor();
    await dialog.getByRole("alert").getByText("/email").waitFor();
    await expectAccessible(page);
    await takePicture(page, "edit-and-replay");
    await dialog.getByRole("button", { name: "Form" }).click();
    await dialog.getByLabel("email").fill("grace@example.com");
    await replay.click();
    await page.getByText("with the new data").waitFor();
    await expect.poll(() => mail.sent).toEqual([{ orderId: "o-3", email: "grace@example.com" }]);
  });

  test("are replayed and discarded where they are selected", async () => {
    const { url, bus, mail } = await openShop();
    mail.isAway = false;
    const page = await tabs.open(url("/dead-letters"));
    await expectRows(page, 4);
    await page.getByLabel("Select all rows that are shown").check();
    await page.getByLabel(/^Select stock.changed/).uncheck();
    await page.getByRole("button", { name: "Replay 3 selected" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
    await page.getByText("Replayed 3 dead letters.").waitFor();
    await expectRows(page, 1);
    await page.getByLabel(/^Select stock.changed/).check();
    await page.getByRole("button", { name: "Discard 1 selected" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
    await page.getByText("Every delivery has been acknowledged so far.").waitFor();
    expect(await bus.deadLetters.count()).toBe(0);
    expect(mail.sent).toHaveLength(3);
  });

  test("are only looked at by a user who may do no more", async () => {
    const { url } = await openShop(true);
    const page = await tabs.open(url("/dead-letters"));
    await expectRows(page, 4);
    expect(await page.getByRole("button", { name: "Replay all…" }).isDisabled()).toBe(true);
    expect(await page.getByRole("button", { name: "Discard all…" }).isDisabled()).toBe(true);
    await page.getByRole("link", { name: "order.placed" }).first().click();
    for (const name of ["Replay…", "Edit and replay…", "Discard…"]) {
      const button = page.getByRole("button", { name, exact: true });
      await button.waitFor();
      expect(await button.isDisabled()).toBe(true);
    }
  });
});

const MANY = 100_000;

describe("a hundred thousand dead letters", () => {
  test(
    "stay within reach, and are replayed and discarded in bulk",
    { timeout: 180_000 },
    async () => {
      const shop = await shops.open({
        redis: true,
        bus: { deadLetters: { maxPerSubscription: 2 * MANY } },
        prepare: (bus) =>
          void bus.subscribe("order.placed", () => undefined, { subscriberId: "order-emails" }),
      });
      await fill(shop.bus);
      const page = await tabs.open("about:blank");
      const times = watchRequests(page);
      await page.goto(shop.url("/dead-letters"));
      await rowsOf(page).nth(1).waitFor();
      const painted = await page.evaluate<number>(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime",
      );
      expect(await rowsOf(page).count()).toBe(51);
      await page.getByText("50 of 100,000 dead letters shown").waitFor();
      await page.getByRole("button", { name: "Show more" }).click();
      await page.getByText("100 of 100,000 dead letters shown").waitFor();

      await page.getByLabel("Text in the event").fill("customer-99999@example.com");
      await page.getByRole("button", { name: "Search" }).click();
      await page.getByText("1 dead letter shown").waitFor({ timeout: 30_000 });
      await page.getByRole("link", { name: "order.placed" }).click();
      await page.getByRole("button", { name: "Replay…", exact: true }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
      await page.getByText("50 of 99,999 dead letters shown").waitFor();

      await page.getByLabel("Text in the event").fill("customer-42");
      await page.getByRole("button", { name: "Search" }).click();
      await page.getByRole("button", { name: "Discard all that match…" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText("The filter matches 1,111 dead letters.").waitFor({ timeout: 30_000 });
      await expectAccessible(page);
      await takePicture(page, "discard-dead-letters");
      await dialog.getByLabel("Type discard to confirm").fill("discard");
      await dialog.getByRole("button", { name: "Discard 1,111 dead letters" }).click();
      await page
        .getByText("The job has discarded 1,111 dead letters.")
        .waitFor({ timeout: 30_000 });
      await page.getByText("No dead letter matches the filter").waitFor({ timeout: 30_000 });

      await page.getByRole("button", { name: "Show all" }).click();
      await page.getByRole("button", { name: "Replay all…" }).click();
      await page.getByRole("heading", { name: "Replay all dead letters?" }).waitFor();
      await dialog.getByText("There are 98,888 dead letters.").waitFor();
      await dialog.getByRole("button", { name: "Replay 98,888 dead letters" }).click();
      await page.getByRole("progressbar").waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByText("Cancelled after the job replayed").waitFor({ timeout: 30_000 });
      const left = await shop.bus.deadLetters.count();
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(98_888);

      const { count, longest, where } = times();
      process.stdout.write(
        `${MANY} dead letters: first paint ${painted.toFixed(0)} ms, ${count} requests, longest ${longest.toFixed(0)} ms (${where})\n`,
      );
      // Loose: a busy machine takes more pages of 200 ms, and more time for each.
      expect(count).toBeLessThan(500);
      expect(painted).toBeLessThan(3_000);
      expect(longest).toBeLessThan(3_000);
    },
  );
});

/** Leaves a hundred thousand dead letters: what a subscription had waiting when it was retired. */
async function fill(bus: EventBus): Promise<void> {
  await bus.pause("order-emails");
  for (let from = 0; from < MANY; from += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, at) => order(from + at));
    await bus.emit(some.map((data) => ({ name: "order.placed", data })));
  }
  await bus.retire("order-emails");
}

/** Notes how long requests of the interface take. Returns a function that gives how many, and the longest. */
function watchRequests(page: Page) {
  const finished: { readonly url: string; readonly ms: number }[] = [];
  page.on("requestfinished", (request: Request) => {
    const { responseEnd } = request.timing();
    if (request.url().includes("/api/")) finished.push({ url: request.url(), ms: responseEnd });
  });
  return () => {
    const [slowest] = finished.toSorted((a, b) => b.ms - a.ms);
    const where = new URL(slowest?.url ?? "about:blank").pathname;
    return { count: finished.length, longest: slowest?.ms ?? 0, where };
  };
}
