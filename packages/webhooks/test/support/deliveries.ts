import type { Logger } from "@busbar/core";
import { z } from "zod";
import type { Notifier, NotifierRequest, NotifierResult } from "../../src/contract/notifier.ts";
import type {
  Secret,
  SubscriptionSettings,
  WebhookSubscription,
} from "../../src/contract/subscription.ts";
import {
  Dispatcher,
  type DispatcherParts,
  type DispatchOptions,
} from "../../src/deliver/dispatcher.ts";
import { deliveryIdOf } from "../../src/route/delivery-id.ts";
import { RouteWriter } from "../../src/route/route-writer.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import type { Target } from "../../src/subscriptions/targets.ts";
import type { TestDatabase } from "./databases.ts";

/** A row of a test's database. */
export type Row = Readonly<Record<string, unknown>>;

/** Writes a subscription. */
export async function addSubscription(
  database: TestDatabase,
  id: string,
  options: Partial<SubscriptionSettings> = {},
): Promise<void> {
  await database.query(
    `INSERT INTO busbar_webhook_subscriptions (id, version, revision, enabled, notifier, destination,
        events, options, secrets, created_at, modified_at)
      VALUES ($1, 1, 1, $2, 'test', $3, '["**"]', $4, '[]', 1, 1)`,
    [
      id,
      (options.enabled ?? true) ? 1 : 0,
      options.destination ?? `https://${id}.example/`,
      JSON.stringify({ retry: { type: "none" }, ...options }),
    ],
  );
  await database.query("INSERT INTO busbar_webhook_endpoints (subscription_id) VALUES ($1)", [id]);
}

/** What {@link addDeliveries} writes. */
export interface NewDeliveries {
  /** The subscriptions that get each of the events. */
  readonly to: readonly string[];
  /** Events. @default 1 */
  readonly count?: number | undefined;
  /** The ordering key of each event, by its place. */
  readonly key?: ((index: number) => string) | undefined;
  /** @default { number } */
  readonly data?: ((index: number) => unknown) | undefined;
  /** @default "once" */
  readonly payloadMode?: SubscriptionSettings["payload"] | undefined;
  /** @default false */
  readonly noRetry?: boolean | undefined;
}

/** Writes events and their deliveries, as the router does. Resolves with the ids of the deliveries. */
export async function addDeliveries(
  database: TestDatabase,
  { to, count = 1, key, data, payloadMode = "once", noRetry = false }: NewDeliveries,
): Promise<readonly string[]> {
  const writer = new RouteWriter({
    store: database.createStore(),
    channel: "test",
    onWritten() {},
  });
  const ids: string[] = [];
  const writes = Array.from({ length: count }, (_, index) => {
    const eventId = crypto.randomUUID();
    const payload = JSON.stringify(data?.(index) ?? { number: index });
    const isMade = payloadMode === "attempt";
    return writer.write({
      id: eventId,
      name: "order.placed",
      scope: null,
      orderingKey: null,
      args: isMade ? payload : null,
      payload: isMade ? null : payload,
      snapshot: null,
      metadata: "{}",
      occurredAt: 1_000,
      deliveries: to.map((subscriptionId) => {
        const id = deliveryIdOf(eventId, subscriptionId);
        ids.push(id);
        return {
          id,
          subscriptionId,
          subscriptionVersion: 1,
          payloadMode,
          orderingKey: key?.(index) ?? null,
          noRetry,
        };
      }),
    });
  });
  await Promise.all(writes);
  return ids;
}

/** What a test's notifier does with an attempt. */
export type Deliver = (request: NotifierRequest) => NotifierResult | Promise<NotifierResult>;

/** An attempt that succeeds. */
export const OK: NotifierResult = { ok: true, retryable: false, status: 200 };

/** An attempt that fails, and may go better another time. */
export const FAILED: NotifierResult = {
  ok: false,
  retryable: true,
  status: 503,
  errorClass: "http_5xx",
  error: "The endpoint answered 503",
};

/** A dispatcher of a test, and what it has done. */
export interface TestDispatcher {
  readonly dispatcher: Dispatcher;
  /** The operational events. */
  readonly told: readonly (readonly [string, Row])[];
  /** The messages of the log. */
  readonly logged: readonly string[];
}

/** Starts a dispatcher, whose notifier does what `deliver` says. */
export function startDispatcher(
  database: Pick<TestDatabase, "createStore" | "prefix">,
  deliver: Deliver,
  options: DispatchOptions = {},
  parts: Partial<DispatcherParts> = {},
): TestDispatcher {
  const told: (readonly [string, Row])[] = [];
  const logged: string[] = [];
  const log = (fields: object, message: string): void => {
    const { err } = fields as { readonly err?: Error };
    logged.push(`${message} ${err?.message ?? ""}`);
  };
  const logger: Logger = { debug() {}, info() {}, warn: log, error: log };
  const dispatcher = new Dispatcher(
    {
      store: webhookStore(database.createStore()),
      logger,
      targetOf: async (id) => targetOf(id, testNotifier(deliver)),
      resolvePayload: async ({ args }) => ({ json: JSON.stringify(args), value: args }),
      disable: disableIn(database),
      emitOperational: (name, data) => void told.push([name, { ...data }]),
      ...parts,
    },
    { pollEveryMs: 50, ...options },
  );
  dispatcher.start();
  return { dispatcher, told, logged };
}

/** A target of a subscription, as the parts of the dispatcher get it. */
export function targetOf(
  id: string,
  notifier: Notifier | undefined,
  secrets: readonly Secret[] = [],
): Target {
  const subscription = { id, notifier: "test", destination: `https://${id}.example/` };
  return {
    subscription: subscription as WebhookSubscription,
    notifier,
    settings: {},
    issues: [],
    secretsAt: () => secrets,
  };
}

/** A notifier that does what `deliver` says. */
export function testNotifier(deliver: Deliver): Notifier {
  return {
    name: "test",
    settings: z.object({}) as unknown as Notifier["settings"],
    signs: false,
    checkDestination: () => undefined,
    deliver: async (request) => deliver(request),
  };
}

/** Disables a subscription with plain SQL. */
function disableIn({ prefix }: Pick<TestDatabase, "prefix">): DispatcherParts["disable"] {
  return async (executor, id, { kind, detail }) => {
    const rows = await executor.execute(
      `UPDATE ${prefix}busbar_webhook_subscriptions
        SET enabled = 0, disabled_kind = $2, disabled_detail = $3, version = version + 1
        WHERE id = $1 AND enabled = 1 RETURNING id`,
      [id, kind, detail],
    );
    return rows.length > 0 ? () => {} : undefined;
  };
}

/** The deliveries, in the order of their events. */
export function deliveriesOf({ query }: TestDatabase): Promise<readonly Row[]> {
  return query("SELECT * FROM busbar_webhook_deliveries ORDER BY number");
}

/** The attempts, in the order in which they were recorded. */
export function attemptsOf({ query }: TestDatabase): Promise<readonly Row[]> {
  return query("SELECT * FROM busbar_webhook_attempts ORDER BY id");
}

/** How many deliveries are in a state. */
export async function countOf({ query }: TestDatabase, state: string): Promise<number> {
  const [row] = await query(
    "SELECT count(*) AS count FROM busbar_webhook_deliveries WHERE state = $1",
    [state],
  );
  return Number(row?.["count"]);
}
