import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";

const folder = fileURLToPath(new URL("../../../../../docs/images/dashboard/", import.meta.url));

/** Takes a picture for the documentation, in light and in dark colours, if `UPDATE_SCREENSHOTS` asks for them. */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env["UPDATE_SCREENSHOTS"] === undefined) return;
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}${name}-${colorScheme}.png` });
  }
  await page.emulateMedia({ colorScheme: null });
}
