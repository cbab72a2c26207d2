import { defineConfig, type ModuleConfig } from "@busbar/core";
import { asClass, asValue } from "@busbar/core/container";
import { type Outbox, outbox, sqliteStore } from "@busbar/outbox";
import Database from "libsql";

import { shopEvents } from "./src/events.ts";
import { Carriers } from "./src/services/carriers.ts";
import { MailServer } from "./src/services/mail-server.ts";
import { PaymentGateway } from "./src/services/payment-gateway.ts";
import { Stock } from "./src/services/stock.ts";

const { BUSBAR_PROVIDER, REDIS_URL, DATABASE_URL, NATS_URL, SHOP_DATABASE } = process.env;
const providerName = BUSBAR_PROVIDER || "local";

/** The providers that the shop runs on. */
const providers: Readonly<Record<string, ModuleConfig>> = {
  local: { resolve: "@busbar/local", options: { maxPending: 10_000 } },
  redis: { resolve: "@busbar/redis", options: { redisUrl: REDIS_URL } },
  postgres: { resolve: "@busbar/postgres", options: { connectionString: DATABASE_URL } },
  nats: { resolve: "@busbar/nats", options: { servers: NATS_URL } },
};

function chooseProvider(name: string): ModuleConfig {
  const provider = providers[name];
  if (provider !== undefined) return provider;
  throw new TypeError(`BUSBAR_PROVIDER is ${name}: use ${Object.keys(providers).join(", ")}`);
}

/** NATS cannot hold back the events of a workflow until it has succeeded. A database of the shop does it. */
function openOutbox(): Outbox {
  const database = new Database(SHOP_DATABASE || "shop.db", { timeout: 20 });
  database.pragma("journal_mode = WAL");
  return outbox({ store: sqliteStore({ database }) });
}

export default defineConfig({
  name: "shop",
  // The provider: another package here, and nothing else in the shop changes.
  modules: [chooseProvider(providerName)],
  plugins: providerName === "nats" ? [openOutbox()] : [],
  subscribers: "./src/subscribers",
  events: shopEvents,
  services: {
    carriers: asClass(Carriers).singleton(),
    mailServer: asClass(MailServer).singleton(),
    paymentGateway: asClass(PaymentGateway).singleton(),
    stock: asValue(new Stock({ cup: 5, kettle: 1, pen: 100 })),
  },
});
