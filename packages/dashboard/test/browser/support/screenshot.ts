import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";

const folder = fileURLToPath(new URL("../../../../../docs/images/dashboard/", import.meta.url));

/**
 * Takes a picture of what a tab shows, for the documentation, if `UPDATE_SCREENSHOTS` asks for it.
 *
 * @param prepare Makes the picture worth looking at: it is called only if the picture is taken.
 */
export async function takePicture(
  page: Page,
  name: string,
  prepare?: () => Promise<unknown>,
): Promise<void> {
  if (process.env["UPDATE_SCREENSHOTS"] === undefined) return;
  await prepare?.();
  await page.emulateMedia({ colorScheme: "light" });
  await page.screenshot({ path: `${folder}${name}.png` });
}
