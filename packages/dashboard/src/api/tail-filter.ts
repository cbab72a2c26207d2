import type { TailEntry } from "@busbar/core";
import { matchesPattern } from "@busbar/core/provider";
import { z } from "zod";
import type { TailFilter, TailType } from "../contract/api.ts";

const TYPES: readonly TailType[] = [
  "emitted",
  "unrouted",
  "delivered",
  "failed",
  "dead",
  "released",
];

const text = z.string().min(1).max(1_000);

/** The parameters by which a tail is filtered. */
export const tailSchema: z.ZodType<TailFilter> & z.ZodObject = z.strictObject({
  name: text.optional(),
  subscriber: text.optional(),
  type: text
    .refine(
      (value) => value.split(",").every((it) => (TYPES as readonly string[]).includes(it)),
      `must be of ${TYPES.join(", ")}, separated by commas`,
    )
    .optional(),
  text: text.optional(),
});

/** What of a tail is about an event. */
export type TailedEvent = Exclude<TailEntry, { readonly type: "dropped" }>;

/** Returns a function that says whether an entry matches a filter. Case does not matter in `text`. */
export function tailFilter({
  name,
  subscriber,
  type,
  text: wanted,
}: TailFilter): (entry: TailedEvent) => boolean {
  const types = type?.split(",");
  const lower = wanted?.toLowerCase();
  return (entry) =>
    (types === undefined || types.includes(entry.type)) &&
    (subscriber === undefined || entry.subscriberId === subscriber) &&
    (name === undefined || matchesPattern(name, entry.event.name)) &&
    (lower === undefined ||
      JSON.stringify([entry.event, entry.data, entry.error]).toLowerCase().includes(lower));
}
