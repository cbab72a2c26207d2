import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { NotifierResult } from "../../../src/contract/notifier.ts";
import {
  eventBridgeNotifier,
  type EventBridgeSettings,
} from "../../../src/notifiers/eventbridge.ts";
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
import { ACCESS_KEY, verifySignature } from "../../support/aws.ts";

const ARN = "arn:aws:events:eu-central-1:123456789012:event-bus/";
const NOBODY = "http://127.0.0.1:1";

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
  readonly Time: number;
}

function entryOf(request: ReceivedRequest): Entry {
  return (request.json() as { Entries: [Entry] }).Entries[0];
}

/** Does what the name of the bus says. */
function answer(request: ReceivedRequest): ReceiverAnswer {
  verifySignature(request);
  const bus = entryOf(request).EventBusName.slice(ARN.length);
  if (bus === "unreachable") return "reset";
  if (bus === "hanging") return "hang";
  return { body: JSON.stringify({ FailedEntryCount: 0, Entries: [{ EventId: "e-1" }] }) };
}

describe("the notifier eventbridge", () => {
  let endpoint = NOBODY;
  const start = async (bus: string): Promise<TestDestination> => {
    const receiver = await startReceiver({ otherwise: answer });
    endpoint = receiver.url;
    return {
      destination: ARN + bus,
      async next() {
        const { deliveryid: id, data } = JSON.parse(entryOf(await receiver.next()).Detail) as {
          deliveryid: string;
          data: unknown;
        };
        return { id, data };
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
    create: () => eventBridgeNotifier({ endpoint }),
    accepting: () => start("orders"),
    hanging: () => start("hanging"),
    unreachable: () => `${ARN}unreachable`,
    settings: { credentials: { ...ACCESS_KEY, sessionToken: "session of somebody" } },
    secrets: [ACCESS_KEY.secretAccessKey, "session of somebody"],
    badSettings: [
      { settings: {}, path: "credentials" },
      { settings: { credentials: ACCESS_KEY, region: "Europe" }, path: "region" },
      { settings: { credentials: ACCESS_KEY, source: "aws.s3" }, path: "source" },
    ],
    badDestinations: ["orders", "https://events.eu-central-1.amazonaws.com/", "arn:aws:sqs:a:1:b"],
  });
});

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());
const notifiers: ReturnType<typeof eventBridgeNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});

function deliver(
  destination: string,
  settings: Partial<EventBridgeSettings> = {},
  parts: Partial<NotifierRequestParts<EventBridgeSettings>> = {},
): Promise<NotifierResult> {
  const notifier = eventBridgeNotifier({ endpoint: receiver.url });
  notifiers.push(notifier);
  const all = { credentials: ACCESS_KEY, source: "shop", timeoutMs: 5_000, ...settings };
  return notifier.deliver(notifierRequest({ destination, settings: all, ...parts }));
}

test("signs an entry whose detail is a CloudEvent", async () => {
  receiver.answer({ body: '{"FailedEntryCount":0,"Entries":[{"EventId":"e-1"}]}' });
  const result = await deliver(
    "orders",
    { region: "us-east-1" },
    { delivery: { id: "d-1", sequence: 7 }, event: { id: "id-1", scope: "de" } },
  );
  expect(result).toEqual({ ok: true, retryable: false, status: 200, response: "e-1" });
  const request = await receiver.next();
  expect(verifySignature(request)).toBe("us-east-1/events");
  const { Detail, ...entry } = entryOf(request);
  expect(entry).toEqual({
    EventBusName: "orders",
    Source: "shop",
    DetailType: "order.placed",
    Time: Date.UTC(2026, 10, 30, 12) / 1_000,
  });
  expect(JSON.parse(Detail)).toMatchObject({
    specversion: "1.0",
    id: "id-1",
    source: "shop/de",
    deliveryid: "d-1",
    sequence: "0000000000000007",
    data: { order: { id: 42 } },
  });
});

const entryFault = (code: string): ReceiverAnswer => ({
  body: JSON.stringify({
    FailedEntryCount: 1,
    Entries: [{ ErrorCode: code, ErrorMessage: `no ${ACCESS_KEY.secretAccessKey}` }],
  }),
});
const fault = (status: number, type: string, message = ""): ReceiverAnswer => ({
  status,
  headers: { "x-amzn-errortype": type },
  body: JSON.stringify({ __type: type, message }),
});

test.each<[string, ReceiverAnswer, Partial<NotifierResult>]>([
  // A status of 200 says nothing about the entry.
  ["a failed entry", entryFault("InternalFailure"), { retryable: true, errorClass: "rejected" }],
  [
    "a throttled entry",
    entryFault("ThrottlingException"),
    { retryable: true, errorClass: "throttled", response: "ThrottlingException: no [redacted]" },
  ],
  ["a bad entry", entryFault("MalformedDetail"), { retryable: false, errorClass: "rejected" }],
  [
    "a forbidden entry",
    entryFault("AccessDeniedException"),
    { retryable: false, errorClass: "authentication" },
  ],
  ["no entry", { body: "{}" }, { retryable: true, errorClass: "protocol_error" }],
  [
    "a count of failures",
    { body: '{"FailedEntryCount":1,"Entries":[{"EventId":"e"}]}' },
    { retryable: true, errorClass: "protocol_error" },
  ],
  [
    "a request that is too large",
    fault(
      400,
      "ValidationException",
      "Total size of the entries in the request is over the limit.",
    ),
    { retryable: false, errorClass: "payload_too_large", status: 400 },
  ],
  [
    "a key that is unknown",
    fault(400, "UnrecognizedClientException"),
    { retryable: false, errorClass: "authentication", status: 400 },
  ],
  [
    "a token that has expired",
    fault(400, "ExpiredTokenException"),
    { retryable: true, errorClass: "authentication" },
  ],
  [
    "a fault of the service",
    fault(500, "InternalException"),
    { retryable: true, errorClass: "http_5xx", status: 500 },
  ],
  [
    "a bus that is not there",
    fault(400, "ResourceNotFoundException"),
    { retryable: false, errorClass: "rejected" },
  ],
  ["no answer", "hang", { retryable: true, errorClass: "timeout" }],
])("understands %s", async (_what, reply, expected) => {
  receiver.answer(reply);
  const timeoutMs = reply === "hang" ? 300 : 10_000;
  const result = await deliver(`${ARN}orders`, { timeoutMs });
  expect(result).toMatchObject({ ok: false, ...expected });
  expect(JSON.stringify(result)).not.toContain(ACCESS_KEY.secretAccessKey);
  await receiver.next();
});
