import type { JsonObject } from "@busbar/core/provider";
import type { RetryPolicy } from "./retry-policy.ts";

/**
 * When the payload of an event is made, for one subscription.
 *
 * - `emitted`: in the emitting process, when it is emitted.
 * - `once`: in the worker, once for all subscriptions that say so. Retries and replays have the same payload.
 * - `attempt`: in the worker, anew for each attempt.
 */
export type PayloadMode = "emitted" | "once" | "attempt";

/** Who has made a change, as the application names its callers. */
export type Actor = string;

/** What of a secret may be seen. */
export interface SecretInfo {
  /** The id of the secret. */
  readonly id: string;
  /** `v1`: a shared secret, `whsec_…`. `v1a`: a private key, `whsk_…`. */
  readonly type: "v1" | "v1a";
  /** The public key of a `v1a` secret, `whpk_…`. */
  readonly publicKey: string | null;
  /** Since when deliveries are signed with it. */
  readonly createdAt: Date;
  /** Until when deliveries are signed with it, besides the newest. Null for the newest. */
  readonly expiresAt: Date | null;
}

/** A secret, as a notifier signs with it. */
export interface Secret extends SecretInfo {
  /** `whsec_…` or `whsk_…`; or, of a subscription from Mage-OS, any text. */
  readonly value: string;
}

/** Why a subscription is not enabled. */
export interface DisabledReason {
  /**
   * - `manual`: somebody has disabled it.
   * - `gone`: the endpoint answered 410.
   * - `failures`: too many attempts have failed in a row.
   * - `failing`: every attempt has failed for too long.
   */
  readonly kind: "manual" | "gone" | "failures" | "failing";
  /** Since when it is disabled. */
  readonly at: Date;
  /** What happened, in one sentence. */
  readonly detail: string;
}

/** What one may say about a webhook subscription, all of it changeable. */
export interface SubscriptionSettings {
  /** What people call it. */
  readonly label: string | null;
  /** Names or patterns: `order.*` is one more segment, `order.**` one or more, `*` every event. */
  readonly events: readonly string[];
  /** Where deliveries go: a URL, a queue, an ARN, as the notifier has it. */
  readonly destination: string;
  /** The name of the notifier. */
  readonly notifier: string;
  /**
   * What the notifier wants to know besides, in the shape of its schema. Members that its schema says are `writeOnly`
   * are encrypted in the store, and are never read back.
   */
  readonly settings: JsonObject;
  /** Only events of this scope, such as a shop or a tenant. Null: of all scopes. */
  readonly scope: string | null;
  /** Only events whose payload passes. Null: all. */
  readonly filter: JsonObject | null;
  /** When the payload is made. */
  readonly payload: PayloadMode;
  /** When failed deliveries are attempted again. */
  readonly retry: RetryPolicy;
  /** Attempts that may begin in any period of that many milliseconds, over all processes. Null: no limit. */
  readonly rate: { readonly max: number; readonly perMs: number } | null;
  /** Attempts that run at the same time, over all processes. */
  readonly concurrency: number;
  /**
   * What deliveries have in common that must arrive in order: `$event`, the ordering key of the event, or the path of a
   * value in the payload, such as `order.id`. Null: no order.
   */
  readonly orderingKey: string | null;
  /** Whether a dead delivery is passed over, or holds up the next of its key until it is replayed or cancelled. */
  readonly onOrderedFailure: "skip" | "park";
  /** Paths in the payload whose values the log shows as `[redacted]`. They are delivered and replayed all the same. */
  readonly redact: readonly string[];
  /** Whether events are delivered. Those that come while it is not are not kept for it; deliveries that wait already are paused. */
  readonly enabled: boolean;
}

/** A webhook subscription. */
export interface WebhookSubscription extends SubscriptionSettings {
  /** The id of the subscription. */
  readonly id: string;
  /** Moves by one with each change. */
  readonly version: number;
  /** Newest first. What they are is not told. */
  readonly secrets: readonly SecretInfo[];
  /** Null while it is enabled. */
  readonly disabled: DisabledReason | null;
  /** When it was made. */
  readonly createdAt: Date;
  /** Who has made it. */
  readonly createdBy: Actor | null;
  /** When it was changed last. */
  readonly modifiedAt: Date;
  /** Who has changed it last. */
  readonly modifiedBy: Actor | null;
  /** When it was deleted. Its log stays. */
  readonly deletedAt: Date | null;
}

