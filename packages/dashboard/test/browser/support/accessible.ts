import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** Expects that axe finds nothing wrong with what a tab shows, in light and in dark colours, wide and on a phone. */
export async function expectAccessible(page: Page): Promise<void> {
  const before = page.viewportSize();
  await page.evaluate(axe.source);
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: before?.height ?? 860 });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      // The colours are all that differs.
      const rules = colorScheme === "dark" ? ', { runOnly: ["color-contrast"] }' : "";
      const { violations } = await page.evaluate<AxeResults>(`axe.run(document${rules})`);
      const found = violations.map(
        ({ id, nodes }) => `${id}: ${nodes[0]?.html}: ${nodes[0]?.failureSummary}`,
      );
      expect(found, `${width} pixels wide, ${colorScheme}`).toEqual([]);
    }
    const tooWide = await page.evaluate<number>(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(tooWide, `scrolls sideways at ${width} pixels`).toBeLessThanOrEqual(0);
  }
  await page.emulateMedia({ colorScheme: null });
  if (before) await page.setViewportSize(before);
}
