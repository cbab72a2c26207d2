import type { Envelope } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import { commonParts, encodeLean, leanTail, readJobData } from "../src/store/stored-events.ts";

const first: Envelope = {
  id: "a",
  name: "order.placed",
  data: { orderId: 1 },
  metadata: { created_at: 1_000, published_at: 1_000, correlationId: "a" },
};
const common = commonParts([first]);

describe("an event that has what is common", () => {
  test("is written with its id and its data only", () => {
    expect(encodeLean([first], common)).toBe('{"id":"a","data":{"orderId":1}}');
  });
});

describe("every event is read as it was written", () => {
  const { metadata } = first;
  test.each<[string, Envelope]>([
    ["common parts only", first],
    ["another name", { ...first, name: "order.paid" }],
    ["another time", { ...first, metadata: { ...metadata, created_at: 2, published_at: 2 } }],
    ["the time 0", { ...first, metadata: { ...metadata, created_at: 0, published_at: 0 } }],
    ["published later", { ...first, metadata: { ...metadata, published_at: 1_001 } }],
    ["published first", { ...first, metadata: { ...metadata, published_at: 0 } }],
    ["a cause", { ...first, metadata: { ...metadata, correlationId: "b", causationId: "c" } }],
    ["metadata of the user's", { ...first, metadata: { ...metadata, tenant: [1, null] } }],
    ["no data", { ...first, data: null }],
    [
      "all members",
      {
        ...first,
        policy: { attempts: 3 },
        orderingKey: "",
        priority: 1,
        delayMs: 5,
        deduplicationId: "d",
        providerOptions: { a: [] },
      },
    ],
  ])("%s", (_, envelope) => {
    const text = `{"events":[${encodeLean([envelope], common)}${leanTail(common)}`;
    expect(readJobData<{ events: Envelope[] }>(text).events).toEqual([envelope]);
  });
});
