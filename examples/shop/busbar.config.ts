import { defineConfig } from "@busbar/core";
import { asClass, asValue } from "@busbar/core/container";

import { shopEvents } from "./src/events.ts";
import { Carriers } from "./src/services/carriers.ts";
import { MailServer } from "./src/services/mail-server.ts";
import { PaymentGateway } from "./src/services/payment-gateway.ts";
import { Stock } from "./src/services/stock.ts";

export default defineConfig({
  name: "shop",
  // The provider: another package here, and nothing else in the shop changes.
  modules: [
    process.env["REDIS_URL"]
      ? { resolve: "@busbar/redis", options: { redisUrl: process.env["REDIS_URL"] } }
      : { resolve: "@busbar/local", options: { maxPending: 10_000 } },
  ],
  subscribers: "./src/subscribers",
  events: shopEvents,
  services: {
    carriers: asClass(Carriers).singleton(),
    mailServer: asClass(MailServer).singleton(),
    paymentGateway: asClass(PaymentGateway).singleton(),
    stock: asValue(new Stock({ cup: 5, kettle: 1, pen: 100 })),
  },
});
