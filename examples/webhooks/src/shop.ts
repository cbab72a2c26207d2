import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commonEvents, openShop, type Shop } from "@busbar-examples/common-events";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { outbox } from "@busbar/outbox";
import { sqliteStore } from "@busbar/sql";
import { webhooks } from "@busbar/webhooks";
import { getRequestListener } from "@hono/node-server";
import { listen } from "./listen.ts";

/** The shop, while it runs. */
export interface RunningShop {
  readonly shop: Shop;
  /** Where its REST interface is. */
  readonly url: string;
  /** Resolves when the log has the attempts that were made. */
  recorded(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the shop on a SQLite file: its orders, the outbox and the webhooks are in the same database. */
export async function startShop(folder: string, token: string): Promise<RunningShop> {
  const store = sqliteStore({ file: join(folder, "shop.db") });
  const { api, publishingTo } = await openShop(store);
  const hooks = webhooks({
    store,
    events: commonEvents,
    container: { resolve: (name) => ({ shopApi: api })[name] as never },
    // In production, `openssl rand -base64 32` makes one, and it comes from the environment.
    encryptionKeys: [{ id: "example", key: Buffer.alloc(32, 1) }],
    // The receiver of this example is on this machine: addresses within one's own network are refused by default.
    http: { allow: ["127.0.0.0/8"], allowHttp: true },
    rest: {
      tokens: [{ name: "admin", token, permissions: ["webhooks", "sales.orders.view"] }],
    },
  });
  const bus = createEventBus({ provider: localProvider(), plugins: [outbox({ store }), hooks] });
  await bus.start();
  const listener = getRequestListener(hooks.fetch);
  const server = await listen((request, response) => void listener(request, response));
  return {
    shop: publishingTo(hooks),
    url: server.url,
    async recorded() {
      while ((await hooks.inspect()).running > 0) await sleep(5);
    },
    async stop() {
      server.close();
      await bus.stop();
      await store.close();
    },
  };
}
