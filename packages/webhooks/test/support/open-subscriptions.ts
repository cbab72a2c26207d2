import type { JsonObject } from "@busbar/core/provider";
import { z } from "zod";
import type { Notifier } from "../../src/contract/notifier.ts";
import type { NewSubscription, WebhookSubscription } from "../../src/contract/subscription.ts";
import { KeyRing } from "../../src/secrets/key-ring.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { Sealer } from "../../src/subscriptions/sealer.ts";
import { SubscriptionIndex } from "../../src/subscriptions/subscription-index.ts";
import { SubscriptionRules } from "../../src/subscriptions/subscription-rules.ts";
import { SubscriptionStore } from "../../src/subscriptions/subscription-store.ts";
import { Targets } from "../../src/subscriptions/targets.ts";
import {
  type Changed,
  StoredSubscriptions,
} from "../../src/subscriptions/webhook-subscriptions.ts";
import type { TestDatabase } from "./databases.ts";

/** What one process of an application has of subscriptions. */
export interface TestSubscriptions {
  readonly subscriptions: StoredSubscriptions;
  readonly index: SubscriptionIndex;
  readonly targets: Targets;
  readonly store: SubscriptionStore;
  /** The changes that were reported. */
  readonly changes: readonly Changed[];
  /** What was logged, as text. */
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

/** The keys of tests: 32 bytes each. */
export const KEYS = {
  first: { id: "first", key: Buffer.alloc(32, 1) },
  second: { id: "second", key: Buffer.alloc(32, 2) },
};

const secret = z.string().min(3).meta({ writeOnly: true });

/** Signs, and has secret settings at every depth. */
const shopNotifier: Notifier = {
  name: "shop",
  settings: z.strictObject({
    timeoutMs: z.int().positive().default(15_000),
    password: secret.optional(),
    auth: z.strictObject({ user: z.string(), password: secret }).optional(),
    headers: z.array(z.strictObject({ name: z.string(), value: secret })).optional(),
  }),
  signs: true,
  checkDestination: (destination) =>
    destination.startsWith("https://") ? undefined : "be an https URL",
  deliver: async () => ({ ok: true, retryable: false }),
};

/** Neither signs nor has settings. */
const queueNotifier: Notifier = {
  name: "queue",
  settings: z.strictObject({}),
  signs: false,
  checkDestination: () => undefined,
  deliver: async () => ({ ok: true, retryable: false }),
};

/** Opens what one process has. Its index does not poll, unless it is asked to. */
export async function openSubscriptions(
  database: TestDatabase,
  options: {
    readonly keys?: ConstructorParameters<typeof KeyRing>[0];
    readonly eventNames?: readonly string[];
    readonly pollEveryMs?: number;
    /** Whether it hears of no change of another process. */
    readonly isDeaf?: boolean;
  } = {},
): Promise<TestSubscriptions> {
  const changes: Changed[] = [];
  const lines: string[] = [];
  const log = (fields: object, message: string): void => {
    const { err, ...rest } = fields as { err?: Error };
    lines.push(`${message} ${JSON.stringify(rest)} ${err?.stack ?? ""}`);
  };
  const { eventNames } = options;
  const rules = new SubscriptionRules({
    notifiers: new Map<string, Notifier>([
      ["shop", shopNotifier as Notifier],
      ["queue", queueNotifier],
    ]),
    ...(eventNames && { eventNames: () => eventNames }),
  });
  const sqlStore = database.createStore();
  const store = new SubscriptionStore(webhookStore(sqlStore));
  const sealer = new Sealer(new KeyRing(options.keys ?? [KEYS.first]));
  const index = new SubscriptionIndex({
    store,
    logger: { debug: log, info: log, warn: log, error: log },
    listen: options.isDeaf ? undefined : sqlStore.listen,
    pollEveryMs: options.pollEveryMs ?? 3_600_000,
  });
  const subscriptions = new StoredSubscriptions({
    store,
    rules,
    sealer,
    onChanged(stored, change) {
      index.apply(stored);
      changes.push(change);
    },
  });
  await index.start();
  return {
    subscriptions,
    index,
    targets: new Targets(store, rules, sealer),
    store,
    changes,
    lines,
    stop: () => index.stop(),
  };
}

/** A new subscription that says only what it must. */
export function newSubscription(more: Partial<NewSubscription> = {}): NewSubscription {
  return {
    events: ["order.placed"],
    destination: "https://example.com/hooks",
    notifier: "shop",
    ...more,
  };
}

/** The settings that a subscription has when nothing else is said. */
export const DEFAULTS = {
  label: null,
  settings: {} as JsonObject,
  scope: null,
  filter: null,
  payload: "once",
  retry: { type: "standard" },
  rate: null,
  concurrency: 10,
  orderingKey: null,
  onOrderedFailure: "skip",
  redact: [],
  enabled: true,
} as const satisfies Partial<WebhookSubscription>;
