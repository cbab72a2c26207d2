import { randomUUID } from "node:crypto";
import type { JsonValue } from "@busbar/core/provider";
import type { EndpointState } from "../../../src/contract/endpoint-state.ts";
import type {
  DeliveryAttempt,
  DeliveryLog,
  LogQuery,
  ReplayProgress,
  Replays,
  WebhookDelivery,
} from "../../../src/contract/delivery.ts";
import type {
  ChangeOptions,
  NewSubscription,
  PageOf,
  PageOptions,
  SubscriptionFilter,
  SubscriptionSettings,
  WebhookSubscription,
  WebhookSubscriptions,
} from "../../../src/contract/subscription.ts";
import { invalidRequest, notFound, versionConflict } from "../../../src/errors.ts";
import type { IdempotentRequests, RequestState } from "../../../src/rest/idempotency.ts";
import type { RestServices } from "../../../src/rest/rest-handler.ts";
import { LuceneError } from "../../../src/search/lucene-error.ts";
import { newSecret, secretFrom, secretProblem } from "../../../src/secrets/secret-text.ts";

const NOW = new Date("2026-11-30T08:00:00.000Z");

const HEALTHY: Omit<EndpointState, "subscriptionId"> = {
  breaker: "closed",
  failures: 0,
  failingSince: null,
  openUntil: null,
  restsUntil: null,
  waiting: 0,
  running: 0,
};

/** What the tests may look into. */
export interface MemoryServices extends RestServices {
  /** Failures of the server that were logged. */
  readonly failures: object[];
  /** Calls of services, the latest last. */
  readonly calls: (readonly [string, ...unknown[]])[];
  /** The stored answers of requests with a key. */
  readonly answers: Map<string, { fingerprint: string; answer: string | undefined }>;
}

/** Services in memory, in the shape of the contract: for tests of what is in front of them. */
export function memoryServices(): MemoryServices {
  const failures: object[] = [];
  const calls: (readonly [string, ...unknown[]])[] = [];
  const logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields: object) => void failures.push(fields),
  };
  const answers = new Map<string, { fingerprint: string; answer: string | undefined }>();
  const subscriptions = memorySubscriptions();
  return {
    failures,
    calls,
    answers,
    logger,
    subscriptions,
    now: async () => NOW,
    catalogue: {
      entries: () => [
        entry("customer.created", ["customers.read"]),
        entry("order.placed", []),
        entry("sales.order.created", []),
      ],
    },
    notifiers: () => [
      { name: "http", title: "HTTP", signs: true, settings: { type: "object" } },
      { name: "eventbridge", title: "EventBridge", signs: false, settings: { type: "object" } },
      { name: "stdout", title: "Standard output", signs: false, settings: { type: "object" } },
    ],
    test: async (id, test) => {
      calls.push(["test", id, test]);
      if (!(await subscriptions.get(id))) throw notFound("webhook subscription", id);
      return { ok: true, retryable: false, status: 200, durationMs: 12, response: "ok" };
    },
    endpoints: { get: async (id) => ({ ...HEALTHY, subscriptionId: id }), failing: async () => [] },
    log: memoryLog(),
    replays: memoryReplays(calls),
    idempotency: memoryRequests(answers),
  };
}

function entry(name: string, permissions: readonly string[]) {
  return {
    name,
    description: null,
    permissions,
    schema: null,
    example: { id: 1 } as JsonValue,
    deprecated: false,
    hasResolver: true,
  };
}

function page<T>(
  call: string,
  items: readonly T[],
  { limit = 50, cursor }: PageOptions = {},
): PageOf<T> {
  const start = cursor === undefined ? 0 : Number(/^after-(\d+)$/.exec(cursor)?.[1] ?? Number.NaN);
  if (Number.isNaN(start)) {
    throw invalidRequest(call, [{ path: "cursor", reason: "is not one of these pages" }]);
  }
  const end = start + limit;
  return { items: items.slice(start, end), cursor: end < items.length ? `after-${end}` : null };
}

