import { describe, expect, test } from "vitest";
import { createClient } from "./support/client.ts";

const TOKEN_OF_RECEIVER = "sha-signing-secret";
const ORDER_CREATED = {
  event_name: "sales.order.created",
  recipient_url: "https://example.com/order_created",
  verification_token: TOKEN_OF_RECEIVER,
  metadata: "http",
};

describe("the resources of Mage-OS", () => {
  test("a subscription is created in its words, and answered without the token", async () => {
    const { call } = await createClient();
    const created = await call("POST", "/rest/V1/async_event", {
      body: { asyncEvent: ORDER_CREATED },
    });
    expect(created.status).toBe(200);
    expect(created.body).toEqual({
      subscription_id: expect.any(String),
      event_name: "sales.order.created",
      recipient_url: "https://example.com/order_created",
      metadata: "http",
      status: true,
      store_id: 0,
      subscribed_at: "2026-11-30 08:00:00",
      modified: "2026-11-30 08:00:00",
    });
    const read = await call("GET", `/rest/V1/async_event/${created.body.subscription_id}`);
    expect(read.body).toEqual(created.body);
    const subscription = await call("GET", `/subscriptions/${created.body.subscription_id}`);
    expect(subscription.body).toMatchObject({
      events: ["sales.order.created"],
      scope: null,
      settings: { format: "mageos", signatures: ["standard", "magento"] },
    });
    for (const reply of [created, read, subscription])
      expect(reply.text).not.toContain(TOKEN_OF_RECEIVER);
  });

  test.each([
    ["amazon-eventbrige", "eventbridge"],
    ["eventbridge", "eventbridge"],
    ["event_bridge", "eventbridge"],
  ])("metadata %s is the notifier %s", async (metadata, notifier) => {
    const { call } = await createClient();
    const destination = "arn:aws:events:ap-southeast-2:005158166381:rule/Test.EventBridge.Rule";
    const created = await call("POST", "/rest/V1/async_event", {
      body: { asyncEvent: { ...ORDER_CREATED, metadata, recipient_url: destination } },
    });
    expect(created.body).toMatchObject({ metadata: notifier, recipient_url: destination });
  });

  test("a notifier that is not there is named as the client named it", async () => {
    const { call } = await createClient();
    const refused = await call("POST", "/rest/V1/async_event", {
      body: { asyncEvent: { ...ORDER_CREATED, metadata: "pubsub" } },
    });
    expect(refused.status).toBe(422);
    expect(refused.body.errors).toEqual([
      { pointer: "#/asyncEvent/metadata", detail: "must be http, eventbridge or stdout" },
    ]);
    expect(refused.body.message).toContain("#/asyncEvent/metadata");
  });

  test("members that are wrong are named", async () => {
    const { call } = await createClient();
    const refused = await call("POST", "/rest/V1/async_event", {
      body: {
        asyncEvent: {
          event_name: "a b",
          recipient_url: "https://x.example",
          verification_token: "x",
        },
      },
    });
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].pointer).toBe("#/asyncEvent/event_name");
  });

  test("a form's content type is taken with credentials in a header only", async () => {
    const { call } = await createClient({
      authenticate: () => ({ name: "cookie", permissions: ["webhooks"] }),
    });
    const text = JSON.stringify({ asyncEvent: ORDER_CREATED });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    expect(
      (await call("POST", "/rest/V1/async_event", { text, headers, token: null })).status,
    ).toBe(415);
    expect((await call("POST", "/rest/V1/async_event", { text, headers })).status).toBe(200);
    expect((await call("POST", "/subscriptions", { text, headers })).status).toBe(415);
  });

  test("stores are scopes", async () => {
    const { call } = await createClient();
    const create = async (store_id: unknown) =>
      (
        await call("POST", "/rest/V1/async_event", {
          body: { asyncEvent: { ...ORDER_CREATED, store_id } },
        })
      ).body;
    expect((await create(3)).store_id).toBe(3);
    expect((await create("de")).store_id).toBe("de");
    expect((await create("0")).store_id).toBe(0);
  });

  test("PUT changes status and metadata, and what else is given", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/rest/V1/async_event", {
      body: { asyncEvent: ORDER_CREATED },
    });
    const path = `/rest/V1/async_event/${body.subscription_id}`;
    const disabled = await call("PUT", path, { body: { asyncEvent: { status: false } } });
    expect(disabled.body).toEqual({ ...body, status: false });
    const changed = await call("PUT", path, {
      body: {
        asyncEvent: {
          ...ORDER_CREATED,
          status: 1,
          recipient_url: "https://other.example",
          verification_token: "another-signing-secret",
        },
      },
    });
    expect(changed.body).toMatchObject({ status: true, recipient_url: "https://other.example" });
    const { body: subscription } = await call("GET", `/subscriptions/${body.subscription_id}`);
    expect(subscription.secrets).toHaveLength(2);
  });

  test("its paths stay at the root when the interface is elsewhere", async () => {
    const { call, handler } = await createClient({ basePath: "/hooks" });
    expect((await call("GET", "/rest/V1/async_events")).status).toBe(200);
    const atRoot = await handler(
      new Request("http://api.test/rest/V1/async_events?searchCriteria", {
        headers: { authorization: "Bearer a-token-for-everything" },
      }),
    );
    expect(atRoot.status).toBe(200);
    expect((await handler(new Request("http://api.test/subscriptions"))).status).toBe(404);
  });
});

