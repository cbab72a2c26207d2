import type { Backoff } from "@busbar/core";
import type { Plugin, PluginContext } from "@busbar/core/plugin";
import { assertOptions, type Checks, checks, optionsWithin } from "@busbar/core/provider";
import type { SqlStore } from "@busbar/sql";
import { checkStore } from "@busbar/sql/feature";
import type { AsyncEvents } from "./catalogue/define-async-events.ts";
import type { CatalogueEntry, ResolveContext } from "./contract/async-event.ts";
import type { DeliveryLog, Replays } from "./contract/delivery.ts";
import type { EndpointStates } from "./contract/endpoint-state.ts";
import type { Notifier, NotifierInfo } from "./contract/notifier.ts";
import type { WebhookSubscriptions } from "./contract/subscription.ts";
import { checkDispatch, type DispatchOptions } from "./deliver/dispatcher.ts";
import type { SubscriptionTest, SubscriptionTestResult } from "./contract/subscription-test.ts";
import type { RetentionOptions } from "./log/retention.ts";
import type { WebhooksInspection } from "./inspection.ts";
import { builtInNotifiers } from "./notifier-registry.ts";
import type { HttpNotifierOptions } from "./notifiers/http-notifier.ts";
import { bearerTokens } from "./rest/authentication.ts";
import { Problem } from "./rest/problem.ts";
import { answerProblem } from "./rest/rest-app.ts";
import type { RestHandler, RestOptions } from "./rest/rest-handler.ts";
import type { PublishOptions } from "./route/publisher.ts";
import { type RunningWebhooks, startWebhooks } from "./running-webhooks.ts";
import type { EncryptionKey } from "./secrets/key-ring.ts";

/** Configures how a process matches declared events with subscriptions and makes their payloads. */
export interface RouteOptions {
  /**
   * How often a payload is attempted to be made before the event is a dead letter of the bus.
   *
   * @default 10
   */
  readonly attempts?: number | undefined;
  /**
   * The wait between two attempts to make a payload.
   *
   * @default { type: "exponential", delay: 1_000, maxDelay: 300_000, jitter: 0.2 }
   */
  readonly backoff?: Exclude<Backoff, number> | undefined;
  /**
   * Events that this process matches at the same time. Those that end together are written in one transaction.
   *
   * @default 100
   */
  readonly concurrency?: number | undefined;
}

/** Settings for searches in the delivery log. */
export interface SearchOptions {
  /**
   * Whether this process keeps the search index up to date. Without an index, a search in payloads, errors or responses
   * looks into rows one by one. Say the same in all processes.
   *
   * @default true
   */
  readonly index?: boolean | undefined;
}

/** The definitions of events, of one package or of several. */
export type AsyncEventSources = AsyncEvents | readonly AsyncEvents[];

/** Options of {@link webhooks}. */
export interface WebhooksOptions<Events extends AsyncEventSources = AsyncEventSources> {
  /**
   * The events that systems outside the application may subscribe to, made by `defineAsyncEvents`. Several packages may
   * each bring their own. Operational events may be subscribed to in any case.
   */
  readonly events?: Events | undefined;
  /**
   * The database, such as `pgStore({ pool })`. The plugin does not close it.
   *
   * @default the SQLite file `busbar-webhooks.db` in the working directory
   */
  readonly store?: SqlStore | undefined;
  /**
   * Whether `start` brings the tables up to date. Otherwise it only looks whether they are.
   *
   * @default true
   */
  readonly migrate?: boolean | undefined;
  /**
   * The keys that encrypt secrets in the store. The first encrypts, all decrypt.
   *
   * @default those of the environment variable `BUSBAR_WEBHOOKS_KEYS`, such as `2026-11:<base64>`
   */
  readonly encryptionKeys?: readonly EncryptionKey[] | undefined;
  /** Notifiers in addition to `http`, `tcp` and `stdout`. Each notifier has a unique name. None by default. */
  readonly notifiers?: readonly Notifier[] | undefined;
  /** Where the built-in notifiers `http` and `tcp` may connect to, and how. */
  readonly http?: HttpNotifierOptions | undefined;
  /**
   * The container in which resolvers find services.
   *
   * @default the container of the bus
   */
  readonly container?: ResolveContext["container"] | undefined;
  /**
   * Whether this process matches events and makes payloads, and how. Give `false` to a process that is only to deliver.
   *
   * @default true
   */
  readonly route?: boolean | RouteOptions | undefined;
  /**
   * Whether this process delivers, and how. Give `false` to a process that is only to match.
   *
   * @default true
   */
  readonly dispatch?: boolean | DispatchOptions | undefined;
  /** Who may use the REST interface, and where the host has it. Without it, `hooks.fetch` answers every request with 401. */
  readonly rest?: RestOptions | undefined;
  /**
   * How long the delivery log is kept. With `false`, this process deletes nothing. Give the same value to every process.
   *
   * @default { days: 90 }
   */
  readonly retention?: false | RetentionOptions | undefined;
  /**
   * The time limit of a resolver, in milliseconds.
   *
   * @default 30_000
   */
  readonly resolveTimeoutMs?: number | undefined;
  /**
   * UTF-8 bytes that a payload may have as JSON. An event with a larger one is a dead letter of the bus at once, and the
   * log says `payload_too_large`.
   *
   * @default 1_048_576 (1 MiB)
   */
  readonly maxPayloadBytes?: number | undefined;
  /** Settings for searches in the delivery log. */
  readonly search?: SearchOptions | undefined;
}

