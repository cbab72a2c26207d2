import { fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEventBus } from "@busbar/core";
import type { Plugin } from "@busbar/core/plugin";
import { localProvider } from "@busbar/local";
import { pgStore, sqliteStore, type SqlStore } from "@busbar/sql";
import { sqlOf } from "@busbar/sql/feature";
import { type Webhooks, webhooks } from "@busbar/webhooks";
import { openPool } from "./contestants/pg.ts";
import type { RebuiltIndex } from "./rebuild-log-index.ts";
import { startPostgresServer } from "./postgres-server.ts";
import { makeFolder } from "./server-process.ts";
import type { Database } from "./webhook-shop.ts";

/** Where a log is: a file of SQLite, or the URL of a PostgreSQL server. */
export type LogPlace = { readonly file: string } | { readonly url: string };

/** A log, opened by webhooks that neither match nor deliver. */
export interface OpenLog {
  readonly store: SqlStore;
  readonly hooks: Webhooks;
  readonly close: () => Promise<void>;
}

/** Subscriptions that share the deliveries. */
const SUBSCRIPTIONS = 20;
/** Deliveries of each event, with one attempt each. */
const DELIVERIES_OF_EVENT = 2;
/** Events that are written in one statement. */
const AT_ONCE = 1_000;
const CUSTOMERS = 20_000;
const DAY_MS = 86_400_000;
const FIRST_EVENT = Date.UTC(2024, 0, 1);
/** What the events are spread over. */
const DAYS = 90;
const NAMES = [
  "customer.created",
  "customer.updated",
  "customer.login",
  "sales.order.created",
  "sales.order.updated",
  "sales.order.paid",
  "sales.invoice.created",
  "catalog.product.updated",
  "cms.page.created",
];
const CITIES = ["Berlin", "Paris", "London", "Madrid"];

