import {
  type BodySource,
  type CloudEventOptions,
  encodeHeaderValue,
  isTraceparent,
  toCloudEvent,
} from "./cloud-event.ts";

/** How an event is written into a request. */
export type BodyFormat =
  | "standard"
  | "cloudevents"
  | "cloudevents-binary"
  | "cloudevents-batch"
  | "mageos";

/** The formats, the default first. */
export const BODY_FORMATS: readonly BodyFormat[] = [
  "standard",
  "cloudevents",
  "cloudevents-binary",
  "cloudevents-batch",
  "mageos",
];

/** A request to be signed and sent. */
export interface FormattedBody {
  /** Lower-case names. Signatures do not cover them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Exactly the bytes to sign and to send. */
  readonly body: Buffer;
}

/**
 * Writes an event in a format.
 *
 * - `standard`: `{ type, timestamp, data }`, as Standard Webhooks recommends.
 * - `cloudevents`: one CloudEvent 1.0 as JSON (structured mode).
 * - `cloudevents-binary`: the payload is the body, and the attributes are `ce-` headers, which no signature covers.
 * - `cloudevents-batch`: an array of one CloudEvent.
 * - `mageos`: `{ data }`, as Mage-OS Async Events 3 sends it.
 *
 * Each has the headers `busbar-event-id`, `busbar-sequence` if the delivery has an ordering key, and `traceparent` if the
 * event was emitted within a trace.
 *
 * @param options The source of CloudEvents.
 */
export function formatBody(
  format: BodyFormat,
  request: BodySource,
  options: CloudEventOptions = {},
): FormattedBody {
  const { event } = request;
  switch (format) {
    case "standard": {
      const { name: type, occurredAt, data } = event;
      const body = { type, timestamp: occurredAt.toISOString(), data };
      return formatted(request, "application/json", body);
    }
    case "mageos":
      return formatted(request, "application/json", { data: event.data });
    case "cloudevents":
      return formatted(
        request,
        "application/cloudevents+json; charset=utf-8",
        toCloudEvent(request, options),
      );
    case "cloudevents-batch":
      return formatted(request, "application/cloudevents-batch+json; charset=utf-8", [
        toCloudEvent(request, options),
      ]);
    case "cloudevents-binary": {
      const { data, datacontenttype, ...attributes } = toCloudEvent(request, options);
      const { headers, body } = formatted(request, datacontenttype, data);
      const named = Object.entries(attributes).map(([name, value]) => [
        `ce-${name}`,
        encodeHeaderValue(value),
      ]);
      return { headers: { ...headers, ...Object.fromEntries(named) }, body };
    }
  }
}

function formatted(
  { event, delivery }: BodySource,
  contentType: string,
  body: unknown,
): FormattedBody {
  const { traceparent } = event.metadata;
  const headers: Record<string, string> = {
    "content-type": contentType,
    "busbar-event-id": encodeHeaderValue(event.id),
  };
  if (delivery.sequence !== null) headers["busbar-sequence"] = String(delivery.sequence);
  if (isTraceparent(traceparent)) headers["traceparent"] = traceparent;
  return { headers, body: Buffer.from(JSON.stringify(body)) };
}