const ROUTE: Checks<RouteOptions> = {
  attempts: checks.wholeFrom(1),
  backoff: checks.object,
  concurrency: checks.wholeFrom(1),
};

const REST: Checks<RestOptions> = {
  basePath: checks.text,
  authenticate: checks.function,
  tokens: (value) => (Array.isArray(value) ? undefined : "must be an array of tokens"),
  mageOs: checks.boolean,
};

const OPTIONS: Checks<WebhooksOptions> = {
  events: (value) => {
    const sources: readonly unknown[] = Array.isArray(value) ? value : [value];
    const areDefined = sources.every((it) => typeof it === "object" && it && "definitions" in it);
    return areDefined ? undefined : "must be made by defineAsyncEvents(), or be an array of such";
  },
  store: checkStore,
  migrate: checks.boolean,
  encryptionKeys: (value) => (Array.isArray(value) ? undefined : "must be an array of keys"),
  notifiers: (value) =>
    Array.isArray(value) && value.every((it) => typeof it?.deliver === "function")
      ? undefined
      : "must be an array of notifiers",
  http: checks.object,
  container: (value) =>
    typeof (value as Partial<ResolveContext["container"]> | null)?.resolve === "function"
      ? undefined
      : "must be a container: an object with the method resolve",
  route: (value) => (typeof value === "boolean" ? undefined : optionsWithin(ROUTE)(value)),
  dispatch: (value) => (typeof value === "boolean" ? undefined : checkDispatch(value)),
  rest: optionsWithin(REST),
  retention: (value) =>
    value === false
      ? undefined
      : optionsWithin<RetentionOptions>({ days: checks.positive, payloadDays: checks.positive })(
          value,
        ),
  resolveTimeoutMs: checks.positive,
  maxPayloadBytes: checks.wholeFrom(1),
  search: optionsWithin<SearchOptions>({ index: checks.boolean }),
};

/** Publishes the declared events. `Args` maps their names to the arguments that travel. */
export interface WebhookPublisher<Args extends object> {
  /**
   * Emits a declared event on the bus, unless no enabled subscription wants an event of this name: then nothing is
   * emitted, and the promise resolves with null. A subscription that this process makes counts at once, one of another
   * process within a second. Only the arguments travel; the payload is made of them in the worker.
   *
   * A plain `bus.emit` of the name does the same, but costs the bus an event even if no subscription wants it. Its scope
   * is `metadata.scope`.
   *
   * @returns The id of the event, or null.
   * @throws TypeError when no event of this name is declared, or before the start.
   * @throws BusbarError what `bus.emit` rejects with.
   *
   * @example
   * ```ts
   * await hooks.publish("sales.order.created", { id: "42" }, { scope: "de" });
   * ```
   */
  publish<Name extends keyof Args & string>(
    name: Name,
    args: Args[Name],
    options?: PublishOptions,
  ): Promise<string | null>;
}

/** The webhooks of a bus: a plugin, and what one can do with it once the bus has started. */
export interface Webhooks<Args extends object = Readonly<Record<string, unknown>>>
  extends Plugin, WebhookPublisher<Args> {
  /**
   * Publishes within the caller's own transaction: what is published leaves if the transaction commits. Needs a plugin of
   * the bus that stages, such as the outbox.
   *
   * @throws BusbarError `BUSBAR_UNSUPPORTED` without such a plugin.
   *
   * @example
   * ```ts
   * await db.transaction(async (tx) => {
   *   await tx.insert(orders).values(order);
   *   await hooks.withTransaction(tx).publish("sales.order.created", { id: order.id });
   * });
   * ```
   */
  withTransaction(transaction: unknown): WebhookPublisher<Args>;
  /** The webhook subscriptions. */
  readonly subscriptions: WebhookSubscriptions;
  /** The deliveries and their attempts. */
  readonly log: DeliveryLog;
  /** Deliveries again: one of them, those that a query finds, or what has failed. */
  readonly replays: Replays;
  /** The health of endpoints: their circuit breakers, failures and backlogs. */
  readonly endpoints: EndpointStates;
  /** The events that may be subscribed to. */
  readonly catalogue: {
    /** Returns every event of the catalogue, sorted by name. */
    entries(): readonly CatalogueEntry[];
  };
  /** The notifiers, with the forms of their settings. */
  readonly notifiers: readonly NotifierInfo[];
  /**
   * Sends a test to the destination of a subscription, by its notifier, under the same guard as any attempt, and signed
   * with its secrets. The log does not have it, and it does not count for the endpoint. It is sent to disabled
   * subscriptions as well.
   *
   * @returns How the attempt has ended.
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no subscription of this id, `BUSBAR_INVALID_REQUEST` when neither
   * a payload is given nor the event has an example.
   */
  test(subscriptionId: string, test?: SubscriptionTest): Promise<SubscriptionTestResult>;
  /**
   * Answers requests of the REST interface, as anything that speaks `fetch` does: 503 while the bus does not run. Never
   * rejects. It may be passed on as it is.
   *
   * @example
   * ```ts
   * import { serve } from "@hono/node-server";
   *
   * serve({ fetch: hooks.fetch, port: 8080 });
   * ```
   */
  readonly fetch: RestHandler;
  /**
   * Makes another interface over the same webhooks: with its own path and its own callers. The handler behaves like
   * {@link Webhooks.fetch}, and may be made before the bus starts.
   *
   * @throws TypeError when a token is too short.
   *
   * @example
   * ```ts
   * const partners = hooks.handler({ basePath: "/partners", tokens: partnerTokens });
   * ```
   */
  handler(options: RestOptions): RestHandler;
  /** Returns counts that describe the state of the webhooks. */
  inspect(): Promise<WebhooksInspection>;
}