function memorySubscriptions(): WebhookSubscriptions {
  const versions = new Map<string, WebhookSubscription[]>();
  const latest = (id: string): WebhookSubscription => {
    const subscription = versions.get(id)?.at(-1);
    if (!subscription) throw notFound("webhook subscription", id);
    return subscription;
  };
  const change = (
    id: string,
    members: Partial<WebhookSubscription>,
    { by = null, ifVersion }: Omit<ChangeOptions, "by"> & { by?: string | null | undefined } = {},
  ): WebhookSubscription => {
    const present = latest(id);
    if (ifVersion !== undefined && ifVersion !== present.version) {
      throw versionConflict(id, ifVersion, present.version);
    }
    const changed = { ...present, ...members, version: present.version + 1, modifiedBy: by };
    versions.get(id)!.push(changed);
    return changed;
  };
  const fits = (it: WebhookSubscription, filter: SubscriptionFilter): boolean =>
    (it.deletedAt !== null) === (filter.deleted ?? false) &&
    (filter.ids?.includes(it.id) ?? true) &&
    (filter.event === undefined || it.events.includes(filter.event)) &&
    (filter.notifier === undefined || it.notifier === filter.notifier) &&
    (filter.scope === undefined || it.scope === filter.scope) &&
    (filter.enabled === undefined || it.enabled === filter.enabled) &&
    (filter.text === undefined || it.destination.includes(filter.text));
  const all = (filter: SubscriptionFilter = {}): WebhookSubscription[] =>
    [...versions.values()]
      .map((them) => them.at(-1)!)
      .filter((it) => fits(it, filter))
      .toReversed();
  return {
    async create({ secret, ...given }: NewSubscription, { by, anySecret } = {}) {
      assertSecret(secret, anySecret);
      assertSettings(given);
      const made = secret === undefined && given.notifier !== "stdout" ? newSecret() : null;
      const { value, ...info } = secretFrom(secret ?? made ?? newSecret(), NOW);
      const subscription: WebhookSubscription = {
        ...(given as SubscriptionSettings),
        id: randomUUID(),
        version: 1,
        secrets: value === undefined ? [] : [info],
        disabled: null,
        createdAt: NOW,
        createdBy: by ?? null,
        modifiedAt: NOW,
        modifiedBy: by ?? null,
        deletedAt: null,
      };
      versions.set(subscription.id, [subscription]);
      return { ...subscription, secret: made };
    },
    get: async (id) => versions.get(id)?.at(-1),
    list: async (filter, options) => page("list()", all(filter), options),
    async update(id, members, options) {
      assertSettings(members);
      return change(id, members, options);
    },
    delete: async (id, options) => change(id, { deletedAt: NOW, enabled: false }, options),
    async setEnabled(filter, enabled, options) {
      const them = all(filter);
      const others = them.filter((it) => it.enabled !== enabled);
      for (const { id } of others) change(id, { enabled }, options);
      return { changed: others.length, unchanged: them.length - others.length };
    },
    versions: async (id, options) => {
      latest(id);
      return page("versions()", versions.get(id)!.toReversed(), options);
    },
    async rotateSecret(id, { secret = newSecret(), anySecret, ...options } = {}) {
      assertSecret(secret, anySecret);
      const { value: _, ...info } = secretFrom(secret, NOW);
      const { secrets } = latest(id);
      return { subscription: change(id, { secrets: [info, ...secrets] }, options), secret };
    },
  };
}

function assertSecret(secret: string | undefined, mayBeShort = false): void {
  const reason = secret && secretProblem(secret, mayBeShort ? 1 : undefined);
  if (reason) throw invalidRequest("webhooks.subscriptions", [{ path: "secret", reason }]);
}

/** What only the service can know to be wrong. */
function assertSettings(given: Partial<SubscriptionSettings>): void {
  const issues = [];
  if (given.notifier !== undefined && !["http", "eventbridge", "stdout"].includes(given.notifier)) {
    issues.push({ path: "notifier", reason: "must be http, eventbridge or stdout" });
  }
  if (given.notifier === "http" && given.destination?.startsWith("https://") === false) {
    issues.push({ path: "destination", reason: "must be an https URL" });
  }
  if (given.settings?.["headers"] === 7) {
    issues.push({ path: 'settings.headers["x-a"]', reason: "must be a string" });
  }
  if (issues.length > 0) throw invalidRequest("webhooks.subscriptions", issues);
}

const DELIVERY: WebhookDelivery = {
  id: "delivery-1",
  eventId: "event-1",
  eventName: "order.placed",
  scope: null,
  subscriptionId: "subscription-1",
  subscriptionVersion: 1,
  destination: "https://example.com/hooks",
  state: "delivered",
  statusText: "Delivered after 1 retry",
  attempts: 2,
  nextAttemptAt: null,
  createdAt: NOW,
  firstAttemptAt: NOW,
  lastAttemptAt: NOW,
  lastStatus: 200,
  lastErrorClass: null,
};

