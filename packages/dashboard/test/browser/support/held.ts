import type { Page } from "playwright-core";

/** Requests that do not reach the server yet. */
export interface Held {
  /** How many requests were held. */
  readonly count: number;
  /** Lets them, and all later ones, go on. */
  release(): void;
}

/** Holds the requests of a tab whose address and method fit, as a slow server would. */
export async function holdRequests(
  page: Page,
  address: string | RegExp,
  method = "GET",
): Promise<Held> {
  let count = 0;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(address, async (route) => {
    if (route.request().method() === method) {
      count += 1;
      await released;
    }
    // The page may have given the request up meanwhile.
    await route.continue().catch(() => undefined);
  });
  return {
    get count() {
      return count;
    },
    release,
  };
}
