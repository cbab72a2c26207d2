// The parts of the answers of the REST interface of webhooks that the page reads. Times are ISO 8601 texts.
import type { JsonObject, JsonValue } from "@busbar/core/provider";

/** A page of a list. */
export interface PageView<Item> {
  readonly items: readonly Item[];
  readonly cursor: string | null;
}

/** A webhook subscription. */
export interface WebhookView {
  readonly id: string;
  readonly version: number;
  readonly label: string | null;
  readonly events: readonly string[];
  readonly destination: string;
  readonly notifier: string;
  readonly settings: JsonObject;
  readonly scope: string | null;
  readonly filter: JsonObject | null;
  readonly payload: "emitted" | "once" | "attempt";
  readonly retry: JsonObject;
  readonly rate: { readonly max: number; readonly perMs: number } | null;
  readonly concurrency: number;
  readonly orderingKey: string | null;
  readonly onOrderedFailure: "skip" | "park";
  readonly redact: readonly string[];
  readonly enabled: boolean;
  readonly secrets: readonly SecretView[];
  readonly disabled: { readonly kind: string; readonly at: string; readonly detail: string } | null;
  readonly createdAt: string;
  readonly createdBy: string | null;
  readonly modifiedAt: string;
  readonly modifiedBy: string | null;
  readonly deletedAt: string | null;
}

/** What of a secret may be seen. */
export interface SecretView {
  readonly id: string;
  readonly type: "v1" | "v1a";
  readonly publicKey: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

/** A webhook subscription that was just made. */
export interface CreatedWebhook extends WebhookView {
  /** Null: the notifier does not sign, or the request had a secret. */
  readonly secret: string | null;
}

/** How the endpoint of a subscription is. */
export interface EndpointView {
  readonly subscriptionId: string;
  readonly breaker: "closed" | "open" | "half-open";
  readonly failures: number;
  readonly failingSince: string | null;
  readonly openUntil: string | null;
  readonly restsUntil: string | null;
  readonly waiting: number;
  readonly running: number;
}

/** A notifier, with the form of its settings. */
export interface NotifierView {
  readonly name: string;
  readonly title: string;
  readonly signs: boolean;
  readonly settings: JsonObject;
}

/** An event that can be subscribed to. */
export interface CatalogueView {
  readonly name: string;
  readonly description: string | null;
  readonly example: JsonValue;
}

/** How a test has ended. */
export interface TestView {
  readonly ok: boolean;
  readonly status?: number;
  readonly errorClass?: string;
  readonly error?: string;
  readonly durationMs: number;
  readonly requestHeaders?: Readonly<Record<string, string>>;
  readonly response?: string;
}

/** A delivery. */
export interface DeliveryView {
  readonly id: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly scope: string | null;
  readonly subscriptionId: string;
  readonly subscriptionVersion: number;
  readonly destination: string;
  readonly state: DeliveryStateName;
  readonly statusText: string;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
  readonly createdAt: string;
  readonly firstAttemptAt: string | null;
  readonly lastAttemptAt: string | null;
  readonly lastStatus: number | null;
  readonly lastErrorClass: string | null;
}

/** The state of a delivery. */
export type DeliveryStateName =
  | "waiting"
  | "retrying"
  | "paused"
  | "running"
  | "delivered"
  | "dead"
  | "cancelled";

/** One attempt of a delivery. */
export interface AttemptView {
  readonly id: string;
  readonly deliveryId: string | null;
  readonly eventId: string;
  readonly eventName: string;
  readonly subscriptionId: string | null;
  readonly number: number;
  readonly trigger: string;
  readonly success: boolean;
  readonly status: number | null;
  readonly errorClass: string | null;
  readonly error: string | null;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly nextAttemptAt: string | null;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly response: string | null;
}

/** A delivery with its payload and its attempts. */
export interface TraceView {
  readonly delivery: DeliveryView;
  readonly payload: JsonValue;
  readonly args: JsonValue;
  readonly metadata: JsonObject;
  readonly attempts: readonly AttemptView[];
}

/** How far a replay is. */
export interface ReplayView {
  readonly id: string;
  readonly query: string;
  readonly state: "running" | "done" | "cancelled" | "failed";
  readonly total: number;
  readonly done: number;
  readonly skipped: number;
  readonly perSecond: number | null;
  readonly createdAt: string;
  readonly createdBy: string | null;
  readonly finishedAt: string | null;
  readonly error: string | null;
}
