import type { JsonValue } from "@busbar/core/provider";
import type { NotifierRequest } from "../contract/notifier.ts";

/** Sixteen digits hold every safe integer. */
const SEQUENCE_DIGITS = 16;
/** What CloudEvents allow in no text: control characters. */
// eslint-disable-next-line no-control-regex
const NOT_IN_TEXTS = /[\u0000-\u001F\u007F-\u009F]/g;
const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** The part of a notifier's request that its body is made of. */
export type BodySource = Pick<NotifierRequest, "event"> & {
  readonly delivery: Pick<NotifierRequest["delivery"], "id" | "sequence">;
};

/** How events become CloudEvents. */
export interface CloudEventOptions {
  /**
   * The `source` of events: a URI reference that says which application they are from. For an event of a scope, the
   * scope follows as another segment: `/busbar/shop-1`.
   *
   * @default "/busbar"
   */
  readonly source?: string | undefined;
}

/** An event as a CloudEvent 1.0. Its attributes are text; `data` is the payload. */
export interface CloudEvent {
  /** The version of CloudEvents. */
  readonly specversion: "1.0";
  /** The id of the event on the bus. With `source`, it is unique. */
  readonly id: string;
  /** The application, and the scope if there is one. */
  readonly source: string;
  /** The name of the event. */
  readonly type: string;
  /** When the event was emitted. */
  readonly time: string;
  /** What `data` is. */
  readonly datacontenttype: "application/json";
  /** The id of the delivery: `webhook-id`. */
  readonly deliveryid: string;
  /** The scope of the event, such as a shop. */
  readonly scope?: string;
  /** Counts the deliveries of one ordering key. Padded with zeros, so that the order of texts is the order of numbers. */
  readonly sequence?: string;
  /** The trace in which the event was emitted. */
  readonly traceparent?: string;
  /** The payload. */
  readonly data: JsonValue;
}

/** Makes a CloudEvent 1.0 of an event and its delivery. */
export function toCloudEvent(
  { event, delivery }: BodySource,
  { source = "/busbar" }: CloudEventOptions = {},
): CloudEvent {
  const { id, name, scope, occurredAt, metadata, data } = event;
  const { traceparent } = metadata;
  return {
    specversion: "1.0",
    id: safeText(id),
    source: scope === null ? source : `${source}/${encodeURIComponent(scope.toWellFormed())}`,
    type: safeText(name),
    time: occurredAt.toISOString(),
    datacontenttype: "application/json",
    deliveryid: delivery.id,
    ...(scope !== null && scope !== "" && { scope: safeText(scope) }),
    ...(delivery.sequence !== null && {
      sequence: String(delivery.sequence).padStart(SEQUENCE_DIGITS, "0"),
    }),
    ...(isTraceparent(traceparent) && { traceparent }),
    data,
  };
}

/**
 * Writes text into a header as the HTTP binding of CloudEvents says: each character but printable ASCII, and space, `"`
 * and `%`, becomes the percent-encoded bytes of its UTF-8.
 */
export function encodeHeaderValue(value: string): string {
  return value.toWellFormed().replaceAll(/[^\u0021\u0023\u0024\u0026-\u007E]+/g, (part) => {
    let encoded = "";
    for (const byte of Buffer.from(part)) {
      encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    }
    return encoded;
  });
}

/** Whether a value is a trace context of the W3C that can be passed on. */
export function isTraceparent(value: unknown): value is string {
  return typeof value === "string" && TRACEPARENT.test(value);
}

/** A text that CloudEvents allow: what they do not becomes the replacement character. */
function safeText(text: string): string {
  return text.toWellFormed().replaceAll(NOT_IN_TEXTS, "\uFFFD");
}
