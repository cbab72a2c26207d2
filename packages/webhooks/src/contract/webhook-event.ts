import type { JsonObject, JsonValue } from "@busbar/core/provider";

/** An event on its way to whoever is outside, as notifiers and filters see it. */
export interface WebhookEvent {
  /** The id that it has on the bus. */
  readonly id: string;
  /** The name of the event. */
  readonly name: string;
  /** The scope of the event, such as a shop or a tenant. */
  readonly scope: string | null;
  /** When it was emitted. */
  readonly occurredAt: Date;
  /** The payload. */
  readonly data: JsonValue;
  /** What travels beside the payload, such as `traceparent` and `correlationId`. */
  readonly metadata: JsonObject;
}
