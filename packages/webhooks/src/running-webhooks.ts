import type { EventBus, Logger } from "@busbar/core";
import type { PluginContext } from "@busbar/core/plugin";
import { type Listen, type SqlStore, sqliteStore } from "@busbar/sql";
import { channelOf, Listener, prepareTables, quoteText } from "@busbar/sql/feature";
import { type Catalogue, openCatalogue } from "./catalogue/catalogue.ts";
import type { Notifier, NotifierInfo } from "./contract/notifier.ts";
import type { EndpointStates } from "./contract/endpoint-state.ts";
import type { TestSubscription } from "./contract/subscription-test.ts";
import { Dispatcher } from "./deliver/dispatcher.ts";
import { StoredEndpointStates } from "./deliver/stored-endpoint-states.ts";
import { SubscriptionTester } from "./deliver/subscription-tester.ts";
import { inspectWebhooks, type WebhooksInspection } from "./inspection.ts";
import { notifierInfos, registerNotifiers } from "./notifier-registry.ts";
import { keysOf } from "./keys.ts";
import { Retention } from "./log/retention.ts";
import { StoredLog } from "./log/stored-log.ts";
import { replayDeadEvent } from "./replay/dead-events.ts";
import { Rematch } from "./replay/rematch.ts";
import { ReplayRunner } from "./replay/replay-runner.ts";
import { StoredReplays } from "./replay/stored-replays.ts";
import {
  createRestHandler,
  type RestHandler,
  type RestOptions,
  type RestServices,
} from "./rest/rest-handler.ts";
import { StoredRequests } from "./rest/stored-requests.ts";
import { operationalEmitter } from "./route/operational-emitter.ts";
import { Payloads } from "./route/payloads.ts";
import { Publisher } from "./route/publisher.ts";
import { Router, type RouterOptions } from "./route/router.ts";
import { Snapshots } from "./route/snapshots.ts";
import { LogIndex } from "./search/log-index.ts";
import { KeyRing } from "./secrets/key-ring.ts";
import { MIGRATIONS } from "./store/tables.ts";
import { webhookStore, type WebhookStore, wholeOf } from "./store/webhook-store.ts";
import { resealSecrets } from "./subscriptions/reseal.ts";
import { Sealer } from "./subscriptions/sealer.ts";
import { SubscriptionIndex } from "./subscriptions/subscription-index.ts";
import { SubscriptionRules } from "./subscriptions/subscription-rules.ts";
import { SubscriptionStore } from "./subscriptions/subscription-store.ts";
import { Targets } from "./subscriptions/targets.ts";
import { StoredSubscriptions } from "./subscriptions/webhook-subscriptions.ts";
import type { RouteOptions, WebhooksOptions } from "./webhooks.ts";

/** The subscription of the bus that matches events. */
const ROUTER_ID = "webhooks";
const DEFAULT_FILE = "busbar-webhooks.db";
const DEFAULT_BACKOFF = {
  type: "exponential",
  delay: 1_000,
  maxDelay: 300_000,
  jitter: 0.2,
} as const;
const RESOLVE_WITHIN_MS = 30_000;
const TEST_WITHIN_MS = 30_000;
const MAX_PAYLOAD_BYTES = 1_048_576;

/** The webhooks of a bus that runs. */
export interface RunningWebhooks {
  readonly publisher: Publisher;
  readonly subscriptions: StoredSubscriptions;
  readonly log: StoredLog;
  readonly replays: StoredReplays;
  readonly endpoints: EndpointStates;
  readonly catalogue: Catalogue;
  readonly notifiers: readonly NotifierInfo[];
  readonly test: TestSubscription;
  /** Makes an interface over these webhooks. */
  handler(options: RestOptions): RestHandler;
  inspect(): Promise<WebhooksInspection>;
  /** The time of the database, in milliseconds since the epoch. */
  serverTime(): Promise<number>;
  /** Ends the attempts under way, within `graceMs` milliseconds. Events may still be matched. */
  stop(graceMs: number): Promise<void>;
  /** Closes what was opened. Nothing is matched or delivered any more. */
  close(): Promise<void>;
}

/**
 * Opens the store, and starts the parts of webhooks in their order. What was opened is closed if one of them fails.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` or `BUSBAR_UNAVAILABLE`.
 */
