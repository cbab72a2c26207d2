import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteStore, type SqlStore } from "@busbar/sql";
import { defineAsyncEvents, webhooks, type Webhooks } from "@busbar/webhooks";
import { type Receiver, startReceiver } from "@busbar/webhooks/testing";
import { afterEach } from "vitest";
import { z } from "zod";
import type { Shop, ShopOptions, Shops } from "./shop.ts";

/** A shop that delivers webhooks to a receiver. */
export interface WebhooksShop extends Shop {
  readonly hooks: Webhooks;
  readonly receiver: Receiver;
  readonly store: SqlStore;
}

/** Opens shops with webhooks on SQLite, and removes what they leave. */
export function useWebhooksShops(shops: Shops): {
  open(options?: Pick<ShopOptions, "dashboard">): Promise<WebhooksShop>;
} {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });
  return {
    async open(options) {
      const folder = mkdtempSync(join(tmpdir(), "busbar-dashboard-"));
      ends.push(() => rmSync(folder, { recursive: true, force: true }));
      const receiver = await startReceiver();
      ends.push(() => receiver.close());
      const store = sqliteStore({ file: join(folder, "webhooks.db") });
      const hooks = webhooks({
        events: defineAsyncEvents({
          "order.placed": {
            schema: z.object({ id: z.string() }),
            example: { id: "42", items: [{ sku: "CK-1" }] },
          },
          "order.paid": {},
        }),
        store,
        encryptionKeys: [{ id: "2026-11", key: Buffer.alloc(32, 7) }],
        http: { allow: ["127.0.0.0/8"], allowHttp: true },
      });
      const shop = await shops.open({ ...options, bus: { plugins: [hooks] } });
      return { ...shop, hooks: hooks as unknown as Webhooks, receiver, store };
    },
  };
}
