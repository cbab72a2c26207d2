import type { JsonValue } from "@busbar/core/provider";

/** What a query is compared with. Members that do not apply are null. */
export interface SearchRecord {
  readonly logId: number | null;
  readonly deliveryId: string | null;
  readonly eventId: string;
  readonly eventName: string;
  readonly scope: string | null;
  readonly subscriptionId: string | null;
  readonly destination: string | null;
  readonly notifier: string | null;
  readonly state: string | null;
  readonly success: boolean | null;
  readonly statusCode: number | null;
  readonly errorClass: string | null;
  readonly error: string | null;
  readonly response: string | null;
  readonly attempt: number | null;
  readonly trigger: string | null;
  /** Milliseconds. */
  readonly duration: number | null;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** Milliseconds since the epoch. */
  readonly nextAttempt: number | null;
  /** Undefined if there is none. */
  readonly payload: JsonValue | undefined;
  /** Paths in the payload of which the values must not be found. */
  readonly redact: readonly string[];
}
