import { describe, expect, test } from "vitest";

import type { Envelope } from "../../src/contract/provider.ts";
import {
  decodeDeadDelivery,
  decodeDelivery,
  decodeEnvelope,
  encodeEnvelope,
} from "../../src/provider/envelope-codec.ts";

const envelope: Envelope = {
  id: "01a1fced-8d64-7042-a9f5-f39236dd4787",
  name: "order.placed",
  data: JSON.parse(
    '{"__proto__":{"a":1},"text":"naïve \\u2028 😀","none":null,"list":[[],{}]}',
  ) as never,
  metadata: { created_at: 1, published_at: 2, correlationId: "c", own: { nested: [null, ""] } },
  policy: { attempts: 3, backoff: { type: "exponential", delay: 10, jitter: 0.5 } },
  orderingKey: "42",
  priority: 10,
  delayMs: 3,
  deduplicationId: "d",
  providerOptions: { lane: "small" },
};

describe("encodeEnvelope and decodeEnvelope", () => {
  test("give back an equal envelope, own __proto__ members included", () => {
    const decoded = decodeEnvelope(encodeEnvelope(envelope));

    expect(decoded).toEqual(envelope);
    expect(Object.keys(decoded.data as object)).toContain("__proto__");
  });

  test.each([
    ["not JSON", "{"],
    ["a number", "1"],
    ["no metadata", '{"id":"1","name":"a","data":1}'],
    ["no data", '{"id":"1","name":"a","metadata":{}}'],
  ])("refuse what is no envelope: %s", (_what, text) => {
    expect(() => decodeEnvelope(text)).toThrow(TypeError);
  });
});

describe("decodeDelivery and decodeDeadDelivery", () => {
  const text = encodeEnvelope(envelope);

  test.each([undefined, null])("give no state for %j", (state) => {
    expect(decodeDelivery({ envelope: text, state, crashes: 1 })).toEqual({
      envelope,
      state: undefined,
      crashes: 1,
    });
    const dead = { id: 7, envelope: text, state, reason: "retired", diedAt: 1 };
    expect(decodeDeadDelivery(dead)).toEqual({ ...dead, id: "7", envelope, state: null });
  });

  test("give back the state that was stored, null included", () => {
    const stored = { envelope: text, crashes: 0 };
    expect(decodeDelivery({ ...stored, state: '{"a":[1]}' }).state).toEqual({ a: [1] });
    expect(decodeDelivery({ ...stored, state: "null" }).state).toBe(null);
  });
});
