import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { NotifierResult } from "../../../src/contract/notifier.ts";
import {
  type EventGridAuth,
  eventGridNotifier,
  type EventGridNotifierOptions,
} from "../../../src/notifiers/eventgrid.ts";
import {
  notifierRequest,
  type NotifierRequestParts,
  type ReceivedRequest,
  type Receiver,
  type ReceiverAnswer,
  startReceiver,
  type TestDestination,
  testNotifier,
} from "../../../src/testing.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";

const KEY = "access key of the topic";
const NOBODY = "http://127.0.0.1:1";

interface Sent {
  readonly deliveryid: string;
  readonly data: unknown;
}

function sentOf(request: ReceivedRequest): Sent {
  return (request.json() as [Sent])[0];
}

describe("the notifier eventgrid", () => {
  const origins = new Set<string>([NOBODY]);
  const start = async (otherwise: ReceiverAnswer): Promise<TestDestination> => {
    const receiver = await startReceiver({
      otherwise: ({ headers }) => (headers["aeg-sas-key"] === KEY ? otherwise : 401),
    });
    origins.add(receiver.url);
    return {
      destination: `${receiver.url}api/events`,
      async next() {
        const { deliveryid: id, data } = sentOf(await receiver.next());
        return { id, data };
      },
      get connections() {
        return receiver.connections;
      },
      close: () => receiver.close(),
    };
  };
  testNotifier(test, {
    create: () => eventGridNotifier({ endpoints: [...origins] }),
    accepting: () => start(200),
    hanging: () => start("hang"),
    unreachable: () => `${NOBODY}/api/events`,
    settings: { auth: { type: "key", key: KEY } },
    secrets: [KEY],
    badSettings: [
      { settings: {}, path: "auth" },
      { settings: { auth: { type: "key", key: "" } }, path: "auth.key" },
      {
        settings: { auth: { type: "entra", tenantId: "a/b", clientId: "c", clientSecret: "d" } },
        path: "auth.tenantId",
      },
    ],
    badDestinations: [
      "orders",
      "http://orders.westeurope-1.eventgrid.azure.net/api/events",
      "https://orders.eventgrid.azure.net.evil.example/api/events",
      "https://169.254.169.254/api/events",
    ],
  });
});

const notifiers: ReturnType<typeof eventGridNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});

function newNotifier(options: EventGridNotifierOptions): ReturnType<typeof eventGridNotifier> {
  const notifier = eventGridNotifier({ source: "/shop", ...options });
  notifiers.push(notifier);
  return notifier;
}

function deliver(
  url: string,
  parts: Partial<NotifierRequestParts<unknown>> = {},
  auth: EventGridAuth = { type: "key", key: KEY },
  notifier = newNotifier({ endpoints: [url] }),
): Promise<NotifierResult> {
  const settings = { auth, timeoutMs: 5_000 };
  const destination = `${url}api/events`;
  return notifier.deliver(notifierRequest({ destination, ...parts, settings }));
}

test("accepts topics of Azure", () => {
  const topic = "https://orders.westeurope-1.eventgrid.azure.net/api/events";
  const settings = { auth: { type: "key", key: KEY }, timeoutMs: 1_000 } as const;
  expect(newNotifier({}).checkDestination(topic, settings)).toBe(undefined);
});

