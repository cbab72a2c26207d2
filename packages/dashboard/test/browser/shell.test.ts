import { describe, expect, test } from "vitest";
import { expectAccessible } from "./support/accessible.ts";
import { useTabs } from "./support/browser.ts";
import { useShops } from "./support/shop.ts";

const TOKEN = "a-token-of-the-tests";
const tabs = useTabs();
const shops = useShops();

describe("the form that signs in", () => {
  const dashboard = { basePath: "/busbar", token: TOKEN };

  test("refuses a wrong token, takes the right one, and comes again after the user has signed out", async () => {
    const { url } = await shops.open({ dashboard });
    const page = await tabs.open(url("/events"));
    await page.getByLabel("Token").fill("not-the-token");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await expectAccessible(page);
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Sign in" }).click();
    // The user gets the page that was asked for.
    await page.getByRole("heading", { level: 1, name: "Events" }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
  });

  test("comes above the page when the session has ended, and leaves what the user has written", async () => {
    const { url } = await shops.open({ dashboard });
    const page = await tabs.open(url("/events/order.placed"));
    const signIn = async (token: string): Promise<void> => {
      await page.getByLabel("Token").fill(token);
      await page.keyboard.press("Enter");
    };
    await signIn("not-the-token");
    await page.getByRole("alert").waitFor();
    await signIn(TOKEN);
    await page.getByRole("button", { name: "Emit a test event" }).click();
    const draft = page.getByRole("dialog", { name: "Emit order.placed" });
    await draft.getByLabel("Data, as JSON").fill('{ "id": 42 }');
    await page.context().clearCookies();
    await draft.getByRole("button", { name: "Emit", exact: true }).click();
    await page.getByRole("dialog", { name: "Sign in again" }).waitFor();
    // Nobody who comes by reads on.
    expect(await draft.isVisible()).toBe(false);
    expect(await page.getByRole("heading", { name: "order.placed" }).isVisible()).toBe(false);
    await expectAccessible(page);
    await signIn(TOKEN);
    expect(await draft.getByLabel("Data, as JSON").inputValue()).toBe('{ "id": 42 }');
    await draft.getByRole("button", { name: "Emit", exact: true }).click();
    await draft.waitFor({ state: "detached" });

    // What could not be read is read after the user has signed in.
    await page.context().clearCookies();
    await page.getByRole("link", { name: "Dead letters" }).click();
    await signIn(TOKEN);
    await page.getByText("Every delivery has been acknowledged so far.").waitFor();
  });

  test("says that the application signs users in, where it does", async () => {
    const { url } = await shops.open({
      dashboard: { basePath: "/busbar", authenticate: () => undefined },
    });
    const page = await tabs.open(url());
    await page.getByText("Sign in to the application").waitFor();
    expect(await page.getByLabel("Token").count()).toBe(0);
  });
});

describe("the frame", () => {
  test("leads to every page by the keyboard alone, and back by the history", async () => {
    const { url } = await shops.open();
    const page = await tabs.open(url());
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    const focused = (): Promise<string | null> => page.locator(":focus").textContent();
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Skip to the page");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Events");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Events" }).waitFor();
    expect(await page.locator(":focus").getAttribute("id")).toBe("main");
    expect(await page.title()).toBe("Events · Busbar");
    expect(new URL(page.url()).pathname).toBe("/busbar/events");
    const current = page.getByRole("navigation").locator("[aria-current=page]");
    expect(await current.textContent()).toBe("Events");
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await page.goForward();
    await page.getByRole("heading", { level: 1, name: "Events" }).waitFor();
  });

  test("moves the focus to the page with the skip link", async () => {
    const { url } = await shops.open();
    const page = await tabs.open(url("/subscriptions"));
    await page.getByRole("heading", { level: 1, name: "Subscriptions" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.locator(":focus").getAttribute("id")).toBe("main");
  });

  test("says that a path has no page", async () => {
    const { url } = await shops.open();
    const page = await tabs.open(url("/no-such-page"));
    await page.getByText("There is no page at /no-such-page").waitFor();
    await expectAccessible(page);
    await page.getByRole("link", { name: "Go to the overview" }).click();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  });

  test("keeps the colours that the user has chosen", async () => {
    const { url } = await shops.open();
    const page = await tabs.open(url("/subscriptions"));
    const ground = (): Promise<string> =>
      page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
    const colours = page.getByLabel("Colours");
    await colours.waitFor();
    const light = await ground();
    await colours.selectOption("Dark");
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    await colours.waitFor();
    expect(await colours.inputValue()).toBe("dark");
    expect(await ground()).toBe(dark);
    await page.emulateMedia({ colorScheme: "dark" });
    await colours.selectOption("Light");
    expect(await ground()).toBe(light);
  });

  test("says who is signed in, and who may only look", async () => {
    const authenticate = (): { name: string; readOnly: boolean } => ({
      name: "Grace",
      readOnly: true,
    });
    const { url } = await shops.open({ dashboard: { basePath: "/busbar", authenticate } });
    const page = await tabs.open(url());
    await page.getByText("Grace").waitFor();
    await page.getByText("may only look").waitFor();
  });

  test("is served at the root as well", async () => {
    const { url } = await shops.open({
      dashboard: { authenticate: () => ({ name: "Ada" }), basePath: "" },
    });
    const page = await tabs.open(url("/events"));
    await page.getByRole("link", { name: "Subscriptions" }).click();
    await page.getByRole("heading", { level: 1, name: "Subscriptions" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/subscriptions");
  });
});
