import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Notifier } from "../../src/contract/notifier.ts";
import { SubscriptionTester } from "../../src/deliver/subscription-tester.ts";
import { httpNotifier } from "../../src/notifiers/http-notifier.ts";
import { KeyRing } from "../../src/secrets/key-ring.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { Sealer } from "../../src/subscriptions/sealer.ts";
import { SubscriptionRules } from "../../src/subscriptions/subscription-rules.ts";
import { SubscriptionStore } from "../../src/subscriptions/subscription-store.ts";
import { Targets } from "../../src/subscriptions/targets.ts";
import { StoredSubscriptions } from "../../src/subscriptions/webhook-subscriptions.ts";
import { type Receiver, startReceiver } from "../../src/testing/receiver.ts";
import { createVerifier } from "../../src/verify/verifier.ts";
import { databases, type TestDatabase } from "../support/databases.ts";

const NEVER = new AbortController().signal;

describe("SubscriptionTester", () => {
  const [, open] = databases.find(([name]) => name === "SQLite")!;
  let database: TestDatabase;
  let receiver: Receiver;
  beforeAll(async () => {
    database = await open();
    receiver = await startReceiver();
  });
  afterAll(async () => {
    await receiver.close();
    await database.close();
  });

  function parts(allow: readonly string[]) {
    // Every name leads to this machine.
    const lookup = async (): Promise<readonly string[]> => ["127.0.0.1"];
    const http = httpNotifier({ allow, allowHttp: true, lookup }) as Notifier;
    const store = new SubscriptionStore(webhookStore(database.createStore()));
    const rules = new SubscriptionRules({ notifiers: new Map([["http", http]]) });
    const sealer = new Sealer(new KeyRing([{ id: "k", key: new Uint8Array(32).fill(7) }]));
    const subscriptions = new StoredSubscriptions({ store, rules, sealer, onChanged() {} });
    const tester = new SubscriptionTester({
      subscriptions,
      targets: new Targets(store, rules, sealer),
      catalogue: {
        entries: () =>
          [
            { name: "order.paid", example: null },
            { name: "order.placed", example: { orderId: "42" } },
          ].map((entry) => ({
            ...entry,
            description: null,
            permissions: [],
            schema: null,
            deprecated: false,
            hasResolver: false,
          })),
      },
      now: async () => Date.now(),
      attemptTimeoutMs: 5_000,
    });
    return { subscriptions, tester };
  }

  test("the example arrives signed, and the store has no trace of it", async () => {
    const { subscriptions, tester } = parts(["127.0.0.0/8"]);
    const { id, secret } = await subscriptions.create({
      events: ["order.placed"],
      destination: receiver.url,
      enabled: false,
    });
    receiver.answer({ status: 200, body: "thanks" });
    const result = await tester.test(id, {}, NEVER);
    expect(result).toMatchObject({ ok: true, status: 200, response: "thanks" });
    expect(result.durationMs).toBeGreaterThanOrEqual(0);
    const { headers, body } = await receiver.next();
    const verified = await createVerifier({ secrets: [secret!] }).verify(headers, body);
    expect(verified.payload).toMatchObject({ type: "order.placed", data: { orderId: "42" } });
    const rows = await database.query("SELECT id FROM busbar_webhook_attempts");
    expect(rows).toEqual([]);
  });

  test("a failure is a result, and what is given is sent", async () => {
    const { subscriptions, tester } = parts(["127.0.0.0/8"]);
    const { id } = await subscriptions.create({ events: ["*"], destination: receiver.url });
    receiver.answer(500);
    const result = await tester.test(id, { event: "order.paid", payload: { sum: 7 } }, NEVER);
    expect(result).toMatchObject({ ok: false, status: 500, errorClass: "http_5xx" });
    const { body } = await receiver.next();
    expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({
      type: "order.paid",
      data: { sum: 7 },
    });
  });

  test("the guard of deliveries is the guard of tests", async () => {
    const { subscriptions, tester } = parts([]);
    const destination = `http://shop.example:${receiver.port}/`;
    const { id } = await subscriptions.create({ events: ["*"], destination });
    const before = receiver.requests.length;
    const result = await tester.test(id, { payload: {} }, NEVER);
    expect(result).toMatchObject({ ok: false, errorClass: "blocked_address" });
    expect(receiver.requests.length).toBe(before);
  });

  test("what is missing is named", async () => {
    const { subscriptions, tester } = parts(["127.0.0.0/8"]);
    await expect(tester.test("none", {}, NEVER)).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
    });
    const { id } = await subscriptions.create({
      events: ["order.paid"],
      destination: receiver.url,
    });
    await expect(tester.test(id, {}, NEVER)).rejects.toMatchObject({
      code: "BUSBAR_INVALID_REQUEST",
      details: { issues: [{ path: "payload" }] },
    });
    const other = await subscriptions.create({ events: ["basket.*"], destination: receiver.url });
    await expect(tester.test(other.id, {}, NEVER)).rejects.toMatchObject({
      details: { issues: [{ path: "event" }] },
    });
    await subscriptions.delete(id);
    await expect(tester.test(id, {}, NEVER)).rejects.toMatchObject({ code: "BUSBAR_NOT_FOUND" });
  });
});
