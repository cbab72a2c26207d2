import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the browser of the run listens. */
    readonly chromium: string;
  }
}

/** How a tab differs from one of a desktop in light colours. */
export interface TabOptions {
  readonly scheme?: "light" | "dark";
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  /** Cookies of a user who is signed in. */
  readonly cookie?: string;
}

/** Opens tabs for the tests of a file, and closes them after each test. */
export interface Tabs {
  /** Opens an address in a tab of a browser that nobody has used before. */
  open(url: string, options?: TabOptions): Promise<Page>;
}

/**
 * Connects the tests of a file to the browser of the run. A test fails if a page logs an error: a request that the
 * policy of the page refuses, for example.
 */
export function useTabs(): Tabs {
  let browser: Browser;
  const faults: string[] = [];
  beforeAll(async () => {
    browser = await chromium.connect(inject("chromium"));
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(faults.splice(0)).toEqual([]);
  });
  return {
    async open(url, { scheme = "light", width = 1280, height = 860, cookie } = {}) {
      const context = await browser.newContext({
        colorScheme: scheme,
        viewport: { width, height },
        reducedMotion: "reduce",
      });
      if (cookie !== undefined) {
        const [name = "", value = ""] = cookie.split("=");
        await context.addCookies([{ name, value, url: new URL(url).origin }]);
      }
      const page = await context.newPage();
      page.setDefaultTimeout(8_000);
      page.on("pageerror", (error) => faults.push(String(error)));
      page.on("console", (message) => {
        // What the server refuses is shown on the page; the browser logs it, too.
        const isAnswer = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isAnswer) faults.push(message.text());
      });
      await page.goto(url);
      return page;
    },
  };
}
