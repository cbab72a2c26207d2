import type { JsonObject } from "@busbar/core/provider";
import { z } from "zod";
import { compileFilter } from "./event-filter.ts";

// The recursive schema of JSON would exhaust the stack for a filter that is nested deep.
const jsonObject = z.record(z.string(), z.unknown()) as unknown as z.ZodType<JsonObject, unknown>;

/** The schema of a subscription's filter. Its issues name the place within the filter. */
export const eventFilterSchema: z.ZodType<JsonObject, unknown> = jsonObject
  .superRefine((filter, context) => {
    for (const { path, reason } of compileFilter(filter).issues) {
      context.addIssue({
        code: "custom",
        path: path === "" ? [] : path.split("."),
        message: reason,
      });
    }
  })
  .meta({
    id: "EventFilter",
    description:
      "Which events pass, by their members and their payload: all that is named has to fit.",
    examples: [{ "data.order.total": { $gte: 100 } }, { $lucene: "data.order.total:[100 TO *]" }],
  });