test("sends a CloudEvent, whatever the payload is", async () => {
  await using receiver = await startReceiver();
  const notifier = newNotifier({ endpoints: [receiver.url] });
  const event = { id: "id-1", scope: "de" };
  const delivery = { id: "d-1", sequence: 7 };
  for (const data of [{ a: [1, null] }, null, [1, { b: 2 }], "text", 0]) {
    const parts = { delivery, event: { ...event, data } };
    expect(await deliver(receiver.url, parts, undefined, notifier)).toMatchObject({ ok: true });
    const request = await receiver.next();
    expect(request.headers["content-type"]).toMatch(/^application\/cloudevents-batch\+json/);
    const [sent] = request.json() as [Record<string, unknown>];
    const { data_base64: bytes, data: object, ...attributes } = sent;
    expect(attributes).toEqual({
      specversion: "1.0",
      id: "id-1",
      source: "/shop/de",
      type: "order.placed",
      time: "2026-11-30T12:00:00.000Z",
      datacontenttype: "application/json",
      deliveryid: "d-1",
      scope: "de",
      sequence: "0000000000000007",
    });
    const arrived =
      typeof bytes === "string"
        ? (JSON.parse(Buffer.from(bytes, "base64").toString()) as unknown)
        : object;
    expect(arrived).toEqual(data);
  }
});

// The library sends tokens over TLS only.
let certificates: Certificates;
let receiver: Receiver;
beforeAll(async () => {
  certificates = makeCertificates();
  receiver = await startReceiver({ tls: certificates.server });
});
afterAll(() => receiver.close());

test("asks Microsoft Entra for one token, and uses it for many deliveries", async () => {
  await using entra = await startReceiver({
    otherwise: { body: JSON.stringify({ access_token: "token-1", expires_in: 3_600 }) },
  });
  const auth = {
    type: "entra",
    tenantId: "tenant-1",
    clientId: "client-1",
    clientSecret: "secret of the client",
  } as const;
  const notifier = newNotifier({
    endpoints: [receiver.url],
    ca: certificates.ca,
    authority: entra.url,
  });
  for (let n = 0; n < 2; n += 1) {
    expect(await deliver(receiver.url, {}, auth, notifier)).toMatchObject({ ok: true });
    const { headers } = await receiver.next();
    expect(headers.authorization).toBe("Bearer token-1");
  }
  expect(entra.requests.map(({ path }) => path)).toEqual(["/tenant-1/oauth2/v2.0/token"]);
  expect(Object.fromEntries(new URLSearchParams(entra.requests[0]?.body.toString()))).toEqual({
    grant_type: "client_credentials",
    client_id: "client-1",
    client_secret: "secret of the client",
    scope: "https://eventgrid.azure.net/.default",
  });
});

test("says that Microsoft Entra gives no token", async () => {
  await using entra = await startReceiver({ otherwise: 401 });
  const auth = { type: "entra", tenantId: "t", clientId: "c", clientSecret: "secret" } as const;
  const notifier = newNotifier({
    endpoints: [receiver.url],
    ca: certificates.ca,
    authority: entra.url,
  });
  expect(await deliver(receiver.url, {}, auth, notifier)).toMatchObject({
    ok: false,
    retryable: false,
    errorClass: "authentication",
  });
});

test.each<[string, ReceiverAnswer, Partial<NotifierResult>]>([
  [
    "401",
    { status: 401, body: `{"error":{"code":"Unauthorized","message":"${KEY}"}}` },
    { retryable: false, errorClass: "authentication", status: 401 },
  ],
  ["404", 404, { retryable: false, errorClass: "rejected" }],
  ["413", 413, { retryable: false, errorClass: "payload_too_large" }],
  [
    "429",
    { status: 429, headers: { "retry-after": "7" } },
    { retryable: true, errorClass: "throttled", retryAfterMs: 7_000 },
  ],
  ["503", 503, { retryable: true, errorClass: "http_5xx" }],
  ["a redirect", { status: 307, headers: { location: NOBODY } }, { errorClass: "redirect" }],
  ["a reset", "reset", { retryable: true, errorClass: "connection_reset" }],
])("understands %s", async (_what, answer, expected) => {
  await using receiver = await startReceiver({ otherwise: answer });
  const result = await deliver(receiver.url);
  expect(result).toMatchObject({ ok: false, ...expected });
  expect(JSON.stringify(result)).not.toContain(KEY);
  expect(receiver.requests).toHaveLength(1);
});
