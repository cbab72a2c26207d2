import { createVerify, generateKeyPairSync } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import type { NotifierResult } from "../../../src/contract/notifier.ts";
import { pubSubNotifier, type PubSubSettings } from "../../../src/notifiers/pubsub.ts";
import {
  notifierRequest,
  type NotifierRequestParts,
  type ReceivedRequest,
  type ReceiverAnswer,
  startReceiver,
  type TestDestination,
  testNotifier,
} from "../../../src/testing.ts";

const NOBODY = "http://127.0.0.1:1";
const TOPIC = "projects/shop-1/topics/";
const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2_048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const credentials = { clientEmail: "busbar@shop-1.iam.gserviceaccount.com", privateKey };

interface Message {
  readonly data: string;
  readonly attributes: Record<string, string>;
  readonly orderingKey?: string;
}

function messageOf(request: ReceivedRequest): Message {
  return (request.json() as { messages: [Message] }).messages[0];
}

/** Whether the service account has signed the token of a request. */
function isSigned({ headers }: ReceivedRequest): boolean {
  const [, head = "", claims = "", signature = ""] =
    /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(headers.authorization ?? "") ?? [];
  const { iss } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { iss: string };
  const isValid = createVerify("RSA-SHA256")
    .update(`${head}.${claims}`)
    .verify(publicKey, signature, "base64url");
  return isValid && iss === credentials.clientEmail;
}

/** Does what the name of the topic says. */
function answer(request: ReceivedRequest): ReceiverAnswer {
  if (!isSigned(request)) return 401;
  if (request.path.includes("unreachable")) return "reset";
  if (request.path.includes("hanging")) return "hang";
  return { headers: { "content-type": "application/json" }, body: '{"messageIds":["m-1"]}' };
}

describe("the notifier pubsub", () => {
  let endpoint = NOBODY;
  const start = async (topic: string): Promise<TestDestination> => {
    const receiver = await startReceiver({ otherwise: answer });
    endpoint = receiver.url;
    return {
      destination: TOPIC + topic,
      async next() {
        const { data, attributes } = messageOf(await receiver.next());
        return {
          id: attributes["deliveryid"] ?? "",
          data: JSON.parse(Buffer.from(data, "base64").toString()) as unknown,
        };
      },
      get connections() {
        return receiver.connections;
      },
      async close() {
        endpoint = NOBODY;
        await receiver.close();
      },
    };
  };
  testNotifier(test, {
    create: () => pubSubNotifier({ endpoint }),
    accepting: () => start("orders"),
    hanging: () => start("hanging"),
    unreachable: () => `${TOPIC}unreachable`,
    settings: { credentials },
    secrets: [privateKey],
    badSettings: [
      { settings: {}, path: "credentials" },
      {
        settings: { credentials: { ...credentials, privateKey: 1 } },
        path: "credentials.privateKey",
      },
      { settings: { credentials, mode: "batch" }, path: "mode" },
    ],
    badDestinations: [
      "orders",
      "projects/shop-1",
      "projects/shop-1/topics/a/b",
      "https://a.example",
    ],
  });
});

const notifiers: ReturnType<typeof pubSubNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});

function deliver(
  endpoint: string,
  settings: Partial<PubSubSettings> = {},
  parts: Partial<NotifierRequestParts<PubSubSettings>> = {},
): Promise<NotifierResult> {
  const notifier = pubSubNotifier({ endpoint, source: "/shop" });
  notifiers.push(notifier);
  const all = { credentials, mode: "binary", timeoutMs: 5_000, ...settings } as const;
  return notifier.deliver(
    notifierRequest({ destination: `${TOPIC}orders`, settings: all, ...parts }),
  );
}

test("publishes the payload, with the attributes of the CloudEvent beside it", async () => {
  await using receiver = await startReceiver({ otherwise: answer });
  const delivery = { id: "d-1", sequence: 7, orderingKey: "customer-1" };
  const result = await deliver(receiver.url, {}, { delivery, event: { id: "id-1", scope: "de" } });
  expect(result).toEqual({ ok: true, retryable: false, response: "m-1" });
  const request = await receiver.next();
  expect(request.path).toMatch(/^\/v1\/projects\/shop-1\/topics\/orders:publish/);
  const { data, ...message } = messageOf(request);
  expect(message).toEqual({
    attributes: {
      "ce-specversion": "1.0",
      "ce-id": "id-1",
      "ce-source": "/shop/de",
      "ce-type": "order.placed",
      "ce-time": "2026-11-30T12:00:00.000Z",
      "ce-deliveryid": "d-1",
      "ce-scope": "de",
      "ce-sequence": "0000000000000007",
      "content-type": "application/json",
      deliveryid: "d-1",
    },
    orderingKey: "customer-1",
  });
  expect(JSON.parse(Buffer.from(data, "base64").toString())).toEqual({ order: { id: 42 } });
});

test("publishes the CloudEvent as one JSON in structured mode", async () => {
  await using receiver = await startReceiver({ otherwise: answer });
  expect(await deliver(receiver.url, { mode: "structured" })).toMatchObject({ ok: true });
  const { data, attributes } = messageOf(await receiver.next());
  expect(attributes["content-type"]).toMatch(/^application\/cloudevents\+json/);
  expect(JSON.parse(Buffer.from(data, "base64").toString())).toMatchObject({
    specversion: "1.0",
    type: "order.placed",
    data: { order: { id: 42 } },
  });
});

test("says that a key cannot be used, and does not show it", async () => {
  await using receiver = await startReceiver({ otherwise: answer });
  const bad = { ...credentials, privateKey: "-----BEGIN PRIVATE KEY-----\nnonsense" };
  const result = await deliver(receiver.url, { credentials: bad });
  expect(result).toMatchObject({ ok: false, retryable: false, errorClass: "authentication" });
  expect(JSON.stringify(result)).not.toContain("nonsense");
});

const fault = (code: number, status: string, message = "No"): ReceiverAnswer => ({
  status: code,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ error: { code, status, message } }),
});

test.each<[string, ReceiverAnswer, Partial<NotifierResult>]>([
  ["404", fault(404, "NOT_FOUND"), { retryable: false, errorClass: "rejected" }],
  ["403", fault(403, "PERMISSION_DENIED"), { retryable: false, errorClass: "authentication" }],
  ["401", fault(401, "UNAUTHENTICATED"), { retryable: false, errorClass: "authentication" }],
  ["429", fault(429, "RESOURCE_EXHAUSTED"), { retryable: true, errorClass: "throttled" }],
  ["503", fault(503, "UNAVAILABLE"), { retryable: true, errorClass: "http_5xx" }],
  ["500", fault(500, "INTERNAL"), { retryable: true, errorClass: "http_5xx" }],
  [
    "a message that is too large",
    fault(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 10485760 bytes."),
    { retryable: false, errorClass: "payload_too_large" },
  ],
  ["400", fault(400, "INVALID_ARGUMENT"), { retryable: false, errorClass: "rejected" }],
  ["an empty answer", { body: "{}" }, { retryable: true, errorClass: "protocol_error" }],
  ["a reset", "reset", { retryable: true, errorClass: "connection_reset" }],
])("understands %s", async (_what, reply, expected) => {
  await using receiver = await startReceiver({ otherwise: reply });
  const result = await deliver(receiver.url);
  expect(result).toMatchObject({ ok: false, ...expected });
  expect(receiver.requests).toHaveLength(1);
});
