import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Notifier } from "../../src/contract/notifier.ts";
import { StoredEndpointStates } from "../../src/deliver/stored-endpoint-states.ts";
import { httpNotifier } from "../../src/notifiers/http-notifier.ts";
import { stdoutNotifier } from "../../src/notifiers/stdout-notifier.ts";
import { createRestHandler } from "../../src/rest/rest-handler.ts";
import { StoredRequests } from "../../src/rest/stored-requests.ts";
import { KeyRing } from "../../src/secrets/key-ring.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { Sealer } from "../../src/subscriptions/sealer.ts";
import { SubscriptionRules } from "../../src/subscriptions/subscription-rules.ts";
import { SubscriptionStore } from "../../src/subscriptions/subscription-store.ts";
import { StoredSubscriptions } from "../../src/subscriptions/webhook-subscriptions.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { type MemoryServices, memoryServices } from "./support/memory-services.ts";

const TOKEN = "a-token-for-everything";
const NEW = { events: ["order.placed"], destination: "https://example.com/hooks" };

/** Over the services that applications have. */
describe.each(databases)("REST over subscriptions on %s", (_, open) => {
  let database: TestDatabase;
  let services: MemoryServices;
  let call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
    // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of any shape.
  ) => Promise<{ status: number; text: string; body: any }>;
  beforeAll(async () => {
    database = await open();
    const store = database.createStore();
    const keys = new KeyRing([{ id: "k", key: new Uint8Array(32).fill(7) }]);
    const subscriptions = new StoredSubscriptions({
      store: new SubscriptionStore(webhookStore(store)),
      rules: new SubscriptionRules({
        notifiers: new Map([
          ["http", httpNotifier() as Notifier],
          ["stdout", stdoutNotifier() as Notifier],
        ]),
      }),
      sealer: new Sealer(keys),
      onChanged() {},
    });
    services = {
      ...memoryServices(),
      subscriptions,
      endpoints: new StoredEndpointStates(webhookStore(store)),
      idempotency: new StoredRequests(store, keys),
    };
    const handler = createRestHandler(services, {
      tokens: [{ name: "admin", token: TOKEN, permissions: ["webhooks", "customers"] }],
    });
    call = async (method, path, body, headers) => {
      const response = await handler(
        new Request(`http://api.test${path}`, {
          method,
          headers: {
            authorization: `Bearer ${TOKEN}`,
            "content-type": "application/json",
            ...headers,
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      );
      const text = await response.text();
      return { status: response.status, text, body: text && (JSON.parse(text) as unknown) };
    };
  });
  afterAll(() => database.close());

  test("a subscription of Mage-OS has the body, the signature and the short token of Mage-OS", async () => {
    const asyncEvent = {
      event_name: "sales.order.created",
      recipient_url: "https://example.com/order_created",
      verification_token: "sha-signing-secret",
      metadata: "http",
    };
    const created = await call("POST", "/rest/V1/async_event", { asyncEvent });
    expect(created.text).not.toContain("sha-signing-secret");
    expect(created.status).toBe(200);
    const read = await call("GET", `/subscriptions/${created.body.subscription_id}`);
    expect(read.body.settings).toMatchObject({
      format: "mageos",
      signatures: ["standard", "magento"],
    });
    const path = `/rest/V1/async_event/${created.body.subscription_id}`;
    const rotated = await call("PUT", path, {
      asyncEvent: { verification_token: "another", status: 0 },
    });
    expect(rotated.body).toMatchObject({ status: false });
    const refused = await call("POST", "/rest/V1/async_event", {
      asyncEvent: {
        ...asyncEvent,
        recipient_url: "ftp://example.com",
        verification_token: "whpk_x",
      },
    });
    expect(
      refused.body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted(),
    ).toEqual(["#/asyncEvent/recipient_url", "#/asyncEvent/verification_token"]);
  });

  test("endpoints that fail are listed before those that rest, and unknown ones are not found", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      ids.push((await call("POST", "/subscriptions", NEW)).body.id);
    }
    const [rests, latest, first] = ids as [string, string, string];
    const change = async (id: string, values: string): Promise<void> => {
      const table = `${database.prefix}busbar_webhook_endpoints`;
      await database.query(`UPDATE ${table} SET ${values} WHERE subscription_id = $1`, [id]);
    };
    await change(rests, `not_before = ${Date.now() + 3_600_000}`);
    await change(latest, "failures = 1, failing_since = 2000");
    await change(first, "failures = 1, failing_since = 1000");
    const { items } = (await call("GET", "/endpoints/failing")).body;
    expect(items.map((it: { subscriptionId: string }) => it.subscriptionId)).toEqual([
      first,
      latest,
      rests,
    ]);
    const statusOf = async (id: string): Promise<number> =>
      (await call("GET", `/subscriptions/${id}/endpoint`)).status;
    expect(await statusOf("no-such-subscription")).toBe(404);
    expect((await call("DELETE", `/subscriptions/${rests}`)).status).toBeLessThan(300);
    expect(await statusOf(rests)).toBe(200);
  });

  test("secrets and secret settings are in no answer but the first", async () => {
    const settings = { sensitiveHeaders: { "x-api-key": "key-nobody-sees" } };
    const created = await call("POST", "/subscriptions", { ...NEW, settings });
    const { id, secret } = created.body as { id: string; secret: string };
    expect(secret).toMatch(/^whsec_/);
    expect(created.text).not.toContain("key-nobody-sees");
    const patched = await call(
      "PATCH",
      `/subscriptions/${id}`,
      { settings: { headers: { "x-shop": "de" } } },
      { "content-type": "application/merge-patch+json" },
    );
    expect(patched.status).toBe(200);
    expect(patched.body.settings).toMatchObject({
      headers: { "x-shop": "de" },
      sensitiveHeaders: { "x-api-key": "[secret]" },
    });
    const answers = [
      patched,
      await call("GET", `/subscriptions/${id}`),
      await call("GET", `/subscriptions/${id}/versions`),
      await call("GET", "/subscriptions"),
      await call("GET", "/rest/V1/async_events"),
    ];
    for (const { text, status } of answers) {
      expect(status).toBe(200);
      expect(text).not.toContain("key-nobody-sees");
      expect(text).not.toContain(secret);
    }
  });

  test("a repeat with an idempotency key gets the same secret, and one subscription is made", async () => {
    const body = { ...NEW, label: "once" };
    const headers = { "idempotency-key": "create-once" };
    const first = await call("POST", "/subscriptions", body, headers);
    const repeat = await call("POST", "/subscriptions", body, headers);
    expect(repeat.body).toEqual(first.body);
    expect((await call("GET", "/subscriptions?text=once")).body.items).toHaveLength(1);
  });

  test("faults of the service name their place", async () => {
    const wrong = await call("POST", "/subscriptions", {
      ...NEW,
      destination: "https://user:password@example.com",
      settings: { timeoutMs: -1, headers: { "x a": "1" } },
    });
    expect(wrong.status).toBe(422);
    const pointers = wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers).toEqual(
      expect.arrayContaining(["#/destination", "#/settings/timeoutMs", "#/settings/headers/x%20a"]),
    );
    expect(wrong.text).not.toContain("password@");
    expect((await call("GET", "/subscriptions?cursor=x")).body.errors[0].parameter).toBe("cursor");
    expect((await call("GET", "/subscriptions/none")).status).toBe(404);
    expect((await call("GET", "/subscriptions/none/versions")).status).toBe(404);
    expect((await call("DELETE", "/subscriptions/none")).status).toBe(404);
  });

  test("a version, a deletion and bulk actions are the service's", async () => {
    const { body } = await call("POST", "/subscriptions", { ...NEW, scope: "bulk" });
    const path = `/subscriptions/${body.id}`;
    expect((await call("PATCH", path, { label: "x" }, { "if-match": '"9"' })).status).toBe(412);
    expect((await call("PATCH", path, { label: "x" }, { "if-match": '"1"' })).body.version).toBe(2);
    expect((await call("POST", "/subscriptions/disable", { scope: "bulk" })).body).toEqual({
      changed: 1,
      unchanged: 0,
    });
    expect((await call("DELETE", path)).status).toBe(204);
    expect((await call("GET", path)).body.deletedAt).not.toBeNull();
    expect((await call("GET", "/subscriptions?scope=bulk")).body.items).toEqual([]);
    expect((await call("PATCH", path, { label: "y" })).status).toBeLessThan(500);
  });

  test("no JSON value is a failure of the server", async () => {
    const { body } = await call("POST", "/subscriptions", NEW);
    const members = fc.constantFrom(
      ...Object.keys(body),
      "secret",
      "__proto__",
      "toString",
      "asyncEvent",
    );
    const value = fc.dictionary(members, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
    const resource = fc.constantFrom<[string, string]>(
      ["POST", "/subscriptions"],
      ["PATCH", `/subscriptions/${body.id}`],
      ["PUT", `/subscriptions/${body.id}`],
      ["POST", "/subscriptions/enable"],
      ["POST", "/subscriptions/disable"],
      ["POST", `/subscriptions/${body.id}/secret`],
      ["POST", "/rest/V1/async_event"],
    );
    const type = fc.constantFrom("application/json", "application/merge-patch+json");
    await fc.assert(
      fc.asyncProperty(resource, value, type, async ([method, path], members, contentType) => {
        const given = { ...(method === "POST" || method === "PUT" ? NEW : {}), ...members };
        const { status, text } = await call(method, path, given, { "content-type": contentType });
        expect({ status, text }).toSatisfy(({ status: it }) => it < 500);
      }),
      { numRuns: 150 },
    );
    expect(services.failures).toEqual([]);
  });
});