describe("search criteria", () => {
  async function shops() {
    const { call } = await createClient();
    const create = (members: object) =>
      call("POST", "/rest/V1/async_event", {
        body: { asyncEvent: { ...ORDER_CREATED, ...members } },
      });
    await create({ event_name: "order.placed", recipient_url: "https://a.example", store_id: 1 });
    await create({ event_name: "order.paid", recipient_url: "https://b.example", store_id: 2 });
    await create({
      event_name: "customer.created",
      recipient_url: "https://c.example",
      status: false,
    });
    return async (query: string) => (await call("GET", `/rest/V1/async_events?${query}`)).body;
  }
  const filter = (group: number, index: number, field: string, value: string, condition?: string) =>
    [
      ["field", field],
      ["value", value],
      ...(condition === undefined ? [] : [["condition_type", condition]]),
    ]
      .map(
        ([name, text]) =>
          `searchCriteria[filter_groups][${group}][filters][${index}][${name}]=${text}`,
      )
      .join("&");
  const events = ({ items }: { items: { event_name: string }[] }) =>
    items.map((it) => it.event_name);

  test("filters of one group are alternatives, and groups must all fit", async () => {
    const search = await shops();
    expect(events(await search(filter(0, 0, "event_name", "order.%25", "like")))).toEqual([
      "order.paid",
      "order.placed",
    ]);
    const either = `${filter(0, 0, "event_name", "order.paid")}&${filter(0, 1, "store_id", "0")}`;
    expect(events(await search(either))).toEqual(["customer.created", "order.paid"]);
    expect(events(await search(`${either}&${filter(1, 0, "status", "1")}`))).toEqual([
      "order.paid",
    ]);
  });

  test.each([
    ["eq", "store_id", "2", ["order.paid"]],
    ["neq", "store_id", "2", ["customer.created", "order.placed"]],
    ["in", "store_id", "1,2", ["order.paid", "order.placed"]],
    ["nin", "store_id", "1,2", ["customer.created"]],
    ["gt", "store_id", "1", ["order.paid"]],
    ["lteq", "store_id", "1", ["customer.created", "order.placed"]],
    ["from", "subscribed_at", "2026-11-30", ["customer.created", "order.paid", "order.placed"]],
    ["to", "subscribed_at", "2026-11-29", []],
    ["nlike", "event_name", "order._aid", ["customer.created", "order.placed"]],
    ["notnull", "store_id", "", ["customer.created", "order.paid", "order.placed"]],
    ["null", "store_id", "", []],
  ])("condition %s", async (condition, field, value, expected) => {
    const search = await shops();
    expect(events(await search(filter(0, 0, field, value, condition)))).toEqual(expected);
  });

  test("pages and sort orders", async () => {
    const search = await shops();
    const sorted =
      "searchCriteria[sortOrders][0][field]=event_name&searchCriteria[sortOrders][0][direction]=DESC";
    const page = "searchCriteria[pageSize]=2&searchCriteria[currentPage]=2";
    const answer = await search(`${sorted}&${page}`);
    expect(events(answer)).toEqual(["customer.created"]);
    expect(answer.total_count).toBe(3);
    expect(answer.search_criteria).toEqual({
      filter_groups: [],
      sort_orders: [{ field: "event_name", direction: "DESC" }],
      page_size: 2,
      current_page: 2,
    });
  });
});
