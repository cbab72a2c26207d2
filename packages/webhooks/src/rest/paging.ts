import { z } from "zod";
import type { PageOf, PageOptions } from "../contract/subscription.ts";
import type { Answer } from "./route.ts";

/** The parameters of a list that comes in pages. */
export const pageQuery: {
  readonly limit: z.ZodDefault<z.ZodInt>;
  readonly cursor: z.ZodOptional<z.ZodString>;
} = {
  limit: z.int().min(1).max(500).default(50).meta({ description: "Items on a page." }),
  cursor: z
    .string()
    .min(1)
    .max(2_000)
    .optional()
    .meta({ description: "The `cursor` of the page before. The first page without it." }),
};

/** The header that names the next page. */
export const LINK_HEADER = { link: 'The next page, as `<…>; rel="next"`. Absent on the last one.' };

/** The schema of a page. */
export function pageOf<Item extends z.ZodType>(
  item: Item,
): z.ZodObject<{ items: z.ZodArray<Item>; cursor: z.ZodNullable<z.ZodString> }> {
  return z.object({
    items: z.array(item),
    cursor: z.string().nullable().meta({ description: "For the next page. Null on the last." }),
  });
}

/** Which page a query asks for. */
export function pageOptions(query: { limit: number; cursor?: string | undefined }): PageOptions {
  return { limit: query.limit, cursor: query.cursor };
}

/** The answer with a page. The link to the next one is relative, so that it is right below any prefix. */
export function pageAnswer(page: PageOf<unknown>, url: URL): Answer {
  const body = { items: page.items, cursor: page.cursor };
  if (page.cursor === null) return { status: 200, body };
  const next = new URLSearchParams(url.searchParams);
  next.set("cursor", page.cursor);
  return { status: 200, body, headers: { link: `<?${next.toString()}>; rel="next"` } };
}