const ATTEMPT: DeliveryAttempt = {
  id: "7",
  deliveryId: "delivery-1",
  eventId: "event-1",
  eventName: "order.placed",
  subscriptionId: "subscription-1",
  number: 2,
  trigger: "retry",
  success: true,
  status: 200,
  errorClass: null,
  error: null,
  startedAt: NOW,
  durationMs: 12,
  nextAttemptAt: null,
  requestHeaders: { "webhook-id": "delivery-1" },
  response: "ok",
};

function assertQuery({ query }: LogQuery = {}): void {
  if (query?.endsWith("(") === true) {
    throw new LuceneError("The group is not closed", query, query.length, [")"]);
  }
}

function memoryLog(): DeliveryLog {
  const ofDelivery = (id: string): WebhookDelivery => {
    if (id !== DELIVERY.id) throw notFound("delivery", id);
    return DELIVERY;
  };
  return {
    async deliveries(query, options) {
      assertQuery(query);
      return page("deliveries()", [DELIVERY, DELIVERY, DELIVERY], options);
    },
    async attempts(query, options) {
      assertQuery(query);
      return page("attempts()", [ATTEMPT, ATTEMPT], options);
    },
    async count(query) {
      assertQuery(query);
      return 2;
    },
    trace: async (id) =>
      id === DELIVERY.id
        ? {
            delivery: DELIVERY,
            payload: { id: 1 },
            args: { id: 1 },
            metadata: {},
            attempts: [ATTEMPT],
          }
        : undefined,
    cancel: async (id) => ofDelivery(id),
    rebuildIndex: async () => 0,
    export(query, format) {
      const lines = format === "csv" ? ["id,success\r\n", "7,true\r\n"] : ['{"id":"7"}\n'];
      return new ReadableStream({
        pull(controller) {
          try {
            assertQuery(query);
          } catch (error) {
            controller.error(error);
            return;
          }
          const line = lines.shift();
          if (line === undefined) controller.close();
          else controller.enqueue(line);
        },
      });
    },
  };
}

function memoryReplays(calls: (readonly [string, ...unknown[]])[]): Replays {
  const begun = (query = ""): ReplayProgress => ({
    id: "replay-1",
    query,
    state: "running",
    total: 3,
    done: 0,
    skipped: 0,
    perSecond: null,
    createdAt: NOW,
    createdBy: null,
    finishedAt: null,
    error: null,
  });
  const known = (id: string): ReplayProgress => {
    if (id !== "replay-1") throw notFound("replay", id);
    return begun();
  };
  return {
    async delivery(id, options) {
      calls.push(["replay", id, options]);
      if (id !== DELIVERY.id) throw notFound("delivery", id);
      return { ...DELIVERY, state: "waiting" };
    },
    async event(id, options) {
      calls.push(["replay event", id, options]);
      if (id !== DELIVERY.eventId) throw notFound("event", id);
      return { deliveries: 2 };
    },
    async count(options) {
      assertQuery(options);
      return 3;
    },
    async start(options) {
      calls.push(["start", options]);
      assertQuery(options);
      return begun(options.query);
    },
    async recover(since, options) {
      calls.push(["recover", since, options]);
      return begun();
    },
    get: async (id) => (id === "replay-1" ? begun() : undefined),
    list: async (options) => page("list()", [begun()], options),
    cancel: async (id) => ({ ...known(id), state: "cancelled" }),
  };
}

function memoryRequests(
  answers: Map<string, { fingerprint: string; answer: string | undefined }>,
): IdempotentRequests {
  return {
    async begin({ caller, key }, fingerprint): Promise<RequestState> {
      const known = answers.get(`${caller} ${key}`);
      if (!known) {
        answers.set(`${caller} ${key}`, { fingerprint, answer: undefined });
        return { kind: "new" };
      }
      if (known.fingerprint !== fingerprint) return { kind: "other" };
      return known.answer === undefined
        ? { kind: "running" }
        : { kind: "answered", answer: known.answer };
    },
    async finish({ caller, key }, answer) {
      answers.get(`${caller} ${key}`)!.answer = answer;
    },
    async abandon({ caller, key }) {
      answers.delete(`${caller} ${key}`);
    },
  };
}
