import type { Page } from "playwright-core";

/** Does what the browser does when the user looks at another tab, or comes back. */
export async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  // A browser without a window has no tab in the background.
  const state = JSON.stringify(isHidden ? "hidden" : "visible");
  await page.evaluate(
    `Object.defineProperty(document, "visibilityState", { configurable: true, value: ${state} });
    document.dispatchEvent(new Event("visibilitychange"));`,
  );
}
