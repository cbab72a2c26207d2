import { describe, expect, test } from "vitest";
import { EVENT_FIELDS, LOG_FIELDS } from "../../src/search/fields.ts";
import { isLuceneError } from "../../src/search/lucene-error.ts";
import { readQuery } from "../../src/search/lucene-query.ts";
import { compilePredicate } from "../../src/search/predicate.ts";
import { searchRecord } from "../support/records.ts";

function matches(query: string, changes?: Parameters<typeof searchRecord>[0]): boolean {
  return compilePredicate(readQuery(query, LOG_FIELDS))(searchRecord(changes));
}

describe("a query", () => {
  test.each([
    "",
    "*:*",
    "event_name: sales.*",
    "*.created",
    "sales.* AND success: false",
    "data.data.customer_email: roni_cost@example.com",
    "data.data.increment_id: CK* AND success: false",
    "data.increment_id:ck*",
    "log_id:17",
    "log_id:[10 TO 20]",
    "uuid:0d0f6a62-6a5d-5c1e-9a3b-1f2e3d4c5b6a",
    "uuid:0d0f*",
    "delivery_id:0d0f*",
    "event_id:Event-1",
    "event_name:Sales.Order.Created",
    "event_name:sales.order.creat?d",
    "scope:shop-1",
    "subscription_id:sub-*",
    "destination:https://erp.test/hooks",
    String.raw`destination:*erp.test*`,
    "notifier:http",
    "status:retrying",
    "status:503",
    "status:5*",
    "status:5??",
    "status:>=500",
    "status_code:[500 TO 599]",
    "error_class:http_5xx",
    "error:answered",
    "error:503",
    'error:"endpoint answered"',
    "response:service",
    'response:"service unavailable"',
    "response:unavail*",
    "attempt:>1",
    "trigger:retry",
    "duration:{100 TO 200}",
    "created:2024",
    "created:2024-01",
    "created:2024-01-15",
    'created:"2024-01-15 10:30:00"',
    "created:2024-01-15T10:30:00Z",
    "created:2024-01-15T11:30:00+01:00",
    "created:[2024-01-01 TO 2024-01-15]",
    "created:>=2024-01-15",
    "created:>2024-01-14",
    "created:<2024-01-16",
    "created:[2024-01-01 TO *]",
    "next_attempt:>2024-01-14",
    "_exists_:next_attempt",
    "next_attempt:*",
    "data.grand_total:29",
    "data.grand_total:29.0000",
    "data.grand_total:[20 TO 30]",
    "data.total_qty:3",
    "data.total_qty:3.0",
    "data.total_qty:>2",
    "data.is_virtual:false",
    "data.note:front",
    'data.note:"front door"',
    'data.note:"Leave it at the Front Door, please"',
    "data.note:do*r",
    "data.created_at:[2024-01-01 TO 2024-01-31]",
    "data.created_at:>2024-01-14",
    "data.items.sku:24-MB01",
    "data.items.sku:24-wb*",
    "data.items.price:>30",
    "data.items.options.value:xl",
    "data.items.options.label:GRÖSSE OR data.items.options.label:größe",
    "data.tags:express",
    "data.tags:(nothing OR gift)",
    "data.tags:[f TO h]",
    "data.inner:yes OR data.data.inner:yes",
    String.raw`data.a\:b:colon`,
    "data:express",
    "_exists_:data.items",
    "_exists_:data.items.options",
    "data.items:*",
    "express",
    "ERP OR front",
    "unavailable",
    "roni_cost@example.com",
    '"front door"',
    "CK00*",
    "http_5xx",
    "+sales.order.created -shipped",
    "NOT success:true",
    "NOT _exists_:data.coupon",
    "sales.order.created^4 AND (status:503 OR status:429)",
  ])("finds the record by %s", (query) => {
    expect(matches(query)).toBe(true);
  });

  test.each([
    "success:true",
    "event_name:created",
    "event_id:event-1",
    "uuid:0d0f",
    "status:delivered",
    "status:40?",
    "status_code:{503 TO *}",
    "error:answer",
    'error:"answered endpoint"',
    "created:2024-02",
    "created:{2024-01-15 TO *]",
    "created:>2024-01-15",
    "created:<2024-01-15",
    "created:[* TO 2024-01-14]",
    "data.grand_total:2*9",
    "data.total_qty:>3",
    "data.note:fron",
    'data.note:"door front"',
    "data.items:24-MB01",
    "data.items.sku:MB",
    "data.coupon:null",
    "_exists_:data.coupon",
    "data.inner.more:yes",
    "data.tags:[h TO z]",
    "fron",
    "created AND nothing",
    "-express",
  ])("does not find the record by %s", (query) => {
    expect(matches(query)).toBe(false);
  });

  test("finds no payload where there is none", () => {
    const resolve = { payload: undefined, deliveryId: null, state: null, trigger: "resolve" };
    expect(matches("_exists_:data", resolve)).toBe(false);
    expect(matches("trigger:resolve AND NOT _exists_:uuid", resolve)).toBe(true);
  });

  test("takes no time that matters for a pattern with many wildcards", () => {
    const payload = { text: "a".repeat(200) };
    const before = performance.now();
    expect(matches(`data.text:${"a*".repeat(100)}b`, { payload })).toBe(false);
    expect(performance.now() - before).toBeLessThan(200);
  });

  test.each<[query: string, offset: number, expected: string]>([
    ["evnt_name:a", 0, "event_name"],
    ["a AND sucess:true", 6, "success"],
    ["toString:a", 0, "event_name"],
    ["data.:a", 0, "data"],
    ["dat:a", 0, "data"],
    ["success:yes", 8, "true"],
    ["success:1", 8, "true"],
    ["success:t*", 8, "true"],
    ["status:succes", 7, "delivered"],
    ["status_code:abc", 12, "a number"],
    ["log_id:1*", 7, "a number"],
    ["log_id:[1 TO x]", 13, "a number"],
    ["log_id:>x", 8, "a number"],
    ["attempt:1e3", 8, "a number"],
    ["created:yesterday", 8, "a date such as 2024-01-31"],
    ["created:2024-13", 8, "a date such as 2024-01-31"],
    ["created:2024-02-30", 8, "a date such as 2024-01-31"],
    ["created:2024*", 8, "a date such as 2024-01-31"],
    ["created:[2024-01-01 TO tomorrow]", 23, "a date such as 2024-01-31"],
    ["event_name:[a TO b]", 11, "a word"],
    ["uuid:>a", 5, "a word"],
    ["error:[a TO b]", 6, "a word"],
    ["(a OR (b AND foo:c))", 13, "event_name"],
  ])("is refused for %s at its fault", (query, offset, expected) => {
    try {
      readQuery(query, LOG_FIELDS);
      expect.unreachable();
    } catch (error) {
      if (!isLuceneError(error)) throw error;
      expect(error.offset).toBe(offset);
      expect(error.expected).toContain(expected);
    }
  });

  test("of a filter knows no fields of deliveries", () => {
    expect(() => readQuery("success:true", EVENT_FIELDS)).toThrow(
      'There is no field "success", at position 1: expected event_id',
    );
  });
});