const NOT_RUNNING = new Problem("unavailable", "The webhooks do not run", {
  headers: { "retry-after": "5" },
});

type ArgsIn<Source> = Source extends AsyncEvents<infer Args> ? Args : never;
type Merged<Union> = (Union extends unknown ? (each: Union) => void : never) extends (
  all: infer All extends object,
) => void
  ? All
  : never;

/** The arguments that travel, by the names of the events of one source or of several. */
export type ArgsOfSources<Sources> = Sources extends readonly (infer Source)[]
  ? Merged<ArgsIn<Source>>
  : ArgsIn<Sources>;

/**
 * Makes a plugin by which systems outside the application subscribe to events at run time, and get them reliably.
 *
 * Its `start` rejects with `BUSBAR_INVALID_CONFIG` when a definition, a key or a notifier is wrong, and with
 * `BUSBAR_UNAVAILABLE` when the database cannot be reached. While the bus stops, attempts under way have its `graceMs` to
 * end.
 *
 * @throws TypeError when an option has a value that it cannot have.
 *
 * @example
 * ```ts
 * const hooks = webhooks({ events, store: pgStore({ pool }), encryptionKeys: [{ id: "2026-11", key }] });
 * const bus = createEventBus({ provider, plugins: [hooks] });
 * await bus.start();
 * await hooks.subscriptions.create({ events: ["sales.order.*"], destination: "https://erp.example/hooks" });
 * await hooks.publish("sales.order.created", { id: "42" });
 * ```
 */
export function webhooks<const Events extends AsyncEventSources = AsyncEvents>(
  options: WebhooksOptions<Events> = {},
): Webhooks<ArgsOfSources<Events>> {
  assertOptions("webhooks()", options, OPTIONS as Checks<WebhooksOptions<Events>>);
  const builtIn = builtInNotifiers(options.http);
  let running: RunningWebhooks | undefined;
  let isStopped = false;
  const started = (): RunningWebhooks => {
    if (running) return running;
    throw new TypeError("The webhooks have not started: start the bus first");
  };
  const handler = (given: RestOptions): RestHandler => {
    // Tokens that are too short are refused here, and not with the first request.
    const { tokens = [], authenticate = bearerTokens(tokens), ...rest } = given;
    let handle: RestHandler | undefined;
    return async (request) => {
      if (!running || isStopped) return answerProblem(NOT_RUNNING);
      handle ??= running.handler({ ...rest, authenticate });
      return handle(request);
    };
  };
  return {
    name: "webhooks",
    async start(context: PluginContext) {
      if (running) throw new TypeError("These webhooks belong to another bus: make others");
      running = await startWebhooks(options, builtIn, context);
    },
    stop: ({ graceMs }) => running?.stop(graceMs),
    async stopped() {
      isStopped = true;
      await running?.close();
    },
    serverTime: async () => running?.serverTime(),
    publish: async (name, args, publishOptions) =>
      started().publisher.publish(name, args, publishOptions),
    withTransaction(transaction) {
      const publisher = started().publisher.within(transaction);
      return { publish: (name, args, given) => publisher.publish(name, args, given) };
    },
    get subscriptions() {
      return started().subscriptions;
    },
    get log() {
      return started().log;
    },
    get replays() {
      return started().replays;
    },
    get endpoints() {
      return started().endpoints;
    },
    get catalogue() {
      return started().catalogue;
    },
    get notifiers() {
      return started().notifiers;
    },
    test: async (id, test = {}) => started().test(id, test),
    fetch: handler(options.rest ?? {}),
    handler(given) {
      assertOptions("handler()", given, REST);
      return handler(given);
    },
    inspect: async () => started().inspect(),
  };
}
