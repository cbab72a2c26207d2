import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { outbox } from "@busbar/outbox";
import { sqliteStore } from "@busbar/sql";
import { type Notifier, type Webhooks, webhooks } from "@busbar/webhooks";
import { expect } from "vitest";
import { z } from "zod";
import type { ShopApi } from "../src/api.ts";
import { type CommonEventArgs, commonEvents } from "../src/events.ts";
import { openShop, type Shop } from "../src/shop.ts";

/** An event as it was delivered. */
export interface Delivered {
  readonly name: string;
  readonly scope: string | null;
  readonly data: unknown;
}

/** A shop with webhooks, each of whose deliveries is kept. */
export interface TestShop {
  readonly shop: Shop;
  /** The same shop, which publishes nothing. */
  readonly quietly: Shop;
  readonly api: ShopApi;
  readonly hooks: Webhooks<CommonEventArgs>;
  /** Runs `work`, and resolves with what was delivered because of it, in the order of the names. */
  deliveredBy(work: () => Promise<unknown>): Promise<readonly Delivered[]>;
  close(): Promise<void>;
}

export async function openTestShop(): Promise<TestShop> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-"));
  const store = sqliteStore({ file: join(folder, "shop.db") });
  const delivered: Delivered[] = [];
  const keeper: Notifier = {
    name: "keeper",
    settings: z.strictObject({}),
    signs: false,
    checkDestination: () => undefined,
    async deliver({ event: { name, scope, data } }) {
      delivered.push({ name, scope, data });
      return { ok: true, retryable: false };
    },
  };
  const { api, publishingTo } = await openShop(store);
  const hooks = webhooks({
    store,
    events: commonEvents,
    notifiers: [keeper],
    encryptionKeys: [{ id: "test", key: Buffer.alloc(32, 7) }],
    container: { resolve: (name) => ({ shopApi: api })[name] as never },
  });
  const staged = outbox({ store });
  const bus = createEventBus({ provider: localProvider(), plugins: [staged, hooks] });
  await bus.start();
  return {
    shop: publishingTo(hooks),
    quietly: publishingTo({ withTransaction: () => ({ publish: async () => null }) }),
    api,
    hooks,
    async deliveredBy(work) {
      delivered.length = 0;
      await work();
      await staged.drained();
      await bus.settled();
      await expect
        .poll(() => hooks.inspect(), { interval: 2 })
        .toMatchObject({ waiting: 0, running: 0, dead: 0 });
      return delivered.toSorted((a, b) => a.name.localeCompare(b.name));
    },
    async close() {
      await bus.stop();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}
