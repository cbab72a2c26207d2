import { createEventBus, type EventBus, type Logger } from "@busbar/core";
import { localProvider } from "@busbar/local";
import type { SqlStore } from "@busbar/sql";
import { defineAsyncEvents } from "../../../src/catalogue/define-async-events.ts";
import type { DeliveryAttempt, WebhookDelivery } from "../../../src/contract/delivery.ts";
import type { PageOf, PageOptions } from "../../../src/contract/subscription.ts";
import { deliveryIdOf } from "../../../src/route/delivery-id.ts";
import type { ReceivedRequest } from "../../../src/testing/receiver.ts";
import { webhooks, type Webhooks, type WebhooksOptions } from "../../../src/webhooks.ts";
import { ENCRYPTION_KEYS } from "../../support/route-child-options.ts";

/** The events of the applications of these tests. */
const CHAOS_EVENTS = defineAsyncEvents({
  "order.placed": { resolve: (args: { readonly text?: string }) => args },
  "order.paid": { retry: false },
});

/** An application with webhooks, on the local provider. */
export interface ChaosApp {
  readonly bus: EventBus;
  readonly hooks: Webhooks;
  /** The warnings and errors of its log. */
  readonly logged: readonly string[];
}

/** Starts an application. */
export async function startApp(
  store: SqlStore,
  options: Partial<WebhooksOptions> = {},
): Promise<ChaosApp> {
  const logged: string[] = [];
  const log = (fields: object, message: string): void => {
    const { err } = fields as { readonly err?: Error };
    logged.push(`${message} ${err?.message ?? ""}`);
  };
  const logger: Logger = { debug() {}, info() {}, warn: log, error: log };
  const hooks = webhooks({
    events: CHAOS_EVENTS,
    store,
    encryptionKeys: ENCRYPTION_KEYS,
    http: { allow: ["127.0.0.0/8"], allowHttp: true },
    dispatch: { pollEveryMs: 50 },
    ...options,
  } as WebhooksOptions<typeof CHAOS_EVENTS>) as Webhooks;
  const bus = createEventBus({ provider: localProvider(), plugins: [hooks], logger });
  await bus.start();
  return { bus, hooks, logged };
}

/** What the oracle compares. */
export interface Truth {
  /** The ids of the events that were accepted, by the ids of the subscriptions that want them. */
  readonly emitted: Readonly<Record<string, readonly string[]>>;
  /** What has arrived, wherever. */
  readonly arrivals: readonly ReceivedRequest[];
}

/**
 * Compares what was emitted with what has arrived and what the log says. Returns everything that is wrong:
 *
 * - each event has one delivery for each subscription, under the id that follows from both;
 * - what the log calls delivered has arrived, and what has arrived is in the log, attempt by attempt;
 * - every arrival of a delivery has its id.
 */
export async function problemsOf(
  { log }: Pick<Webhooks, "log">,
  { emitted, arrivals }: Truth,
): Promise<readonly string[]> {
  const deliveries = await all<WebhookDelivery>((page) => log.deliveries({}, page));
  const attempts = await all<DeliveryAttempt>((page) => log.attempts({}, page));
  const logged = new Map<string, number>();
  for (const { deliveryId } of attempts) {
    if (deliveryId !== null) logged.set(deliveryId, (logged.get(deliveryId) ?? 0) + 1);
  }
  const arrived = new Map<string, number>();
  const problems: string[] = [];
  const expected = new Map(
    Object.entries(emitted).flatMap(([id, eventIds]) =>
      eventIds.map((eventId) => [deliveryIdOf(eventId, id), `${eventId} for ${id}`] as const),
    ),
  );
  for (const { headers } of arrivals) {
    const id = String(headers["webhook-id"]);
    arrived.set(id, (arrived.get(id) ?? 0) + 1);
    const isOfEvent = expected.get(id)?.startsWith(`${String(headers["busbar-event-id"])} `);
    if (!isOfEvent) problems.push(`${id} has arrived, and is none of the deliveries`);
  }
  const found = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
  if (deliveries.length !== expected.size) problems.push(`There are ${deliveries.length} rows`);
  for (const [id, what] of expected) {
    const delivery = found.get(id);
    const times = arrived.get(id) ?? 0;
    const rows = logged.get(id) ?? 0;
    if (!delivery) problems.push(`${what} is lost`);
    else if (delivery.state === "delivered" && times === 0) problems.push(`${what} never arrived`);
    // The attempt that is running has no row yet.
    const running = delivery?.state === "running" ? 1 : 0;
    if (times > rows + running) problems.push(`${what}: ${times} arrivals, ${rows} attempts`);
    if (delivery && delivery.attempts !== rows + running) {
      problems.push(`${what}: ${delivery.attempts} attempts, ${rows} rows`);
    }
  }
  return problems;
}

/** All pages. */
export async function all<T>(
  read: (page: PageOptions) => Promise<PageOf<T>>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  do {
    const page: PageOf<T> = await read({ limit: 500, ...(cursor && { cursor }) });
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== null);
  return items;
}

/** Emits events together, and resolves with their ids. */
export async function emitMany(
  { bus }: Pick<ChaosApp, "bus">,
  count: number,
  name: "order.placed" | "order.paid" = "order.placed",
  data: object = {},
): Promise<readonly string[]> {
  return bus.emit(Array.from({ length: count }, () => ({ name, data })));
}
