import { defineConfig } from "@busbar/core";
import { asClass } from "@busbar/core/container";
// @if outbox
import { outbox } from "@busbar/outbox";
// @end
// @if dashboard
import { board } from "./src/dashboard.ts";
// @end
// @if outbox
import { store } from "./src/database.ts";
// @end
import { events } from "./src/events.ts";
import { Mailer } from "./src/mailer.ts";
// @if webhooks
import { hooks } from "./src/webhooks.ts";
// @end

export default defineConfig({
  name: "acme",
  // The provider. Another package here, and nothing else changes.
  modules: [
    // @if local
    { resolve: "@busbar/local" },
    // @end
    // @if redis
    { resolve: "@busbar/redis", options: { redisUrl: process.env["REDIS_URL"] } },
    // @end
    // @if postgres
    { resolve: "@busbar/postgres", options: { connectionString: process.env["DATABASE_URL"] } },
    // @end
    // @if nats
    { resolve: "@busbar/nats", options: { servers: process.env["NATS_URL"] } },
    // @end
  ],
  events,
  subscribers: "./src/subscribers",
  services: { mailer: asClass(Mailer).singleton() },
  // @if outbox|webhooks|dashboard
  plugins: [
    // @if outbox
    outbox({ store }),
    // @end
    // @if webhooks
    hooks,
    // @end
    // @if dashboard
    board,
    // @end
  ],
  // @end
  // @if outbox
  // Each handler runs in a transaction of this database, and handles an event once.
  inbox: store,
  // @end
});
