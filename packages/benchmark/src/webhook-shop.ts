import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { pgStore, sqliteStore, type SqlStore } from "@busbar/sql";
import { defineAsyncEvents, webhooks, type Webhooks, type WebhooksOptions } from "@busbar/webhooks";
import { openPool } from "./contestants/pg.ts";
import { type Order, orderAt } from "./order.ts";
import { startPostgresServer } from "./postgres-server.ts";
import { makeFolder } from "./server-process.ts";

/** Endpoints that share the deliveries of a drain. */
export const ENDPOINTS = 20;
/** Events in one `emit`. */
const MANY = 500;
/** Attempts at one endpoint at a time. */
const CONCURRENCY = 50;
/** Milliseconds between two looks whether all is recorded. */
const LOOK_EVERY_MS = 5;

/** An order, 1 kB of JSON. */
interface LongOrder extends Order {
  readonly note: string;
  readonly sentAt?: number;
}

/** Where webhooks are kept. */
export type Database = "sqlite" | "postgres";

/** A database of one's own, empty at first. */
export interface OwnDatabase {
  readonly store: SqlStore;
  readonly close: () => Promise<void>;
}

/** Opens SQLite in a file, or a PostgreSQL server that does not wait for the disk. */
export async function openDatabase(database: Database): Promise<OwnDatabase> {
  if (database === "postgres") {
    const server = await startPostgresServer();
    const pool = openPool(server.url);
    return {
      store: pgStore({ pool }) as SqlStore,
      async close() {
        await pool.end();
        await server.close();
      },
    };
  }
  const folder = makeFolder();
  const store = sqliteStore({ file: join(folder, "webhooks.db") }) as SqlStore;
  return {
    store,
    async close() {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A bus with webhooks. */
export interface WebhookShop {
  readonly hooks: Webhooks;
  /** Makes a subscription to the event of a number below {@link ENDPOINTS}. */
  subscribe(event: number, destination: string): Promise<unknown>;
  /** Emits so many orders, of one event after the other, or all of one event. */
  emit(count: number, event?: number): Promise<void>;
  /** Resolves when so many deliveries wait. */
  filled(count: number): Promise<void>;
  /** Resolves when no delivery waits or runs. */
  recorded(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a bus with webhooks. */
export async function openShop(
  { store }: OwnDatabase,
  options: Pick<WebhooksOptions, "dispatch" | "route" | "search"> = {},
): Promise<WebhookShop> {
  const names = Array.from({ length: ENDPOINTS }, (_, number) => eventName(number));
  const hooks = webhooks({
    store,
    events: defineAsyncEvents(Object.fromEntries(names.map((name) => [name, {}]))),
    encryptionKeys: [{ id: "1", key: new Uint8Array(32).fill(7) }],
    http: { allow: ["127.0.0.1/32"], allowHttp: true },
    ...options,
  });
  const bus = createEventBus({ provider: localProvider(), plugins: [hooks as Webhooks] });
  await bus.start();
  return {
    hooks: hooks as Webhooks,
    subscribe: (event, destination) =>
      hooks.subscriptions.create({
        events: [eventName(event)],
        destination,
        concurrency: CONCURRENCY,
      }),
    async emit(count, event) {
      for (let first = 0; first < count; first += MANY) {
        const length = Math.min(MANY, count - first);
        const messages = Array.from({ length }, (_, index) => ({
          name: eventName(event ?? (first + index) % ENDPOINTS),
          data: longOrder(first + index),
        }));
        await bus.emit(messages);
      }
    },
    async filled(count) {
      while ((await hooks.inspect()).waiting < count) await setTimeout(LOOK_EVERY_MS);
    },
    async recorded() {
      for (;;) {
        const { waiting, running, dead } = await hooks.inspect();
        if (dead > 0) throw new Error(`${dead} deliveries have failed`);
        if (waiting + running === 0) return;
        await setTimeout(LOOK_EVERY_MS);
      }
    },
    close: () => bus.stop({ graceMs: 0 }),
  };
}

/** The name of an event. */
export function eventName(number: number): string {
  return `order.placed.${number}`;
}

/** An order of 1 kB. */
export function longOrder(index: number, sentAt?: number): LongOrder {
  return { ...orderAt(index), note: "x".repeat(700), ...(sentAt !== undefined && { sentAt }) };
}