export async function startWebhooks(
  options: WebhooksOptions,
  builtIn: readonly Notifier[],
  context: PluginContext,
): Promise<RunningWebhooks> {
  const closes: (() => unknown)[] = [];
  /** What was opened last is closed first. What fails keeps nothing else from being closed. */
  const close = async (): Promise<void> => {
    for (const one of closes.splice(0).toReversed()) {
      try {
        await one();
      } catch (err) {
        context.logger.warn({ err }, "A part of the webhooks could not be closed");
      }
    }
  };
  try {
    return await start(options, builtIn, context, closes, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  options: WebhooksOptions,
  builtIn: readonly Notifier[],
  context: PluginContext,
  closes: (() => unknown)[],
  close: () => Promise<void>,
): Promise<RunningWebhooks> {
  const { bus, logger } = context;
  // A tool offers the services, and leaves the work to the processes of the application.
  const isTool = context.role === "tool";
  const { route = true } = options;
  const dispatch = isTool ? false : (options.dispatch ?? true);
  const catalogue = await openCatalogue([options.events ?? []].flat());
  const keys = new KeyRing(options.encryptionKeys ?? keysOf(process.env));
  const notifiers = registerNotifiers(builtIn, options.notifiers ?? []);
  for (const notifier of notifiers.values()) closes.push(() => notifier.close?.());
  const store = webhookStore(openStore(options.store, closes));
  await prepareTables("webhooks", store.store, MIGRATIONS, !isTool && (options.migrate ?? true));

  const emitOperational = operationalEmitter(bus, logger);
  const rules = new SubscriptionRules({ notifiers, eventNames: () => catalogue.names });
  const subscriptionStore = new SubscriptionStore(store);
  const sealer = new Sealer(keys);
  const { listen } = store.store;
  const index = new SubscriptionIndex({ store: subscriptionStore, logger, listen });
  closes.push(() => index.stop());
  const subscriptions = new StoredSubscriptions({
    store: subscriptionStore,
    rules,
    sealer,
    onChanged(stored, change) {
      index.apply(stored);
      emitOperational("webhooks.subscription.changed", change);
    },
  });
  await index.start();
  if (!isTool) closes.push(encryptAgain(store, sealer, logger));

  const maxPayloadBytes = options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES;
  const payloads = new Payloads({
    catalogue,
    container: options.container ?? context.container,
    timeoutMs: options.resolveTimeoutMs ?? RESOLVE_WITHIN_MS,
    maxPayloadBytes,
  });
  const snapshots = new Snapshots({
    bus,
    catalogue,
    active: index,
    payloads,
    maxPayloadBytes,
    logger,
  });
  closes.push(() => snapshots.stop());
  const targets = new Targets(subscriptionStore, rules, sealer);
  const dispatcher =
    dispatch === false
      ? undefined
      : new Dispatcher(
          {
            store,
            logger,
            targetOf: (id, version) => targets.of(id, version),
            resolvePayload: (source, signal) => payloads.resolve(source, signal),
            disable: (executor, id, reason) => subscriptions.disable(executor, id, reason),
            emitOperational,
          },
          dispatch === true ? {} : dispatch,
        );
  const serverTime = async (): Promise<number> => {
    const time = `CAST(${store.sql.now} AS double precision)`;
    const [row] = await store.own.execute(`SELECT ${time} AS time`);
    return wholeOf(row?.["time"]);
  };
  const channel = channelOf(store.tables.deliveries);
  if (route !== false) {
    // In a tool the bus delivers nothing to it: then it only says that this code has the subscription.
    startRouter(route === true ? {} : route, context, {
      store: store.store,
      catalogue,
      active: index,
      payloads,
      logger,
      channel,
      onWritten: () => dispatcher?.wake(),
    });
  }
  const hasIndex = options.search?.index ?? true;
  if (hasIndex && !isTool) {
    const logIndex = new LogIndex(store.store);
    closes.push(() => logIndex.stop());
    logIndex.start(logger);
  }
  if (dispatcher) {
    dispatcher.start();
    if (listen) closes.push(listenForDeliveries(store, listen, channel, dispatcher, context));
  }
  const keep = isTool ? false : (options.retention ?? {});
  if (keep !== false) {
    const retention = new Retention({ store, logger, ...keep });
    closes.push(() => retention.stop());
    retention.start();
  }
  const onBegun = (): void => dispatcher?.wake();
  const rematch = new Rematch({
    store,
    catalogue,
    payloads,
    active: index,
    refresh: () => index.refresh(),
    channel,
    logger,
  });
  const runner =
    dispatcher && new ReplayRunner({ store, rematch, logger, hasIndex, channel, onBegun });
  if (runner) {
    closes.push(() => runner.stop());
    runner.start();
  }
  const stopping = new AbortController();
  const tester = new SubscriptionTester({
    subscriptions,
    targets,
    catalogue,
    now: serverTime,
    attemptTimeoutMs: TEST_WITHIN_MS,
  });
  const services = {
    subscriptions,
    log: new StoredLog({ store, logger, hasIndex, signal: stopping.signal }),
    replays: new StoredReplays({
      store,
      rematch,
      hasIndex,
      channel,
      onBegun,
      onStarted: () => runner?.wake(),
      // What a plugin is attached to is always the whole bus.
      routeAgain: (eventId) => replayDeadEvent(bus as EventBus, ROUTER_ID, eventId),
      signal: stopping.signal,
    }),
    endpoints: new StoredEndpointStates(store),
    catalogue,
    test: (id, test) => tester.test(id, test, stopping.signal),
  } satisfies Partial<RestServices>;
  const infos = notifierInfos(notifiers);
  const restServices: RestServices = {
    ...services,
    notifiers: () => infos,
    idempotency: new StoredRequests(store.store, keys),
    logger,
    now: async () => new Date(await serverTime()),
  };
  return {
    ...services,
    publisher: new Publisher(bus, catalogue, index),
    notifiers: infos,
    handler: (rest) => createRestHandler(restServices, rest),
    inspect: () => inspectWebhooks(store),
    serverTime,
    async stop(graceMs) {
      snapshots.stop();
      stopping.abort(new Error("The bus stops"));
      await Promise.all([runner?.stop(), dispatcher?.stop(graceMs)]);
    },
    close,
  };
}

/**
 * Encrypts with the first key what older keys have encrypted, beside everything else: an older key that is missing must
 * not keep the others from being delivered to.
 *
 * @returns What waits until it has ended.
 */
function encryptAgain(store: WebhookStore, sealer: Sealer, logger: Logger): () => Promise<void> {
  const failed = "Secrets could not be encrypted with the new key";
  const ended = resealSecrets(store, sealer).then(
    ({ resealed: count, unreadable, error: err }) => {
      if (count > 0) logger.info({ count }, "Secrets are encrypted with the new key");
      if (unreadable.length > 0) logger.warn({ err, count: unreadable.length }, failed);
    },
    (err: unknown) => logger.warn({ err }, failed),
  );
  return () => ended;
}

/** Has the bus deliver the declared events to the router. */
function startRouter(
  { attempts = 10, backoff = DEFAULT_BACKOFF, concurrency = 100 }: RouteOptions,
  { bus, capabilities }: PluginContext,
  options: Omit<RouterOptions, "policy">,
): void {
  const router = new Router({ ...options, policy: { attempts, backoff } });
  const ordering = capabilities.ordering ? "key" : "none";
  const context = { subscriberId: ROUTER_ID, attempts, backoff, concurrency, ordering } as const;
  bus.subscribe(
    options.catalogue.names,
    (event, delivery) => router.route(event, delivery),
    context,
  );
}

/** Wakes the dispatcher when another process has made deliveries. Returns what ends it. */
function listenForDeliveries(
  store: WebhookStore,
  listen: Listen,
  channel: string,
  dispatcher: Dispatcher,
  { logger }: PluginContext,
): () => Promise<void> {
  const listener = new Listener({
    feature: "dispatcher of webhooks",
    listen,
    channel,
    logger,
    onNotify: () => dispatcher.wake(),
    notify: () =>
      store.own.execute(
        `SELECT CAST(concat('', pg_notify(${quoteText(channel)}, '')) AS text) AS notified`,
      ),
  });
  listener.start();
  return () => listener.stop();
}

function openStore(given: SqlStore | undefined, closes: (() => unknown)[]): SqlStore {
  if (given) return given;
  const store = sqliteStore({ file: DEFAULT_FILE });
  closes.push(() => store.close());
  return store as SqlStore;
}
