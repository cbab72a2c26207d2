import { defineAsyncEvents, webhooks } from "@busbar/webhooks";
// @if outbox
import { store } from "./database.ts";
// @end

interface Order {
  readonly orderId: string;
  readonly totalCents: number;
}

/** What systems outside the application can subscribe to, and how they do so. */
export const hooks = webhooks({
  events: defineAsyncEvents({
    "public.order.placed": {
      description: "A customer has placed an order.",
      resolve: (order: Order) => order,
    },
  }),
  // @if outbox
  store,
  // @end
  rest: {
    basePath: "/webhooks",
    tokens: [
      {
        name: "administrator",
        permissions: ["webhooks"],
        token: process.env["WEBHOOKS_TOKEN"] ?? "",
      },
    ],
  },
});
