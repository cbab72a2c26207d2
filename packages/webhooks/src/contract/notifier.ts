import type { JsonObject } from "@busbar/core/provider";
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import type { AttemptTrigger } from "./delivery.ts";
import type { Secret } from "./subscription.ts";
import type { WebhookEvent } from "./webhook-event.ts";

/**
 * What was wrong with an attempt, in classes that one can search and count. `proxy_error` and `interrupted` are no fault
 * of the destination.
 */
export type ErrorClass =
  | "dns_error"
  | "connection_refused"
  | "connection_reset"
  | "connect_timeout"
  | "timeout"
  | "tls_error"
  | "blocked_address"
  | "redirect"
  | "http_4xx"
  | "http_5xx"
  | "http_410"
  | "http_429"
  | "protocol_error"
  | "proxy_error"
  | "authentication"
  | "throttled"
  | "rejected"
  | "payload_too_large"
  | "invalid_settings"
  | "resolve_failed"
  | "interrupted"
  | "unknown";

/** Every {@link ErrorClass}. */
export const ERROR_CLASSES: readonly ErrorClass[] = Object.keys({
  dns_error: true,
  connection_refused: true,
  connection_reset: true,
  connect_timeout: true,
  timeout: true,
  tls_error: true,
  blocked_address: true,
  redirect: true,
  http_4xx: true,
  http_5xx: true,
  http_410: true,
  http_429: true,
  protocol_error: true,
  proxy_error: true,
  authentication: true,
  throttled: true,
  rejected: true,
  payload_too_large: true,
  invalid_settings: true,
  resolve_failed: true,
  interrupted: true,
  unknown: true,
} satisfies Record<ErrorClass, true>) as ErrorClass[];

/** The schema of a notifier's settings: of zod, or of any library that also says it as JSON Schema. */
export type SettingsSchema<Settings = unknown> = StandardSchemaV1<unknown, Settings> &
  StandardJSONSchemaV1<unknown, Settings>;

/** One attempt, as a notifier gets it. */
export interface NotifierRequest<Settings = unknown> {
  /** The delivery that is attempted. */
  readonly delivery: {
    /** The same over all attempts: receivers know repeats by it. */
    readonly id: string;
    /** 1 for the first attempt. */
    readonly attempt: number;
    readonly trigger: AttemptTrigger;
    /** What deliveries have in common that must arrive in order. Null without one. */
    readonly orderingKey: string | null;
    /** Counts the deliveries of one ordering key, from 1. Null without one. */
    readonly sequence: number | null;
  };
  /** What is delivered. */
  readonly event: WebhookEvent;
  /** Where it is delivered to. */
  readonly subscription: {
    readonly id: string;
    readonly destination: string;
    /** Newest first, without those that have expired. */
    readonly secrets: readonly Secret[];
  };
  /**
   * Signs exactly the bytes that are sent, with all secrets of the subscription, and returns the headers of Standard
   * Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`. The last is left out if there are no secrets.
   */
  readonly sign: (body: Uint8Array) => Readonly<Record<string, string>>;
  /** As the schema gave them. */
  readonly settings: Settings;
  /** When the attempt began, by the clock of the store. */
  readonly now: Date;
  /** Aborted when the attempt has no more time: then it must end at once. */
  readonly signal: AbortSignal;
}

/** How an attempt ended. */
export interface NotifierResult {
  /** Whether the destination has accepted the delivery. */
  readonly ok: boolean;
  /** Whether another attempt may go better. Of no account if `ok`. */
  readonly retryable: boolean;
  /** Milliseconds for which the destination asks not to be disturbed. */
  readonly retryAfterMs?: number | undefined;
  /** The destination never wants to hear of us again: the subscription is disabled. */
  readonly gone?: boolean | undefined;
  /** The status code, if the protocol has one. */
  readonly status?: number | undefined;
  /** What kind of error it was. */
  readonly errorClass?: ErrorClass | undefined;
  /** What went wrong, in one sentence, without secrets. */
  readonly error?: string | undefined;
  /** What was sent besides the payload, for the log. Secrets are left out or say `[redacted]`. */
  readonly requestHeaders?: Readonly<Record<string, string>> | undefined;
  /** The beginning of what the destination answered: 16 kB at most. */
  readonly response?: string | undefined;
}

/**
 * Takes events to one kind of destination. `deliver` never throws for what the destination does; what it throws is
 * logged as `unknown`, and attempted again. It may be called many times at once.
 *
 * @typeParam Settings What its schema makes of a subscription's settings.
 */
export interface Notifier<Settings = unknown> {
  /** What subscriptions call it: lower case, such as `http`. */
  readonly name: string;
  /** What people call it, in forms. The name by default. */
  readonly title?: string | undefined;
  /** The form of `settings`. Members with `writeOnly: true` in its JSON Schema are secret. */
  readonly settings: SettingsSchema<Settings>;
  /** Whether it signs with the subscription's secrets, so that each needs one. */
  readonly signs: boolean;
  /** What is wrong with a destination, in a few words that follow "must": `be an https URL`. Undefined if nothing is. */
  checkDestination(destination: string, settings: Settings): string | undefined;
  /** Attempts to deliver. Resolves when the destination has answered, or could not be reached. */
  deliver(request: NotifierRequest<Settings>): Promise<NotifierResult>;
  /** Closes what it has opened. Called once, when no attempt runs any more. */
  close?(): Promise<void>;
}

/** A notifier's settings as its JSON Schema says them, for forms. */
export interface NotifierInfo {
  /** What subscriptions call it. */
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  /** Whether its subscriptions have secrets. */
  readonly signs: boolean;
  /** The JSON Schema of its settings. */
  readonly settings: JsonObject;
}
