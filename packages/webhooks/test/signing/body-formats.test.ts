import { type CloudEvent, HTTP } from "cloudevents";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "@busbar/core/provider";
import type { WebhookEvent } from "../../src/contract/webhook-event.ts";
import { BODY_FORMATS, formatBody } from "../../src/signing/body-formats.ts";
import { type BodySource, encodeHeaderValue } from "../../src/signing/cloud-event.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const occurredAt = new Date("2026-11-30T12:00:00.123Z");
const event: WebhookEvent = {
  id: "0198d2a1-0000-7000-8000-000000000001",
  name: "order.placed",
  scope: "shop 1/äöü",
  occurredAt,
  data: { total: 42, items: [{ sku: "ä" }] },
  metadata: { traceparent, correlationId: "c" },
};
const request: BodySource = { event, delivery: { id: "0198d2a1-1111", sequence: 7 } };

/** The attributes of a CloudEvent, as the published reader finds them. */
function read(
  format: "cloudevents" | "cloudevents-binary" | "cloudevents-batch",
  source = request,
) {
  const { headers, body } = formatBody(format, source);
  // The reader of binary events leaves percent-encoding to its callers.
  const decoded = Object.entries(headers).map(([name, value]) => [
    name,
    name.startsWith("ce-") ? decodeURIComponent(value) : value,
  ]);
  const found = HTTP.toEvent({
    headers: Object.fromEntries(decoded) as Record<string, string>,
    body: body.toString(),
  });
  return (Array.isArray(found) ? found : [found]) as CloudEvent<unknown>[];
}

describe("formatBody", () => {
  test("writes type, timestamp and data by the standard", () => {
    const { headers, body } = formatBody("standard", request);

    expect(JSON.parse(body.toString())).toEqual({
      type: "order.placed",
      timestamp: "2026-11-30T12:00:00.123Z",
      data: event.data,
    });
    expect(headers).toEqual({
      "content-type": "application/json",
      "busbar-event-id": event.id,
      "busbar-sequence": "7",
      traceparent,
    });
  });

  test("writes data alone for Mage-OS", () => {
    const { headers, body } = formatBody("mageos", request);

    expect(body.toString()).toBe('{"data":{"total":42,"items":[{"sku":"ä"}]}}');
    expect(headers["content-type"]).toBe("application/json");
  });

  test.each(["cloudevents", "cloudevents-binary", "cloudevents-batch"] as const)(
    "writes %s that the published cloudevents reads",
    (format) => {
      const [found, ...others] = read(format);

      expect(others).toEqual([]);
      expect(found?.validate()).toBe(true);
      expect(found?.toJSON()).toEqual({
        specversion: "1.0",
        id: event.id,
        source: "/busbar/shop%201%2F%C3%A4%C3%B6%C3%BC",
        type: "order.placed",
        time: "2026-11-30T12:00:00.123Z",
        datacontenttype: "application/json",
        deliveryid: "0198d2a1-1111",
        scope: "shop 1/äöü",
        sequence: "0000000000000007",
        traceparent,
        data: event.data,
      });
    },
  );

  test("leaves out what an event does not have, and a trace that is none", () => {
    const plain: BodySource = {
      event: { ...event, scope: null, metadata: { traceparent: "00-x\r\nevil: 1" } },
      delivery: { id: "d", sequence: null },
    };
    const { headers, body } = formatBody("cloudevents", plain);

    expect(headers).toEqual({
      "content-type": "application/cloudevents+json; charset=utf-8",
      "busbar-event-id": event.id,
    });
    expect(Object.keys(JSON.parse(body.toString()) as object)).toEqual([
      "specversion",
      "id",
      "source",
      "type",
      "time",
      "datacontenttype",
      "deliveryid",
      "data",
    ]);
  });

  test("takes another source", () => {
    const { body } = formatBody("cloudevents", request, { source: "https://shop.example" });

    expect(JSON.parse(body.toString())).toMatchObject({
      source: "https://shop.example/shop%201%2F%C3%A4%C3%B6%C3%BC",
    });
  });

  test("writes events that can be read, and headers that can be sent, whatever the scope and the data", () => {
    const texts = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(texts, texts, fc.jsonValue(), (scope, id, data) => {
        const anything: BodySource = {
          event: { ...event, id: `i${id}`, scope, data: { value: data as JsonValue } },
          delivery: request.delivery,
        };
        for (const format of BODY_FORMATS) {
          expect(() => new Headers(formatBody(format, anything).headers)).not.toThrow();
        }
        for (const format of ["cloudevents", "cloudevents-binary", "cloudevents-batch"] as const) {
          const [found] = read(format, anything);
          expect(found?.data).toEqual(JSON.parse(JSON.stringify({ value: data })));
          // eslint-disable-next-line no-control-regex
          expect(`${found?.id}${String(found?.["scope"])}`).not.toMatch(/[\u0000-\u001F]/);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("encodeHeaderValue", () => {
  test.each([
    ["Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"],
    ['100 % of "it"', "100%20%25%20of%20%22it%22"],
    ["a\r\nb\u0000", "a%0D%0Ab%00"],
    ["/busbar?x=1&y=~", "/busbar?x=1&y=~"],
    ["\uD800", "%EF%BF%BD"],
  ])("writes %j as %s", (value, encoded) => {
    expect(encodeHeaderValue(value)).toBe(encoded);
  });
});
