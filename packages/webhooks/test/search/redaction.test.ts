import { expect, test } from "vitest";
import { readQuery } from "../../src/search/lucene-query.ts";
import { LOG_FIELDS } from "../../src/search/fields.ts";
import { compilePredicate } from "../../src/search/predicate.ts";
import { redacted } from "../../src/search/redaction.ts";
import { searchRecord } from "../support/records.ts";

test.each([
  ["customer", { customer: { email: "secret" } }],
  ["customer.email", { customer: { email: "secret", name: "Roni" } }],
  ["lines.card", { lines: [{ card: "secret" }, [{ card: "secret" }]] }],
  ["lines.0.card", { lines: [{ card: "other" }, { card: "secret" }] }],
  ["cards", { cards: ["secret"] }],
  ["cards.4111.pin", { cards: { "4111": { pin: "secret" } } }],
] as const)("%s is hidden from the trace and from searches alike", (path, payload) => {
  expect(JSON.stringify(redacted(payload as never, [path]))).not.toContain("secret");
  const find = compilePredicate(readQuery("secret", LOG_FIELDS));
  expect(find(searchRecord({ payload: payload as never, redact: [] }))).toBe(true);
  expect(find(searchRecord({ payload: payload as never, redact: [path] }))).toBe(false);
});

test("everything else is shown as it is", () => {
  const payload = { a: [1, null, { b: true }], customers: "x", customer_id: 1 };
  expect(redacted(payload, ["customer", "a.c"])).toEqual(payload);
});