/** A new subscription. What is left out has its default. */
export type NewSubscription = Pick<SubscriptionSettings, "events" | "destination"> &
  Partial<SubscriptionSettings> & {
    /** `whsec_…`, `whsk_…`, or a text of 24 bytes and more. Made at random if it is left out and the notifier signs. */
    readonly secret?: string | undefined;
  };

/** A subscription that was just made, with its secret. */
export interface CreatedSubscription extends WebhookSubscription {
  /** The secret that was made at random, which is shown this once. Null if one was given, or none is needed. */
  readonly secret: string | null;
}

/** What is to be changed of a subscription. */
export type SubscriptionChange = Partial<SubscriptionSettings>;

/** What a search for subscriptions may ask for. Everything that is given must fit. */
export interface SubscriptionFilter {
  /** Those with one of these ids. */
  readonly ids?: readonly string[] | undefined;
  /** Those that want an event of this name. */
  readonly event?: string | undefined;
  /** Those of this notifier. */
  readonly notifier?: string | undefined;
  /** Those of this scope; null: those without one. */
  readonly scope?: string | null | undefined;
  /** Those that are enabled, or those that are not. */
  readonly enabled?: boolean | undefined;
  /** A part of the destination or the label. */
  readonly text?: string | undefined;
  /** @default false */
  readonly deleted?: boolean | undefined;
}

/** One page of a list. */
export interface PageOf<T> {
  /** What is on the page. */
  readonly items: readonly T[];
  /** For the next page. Null on the last. */
  readonly cursor: string | null;
}

/** Which page of a list. */
export interface PageOptions {
  /** @default 50; 500 at most */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before. The first page by default. */
  readonly cursor?: string | undefined;
}

/** How many subscriptions a bulk action has changed, and how many were so already. */
export interface BulkResult {
  /** How many are different now. */
  readonly changed: number;
  /** How many were so already. */
  readonly unchanged: number;
}

/** Who asks for a change, and of which version. */
export interface ChangeOptions {
  /** Who asks for the change. */
  readonly by?: Actor | undefined;
  /** The version that is to be changed: another one is refused. */
  readonly ifVersion?: number | undefined;
}

/** Which secrets are accepted. */
export interface SecretOptions {
  /**
   * Whether a secret may be any text, however short: those of Mage-OS are. Whoever guesses it can sign.
   *
   * @default false
   */
  readonly anySecret?: boolean | undefined;
}

/** The webhook subscriptions. What is changed here holds in this process at once, and in others within a second. */
export interface WebhookSubscriptions {
  /** Makes a subscription. Events that are emitted from now on are delivered to it. */
  create(
    subscription: NewSubscription,
    options?: ChangeOptions & SecretOptions,
  ): Promise<CreatedSubscription>;
  /** Undefined if there is none. Deleted ones are found, too. */
  get(id: string): Promise<WebhookSubscription | undefined>;
  /** Those that fit, newest first. */
  list(filter?: SubscriptionFilter, page?: PageOptions): Promise<PageOf<WebhookSubscription>>;
  /** Changes what is given, and leaves the rest. */
  update(
    id: string,
    change: SubscriptionChange,
    options?: ChangeOptions,
  ): Promise<WebhookSubscription>;
  /** Ends it. What waits is cancelled, and its log stays. */
  delete(id: string, options?: ChangeOptions): Promise<WebhookSubscription>;
  /** Enables or disables all that fit. */
  setEnabled(
    filter: SubscriptionFilter,
    enabled: boolean,
    options?: ChangeOptions,
  ): Promise<BulkResult>;
  /** Earlier versions, newest first, the present one included. */
  versions(id: string, page?: PageOptions): Promise<PageOf<WebhookSubscription>>;
  /**
   * Signs with a new secret from now on, and with the old ones as well for `graceMs`: 0 to 7 days, a day by default.
   * Resolves with the new secret, which is shown this once.
   */
  rotateSecret(
    id: string,
    options?: ChangeOptions &
      SecretOptions & {
        readonly secret?: string | undefined;
        readonly graceMs?: number | undefined;
      },
  ): Promise<{ readonly subscription: WebhookSubscription; readonly secret: string }>;
}
