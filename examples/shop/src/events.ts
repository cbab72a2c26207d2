import { defineEvents } from "@busbar/core";
import { z } from "zod";

const line = z.object({ sku: z.string(), quantity: z.int().positive() });

/** Every event of the shop, with the shape of its data. */
export const shopEvents = defineEvents({
  "order.placed": z.object({
    orderId: z.string(),
    customer: z.email(),
    country: z.string().length(2),
    lines: z.array(line).min(1),
    totalCents: z.int().positive(),
  }),
  "parcel.booked": z.object({ orderId: z.string(), carrier: z.string() }),
});
