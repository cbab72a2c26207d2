import type { SearchRecord } from "../../src/search/record.ts";

/** A failed attempt of an order's delivery, but for what is given. */
export function searchRecord(changes: Partial<SearchRecord> = {}): SearchRecord {
  return {
    logId: 17,
    deliveryId: "0d0f6a62-6a5d-5c1e-9a3b-1f2e3d4c5b6a",
    eventId: "Event-1",
    eventName: "sales.order.created",
    scope: "shop-1",
    subscriptionId: "sub-1",
    destination: "https://erp.test/hooks",
    notifier: "http",
    state: "retrying",
    success: false,
    statusCode: 503,
    errorClass: "http_5xx",
    error: "The endpoint answered 503",
    response: "<h1>Service Unavailable</h1>",
    attempt: 2,
    trigger: "retry",
    duration: 120,
    created: Date.UTC(2024, 0, 15, 10, 30),
    nextAttempt: Date.UTC(2024, 0, 15, 10, 35),
    payload: {
      increment_id: "CK0000017",
      customer_email: "roni_cost@example.com",
      grand_total: "29.0000",
      total_qty: 3,
      is_virtual: false,
      coupon: null,
      note: "Leave it at the Front Door, please",
      created_at: "2024-01-15 10:29:58",
      items: [
        { sku: "24-MB01", price: 34.5, options: [{ label: "Größe", value: "XL" }] },
        { sku: "24-WB02", price: 12 },
      ],
      tags: ["gift", "express"],
      data: { inner: "yes" },
      "a:b": "colon",
    },
    redact: [],
    ...changes,
  };
}
