import assert from "node:assert/strict";
import type { Envelope, JsonValue } from "@busbar/core/provider";
import { ACK, asJson, consumer, envelope, retry } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { carries } from "../carries.ts";
import { fresh } from "../requirements.ts";

const FIDELITY = "bus: data is what JSON makes of it; contract: an Envelope arrives as it is";

function carriesData(...values: readonly JsonValue[]) {
  return (context: CaseContext): Promise<void> =>
    carries(context, ...values.map((data, index) => envelope(`value-${index}`, { data })));
}

function nested(depth: number): JsonValue {
  let value: JsonValue = { innermost: true };
  for (let level = 0; level < depth; level++) value = level % 2 ? [value] : { level, value };
  return value;
}

export const fidelity: readonly ConformanceCase[] = defineCases("fidelity", [
  {
    id: "kinds",
    name: "every kind of JSON value arrives as it was",
    promise: FIDELITY,
    run: carriesData(null, true, false, 0, 42, "text", [1, [2, [3]]], { a: { b: { c: 1 } } }),
  },
  {
    id: "empty",
    name: "empty strings, arrays and objects, and nulls within, arrive as they were",
    promise: FIDELITY,
    run: carriesData("", [], {}, [null], { a: null }, { a: { b: [null, {}, [], ""] } }, { "": "" }),
  },
  {
    id: "unicode",
    name: "text of every script arrives as it was",
    promise: FIDELITY,
    run: carriesData("Größe", "日本語", "🎉👩‍👩‍👧‍👦", "עברית", "e\u0301", "\u{10ffff}", {
      "ключ 🔑": "значение",
    }),
  },
  {
    id: "escapes",
    name: "quotes, control characters and what is no character arrive as they were",
    promise: FIDELITY,
    run: carriesData(
      `"'\`\\/`,
      "\n\r\t\b\f\0",
      "\u2028\u2029\u007f\ufeff",
      "\u0000\u0001\u001f\uffff\ufdd0",
      "%s %d ${x} {{y}} $1 ? :name",
      "'; DROP TABLE events; --",
      "</script><!-- ]]>",
    ),
  },
  {
    id: "numbers",
    name: "numbers at the edge of precision arrive as they were",
    promise: FIDELITY,
    run: carriesData(
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      Number.MAX_VALUE,
      Number.MIN_VALUE,
      0.1 + 0.2,
      1e21,
      -1e-7,
      123_456_789.123_456_79,
    ),
  },
  {
    id: "proto-key",
    name: "a member named __proto__ is data like any other",
    promise: FIDELITY,
    async run(context) {
      const data = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"x":1}}') as JsonValue;
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1", { data }));
      await inbox.has(["1"]);
      const received = inbox.last("1").delivery.envelope.data as object;
      assert.equal(JSON.stringify(received), JSON.stringify(data));
      assert.equal(Object.getPrototypeOf(received), Object.prototype);
      assert.equal("polluted" in {}, false);
    },
  },
  {
    id: "key-order",
    name: "members of an object keep their order",
    promise: "bus: data is what JSON makes of it, and a signature over its text still fits",
    async run(context) {
      const data = { b: 1, a: { z: [{ y: 1, x: 2 }], m: 0 }, "": 3, A: 4 };
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1", { data }));
      await inbox.has(["1"]);
      const received = inbox.last("1").delivery.envelope.data;
      assert.equal(JSON.stringify(received), JSON.stringify(data));
    },
  },
  {
    id: "deep-and-wide",
    name: "data of a hundred levels and a thousand members arrives as it was",
    promise: FIDELITY,
    run: carriesData(
      nested(100),
      Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`key-${index}`, index])),
    ),
  },
  {
    id: "megabyte",
    name: "a payload of a megabyte arrives as it was",
    promise: FIDELITY,
    run: carriesData({ text: "a🎉".repeat(200_000), end: true }),
  },
  {
    id: "untouched",
    name: "what is published may be frozen, and stays the caller's",
    promise: "contract: what a caller passes in is never changed",
    async run(context) {
      const frozen = deepFreeze(envelope("1", { data: { list: [{ a: 1 }] } }));
      const batch = Object.freeze([frozen]);
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (_, nth) =>
        nth < 2 ? retry(0) : ACK,
      );
      await instance.publish(...batch);
      await inbox.received(2);
      assert.deepEqual(asJson(inbox.last("1").delivery.envelope), asJson(frozen));
    },
  },
  {
    id: "fresh",
    name: "each delivery has an envelope that nobody else sees",
    promise: "contract: payload fresh means an object of its own for each delivery",
    when: fresh,
    async run(context) {
      const instance = await context.start();
      const spoil = (received: Envelope): void => {
        (received.data as Record<string, unknown>)["spoilt"] = true;
        (received.metadata as Record<string, unknown>)["spoilt"] = true;
      };
      const seen: Envelope[] = [];
      const inboxes = [];
      for (const id of ["mail", "stock"]) {
        const inbox = await instance.consume(consumer(id), ({ delivery }, nth) => {
          seen.push(asJson(delivery.envelope));
          spoil(delivery.envelope);
          return nth < 2 ? retry(0) : ACK;
        });
        inboxes.push(inbox);
      }
      const sent = envelope("1", { data: { a: 1 } });
      const before = asJson(sent);
      await instance.publish(sent);
      for (const inbox of inboxes) await inbox.received(2);
      for (const received of seen) assert.deepEqual(received, before);
      assert.deepEqual(sent, before);
    },
  },
]);

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
