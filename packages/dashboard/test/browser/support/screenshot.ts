import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";

const folder = fileURLToPath(new URL("../../../../../docs/images/dashboard/", import.meta.url));

/** Takes a picture of what a tab shows, for the documentation, if `UPDATE_SCREENSHOTS` asks for it. */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env["UPDATE_SCREENSHOTS"] === undefined) return;
  await page.emulateMedia({ colorScheme: "light" });
  await page.screenshot({ path: `${folder}${name}.png` });
}
