import { defineEvents, type InferEvents } from "@busbar/core";
import { z } from "zod";

/** Every event of the application, with the shape of its data. */
export const events = defineEvents({
  "order.placed": z.object({
    orderId: z.string(),
    customer: z.email(),
    totalCents: z.int().positive(),
  }),
});

export type AppEvents = InferEvents<typeof events>;