/** Makes a place for a log, empty at first. */
export async function makeLogPlace(
  database: Database,
): Promise<{ readonly place: LogPlace; readonly remove: () => Promise<void> }> {
  if (database === "postgres") {
    const { url, close } = await startPostgresServer();
    return { place: { url }, remove: close };
  }
  const folder = makeFolder();
  return {
    place: { file: join(folder, "webhooks.db") },
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * Opens a log. Nothing is indexed in the background.
 *
 * @param others Plugins of the same bus.
 */
export async function openLog(
  place: LogPlace,
  index: boolean,
  others: readonly Plugin[] = [],
): Promise<OpenLog> {
  const pool = "url" in place ? openPool(place.url) : undefined;
  const store = (
    "file" in place ? sqliteStore({ file: place.file }) : pgStore({ pool: pool! })
  ) as SqlStore;
  const hooks = webhooks({
    store,
    encryptionKeys: [{ id: "1", key: new Uint8Array(32).fill(7) }],
    route: false,
    dispatch: false,
    search: { index },
  });
  const bus = createEventBus({ provider: localProvider(), plugins: [hooks, ...others] });
  await bus.start();
  return {
    store,
    hooks,
    async close() {
      await bus.stop({ graceMs: 0 });
      await store.close();
      await pool?.end();
    },
  };
}

/** Fills a log by plain inserts: events of a shop, each delivered to two subscriptions, one in ten without success. */
export async function fillLog({ store, hooks }: OpenLog, attempts: number): Promise<void> {
  const subscriptions: string[] = [];
  for (let number = 0; number < SUBSCRIPTIONS; number++) {
    const { id } = await hooks.subscriptions.create({
      events: ["*"],
      destination: `https://erp-${number}.example/hooks`,
    });
    subscriptions.push(id);
  }
  const random = randomNumbers();
  const events = Math.ceil(attempts / DELIVERIES_OF_EVENT);
  for (let first = 0; first < events; first += AT_ONCE) {
    const rows = [];
    const end = Math.min(first + AT_ONCE, events);
    for (let number = first; number < end; number++) {
      const time = FIRST_EVENT + Math.floor((number * DAYS * DAY_MS) / events);
      const name = NAMES[Math.floor(random() * NAMES.length)];
      const payload = JSON.stringify(shopEvent(number, time, random));
      for (let part = 0; part < DELIVERIES_OF_EVENT; part++) {
        const subscription = subscriptions[(number + part) % SUBSCRIPTIONS];
        const failed = random() < 0.1 ? 1 : 0;
        rows.push({ number, part, name, payload, subscription, time, failed });
      }
    }
    await insert(store, JSON.stringify(rows));
  }
}

/** Makes the search index of a log in a process of its own. */
export async function rebuildIndex(place: LogPlace): Promise<RebuiltIndex> {
  const program = fileURLToPath(new URL("rebuild-log-index.js", import.meta.url));
  const child = fork(program, [JSON.stringify(place)], { execArgv: [] });
  const answer: { rebuilt?: RebuiltIndex } = {};
  child.on("message", (message) => (answer.rebuilt = message as RebuiltIndex));
  const [code] = (await once(child, "close")) as [number | null];
  if (answer.rebuilt === undefined) throw new Error(`Nothing was indexed (exit code ${code})`);
  return answer.rebuilt;
}

/** What a log of so many attempts has. */
export function shopLog(attempts: number): {
  readonly customer: string;
  readonly order: string;
  readonly orders: string;
  readonly days: string;
} {
  const events = Math.ceil(attempts / DELIVERIES_OF_EVENT);
  const day = (number: number): string =>
    new Date(FIRST_EVENT + number * DAY_MS).toISOString().slice(0, 10);
  const some = Math.floor(events / 3);
  return {
    customer: emailOf(some),
    order: orderNumber(some),
    orders: `${orderNumber(some).slice(0, -1)}*`,
    days: `[${day(DAYS - 9)} TO ${day(DAYS - 3)}]`,
  };
}

function shopEvent(number: number, time: number, random: () => number): object {
  const below = (end: number): number => Math.floor(random() * end);
  return {
    increment_id: orderNumber(number),
    customer_email: emailOf(number),
    customer_id: below(CUSTOMERS),
    status: ["pending", "processing", "complete"][number % 3],
    grand_total: (random() * 500).toFixed(4),
    total_qty: 1 + below(9),
    is_virtual: number % 7 === 0,
    created_at: new Date(time).toISOString().slice(0, 19).replace("T", " "),
    items: [0, 1].map(() => ({
      sku: `24-MB${below(2_000)}`,
      qty: 1 + below(3),
      price: below(10_000) / 100,
    })),
    billing_address: {
      city: CITIES[number % CITIES.length],
      postcode: String(10_000 + below(80_000)),
      street: ["Main Street 5"],
    },
  };
}

function orderNumber(number: number): string {
  return `CK${String(number).padStart(9, "0")}`;
}

function emailOf(number: number): string {
  return `roni_cost${(number * 7_919) % CUSTOMERS}@example.com`;
}

/** Writes events, their deliveries and one attempt of each. */
async function insert(store: SqlStore, rows: string): Promise<void> {
  const columns = {
    number: "bigint",
    part: "bigint",
    name: "text",
    payload: "text",
    subscription: "text",
    time: "bigint",
    failed: "bigint",
  } as const;
  const from = `FROM ${sqlOf(store).rows("$1", columns)} AS it WHERE true`;
  // Scattered, as ids of events are.
  const event = "concat((number * 48271) % 2147483647, '-', number)";
  const delivery = `concat(${event}, '-', part)`;
  const failed = (then: string, otherwise: string): string =>
    `CASE failed WHEN 1 THEN ${then} ELSE ${otherwise} END`;
  const statements = [
    `INSERT INTO busbar_webhook_events (id, name, payload, metadata, occurred_at, created_at)
      SELECT ${event}, name, payload, '{}', time, time ${from} AND part = 0 ORDER BY number`,
    `INSERT INTO busbar_webhook_deliveries (id, event_id, subscription_id, subscription_version, event_name, state,
        attempts, next_trigger, created_at, last_status, last_error_class)
      SELECT ${delivery}, ${event}, subscription, 1, name, ${failed("'dead'", "'delivered'")},
        1, 'first', time, ${failed("503", "200")}, ${failed("'http_5xx'", "NULL")} ${from} ORDER BY number, part`,
    `INSERT INTO busbar_webhook_attempts (delivery_id, event_id, event_name, subscription_id, number, trigger_kind,
        success, status, error_class, error, started_at, duration_ms, response)
      SELECT ${delivery}, ${event}, name, subscription, 1, 'first',
        1 - failed, ${failed("503", "200")}, ${failed("'http_5xx'", "NULL")},
        ${failed("'The endpoint answered 503'", "NULL")}, time, 20,
        ${failed("'<h1>Service Unavailable</h1>'", "'ok'")} ${from} ORDER BY number, part`,
  ];
  await store.transaction(async (transaction) => {
    const own = store.within(transaction);
    for (const statement of statements) await own.execute(statement, [rows]);
  });
}

/** The same numbers from 0 to 1 in each run. */
function randomNumbers(): () => number {
  let state = 7;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
