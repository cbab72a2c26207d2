import { expect, test } from "vitest";
import { receivedEvent } from "../../src/deliver/received-event.ts";

const times = { created_at: 1, published_at: 2 };

test("metadata has Dates, and all other members, whatever their names", () => {
  const others = {
    correlationId: "c",
    constructor: "a",
    toString: "b",
    ["__proto__"]: "d",
    nested: { deep: [1] },
  };
  const envelope = { id: "1", name: "a", data: 1, metadata: { ...others, ...times } };
  const { metadata } = receivedEvent(envelope, true);
  const [createdAt, publishedAt] = [new Date(1), new Date(2)];
  expect(new Map(Object.entries(metadata))).toEqual(
    new Map(
      Object.entries({
        ...others,
        created_at: createdAt,
        published_at: publishedAt,
        createdAt,
        publishedAt,
      }),
    ),
  );
  expect(metadata["nested"]).not.toBe(others.nested);
});
