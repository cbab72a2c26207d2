import { randomUUID } from "node:crypto";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { type FauxqsServer, interceptLocalhostDns, startFauxqs } from "fauxqs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { NotifierResult } from "../../../src/contract/notifier.ts";
import { sqsNotifier, type SqsSettings } from "../../../src/notifiers/sqs.ts";
import {
  notifierRequest,
  type NotifierRequestParts,
  type ReceiverAnswer,
  startReceiver,
  type TestDestination,
  testNotifier,
} from "../../../src/testing.ts";
import { ACCESS_KEY, verifySignature } from "../../support/aws.ts";

const region = "eu-central-1";
const NOBODY = "http://127.0.0.1:1";

let server: FauxqsServer;
let client: SQSClient;
let origin = NOBODY;
let restoreDns = (): void => {};
beforeAll(async () => {
  server = await startFauxqs({ port: 0, logger: false, defaultRegion: region });
  origin = `http://sqs.${region}.localhost:${server.port}`;
  client = new SQSClient({ region, endpoint: origin, credentials: { ...ACCESS_KEY } });
  // Few systems resolve names below localhost.
  restoreDns = interceptLocalhostDns();
});
const notifiers: ReturnType<typeof sqsNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});
afterAll(async () => {
  client.destroy();
  restoreDns();
  await server.stop();
});

async function createQueue(suffix = ""): Promise<string> {
  const QueueName = `orders-${randomUUID().slice(0, 8)}${suffix}`;
  const Attributes = suffix === "" ? {} : { FifoQueue: "true" };
  const { QueueUrl = "" } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
  return QueueUrl;
}

/** Takes the next message of a queue. */
async function receive(QueueUrl: string): Promise<Message> {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl,
      WaitTimeSeconds: 5,
      MessageAttributeNames: ["All"],
      MessageSystemAttributeNames: ["All"],
    }),
  );
  const [message] = Messages;
  if (!message) throw new Error("There is no message");
  const { ReceiptHandle } = message;
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  return message;
}

describe("the notifier sqs", () => {
  const origins = new Set<string>();
  testNotifier(test, {
    create: () => sqsNotifier({ region, endpoints: [origin, NOBODY, ...origins] }),
    async accepting(): Promise<TestDestination> {
      const destination = await createQueue();
      return {
        destination,
        async next() {
          const { Body = "" } = await receive(destination);
          const { deliveryid, data } = JSON.parse(Body) as { deliveryid: string; data: unknown };
          return { id: deliveryid, data };
        },
        close: async () => {},
      };
    },
    async hanging() {
      const receiver = await startReceiver({ otherwise: "hang" });
      origins.add(receiver.url);
      return {
        destination: `${receiver.url}123456789012/orders`,
        next: async () => ({ id: String((await receiver.next()).number), data: null }),
        close: () => receiver.close(),
      };
    },
    unreachable: () => `${NOBODY}/123456789012/orders`,
    settings: { credentials: ACCESS_KEY },
    secrets: [ACCESS_KEY.secretAccessKey],
    badSettings: [
      { settings: {}, path: "credentials" },
      { settings: { credentials: ACCESS_KEY, timeoutMs: 1 }, path: "timeoutMs" },
    ],
    badDestinations: [
      "orders",
      "https://sqs.eu-central-1.amazonaws.com.evil.example/123456789012/orders",
      "https://sqs.eu-central-1.amazonaws.com/123456789012/orders?x",
      "http://169.254.169.254/123456789012/orders",
      "http://127.0.0.1:2/123456789012/orders",
    ],
  });
});

function deliver(
  destination: string,
  parts: Partial<NotifierRequestParts<SqsSettings>> = {},
  endpoints = [origin],
): Promise<NotifierResult> {
  const notifier = sqsNotifier({ region, endpoints, source: "/shop" });
  notifiers.push(notifier);
  const settings = { credentials: ACCESS_KEY, timeoutMs: 10_000 };
  return notifier.deliver(notifierRequest({ destination, settings, ...parts }));
}

test("accepts queues of Amazon, each in its region", () => {
  const notifier = sqsNotifier();
  const settings = { timeoutMs: 1_000 };
  for (const url of [
    "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo",
    "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders",
  ]) {
    expect(notifier.checkDestination(url, settings)).toBeUndefined();
  }
});

test("has the ordering key as group, and drops repeats by the id of the delivery", async () => {
  const queue = await createQueue(".fifo");
  const send = async (
    id: string,
    attempt: number,
    trigger: "first" | "retry" | "manual",
    orderingKey: string | null,
  ): Promise<void> => {
    const delivery = { id, attempt, trigger, orderingKey };
    expect(await deliver(queue, { delivery })).toMatchObject({ ok: true, status: 200 });
  };
  await send("d-1", 1, "first", "customer-1");
  await send("d-1", 2, "retry", "customer-1");
  // What a person sends again is no repeat.
  await send("d-1", 3, "manual", "customer-1");
  await send("d-2", 1, "first", "ü".repeat(100));
  await send("d-3", 1, "first", null);
  const groups = [];
  for (let n = 0; n < 4; n += 1) {
    const { Attributes, MessageAttributes } = await receive(queue);
    const id = MessageAttributes?.["deliveryid"]?.StringValue;
    groups.push([id, Attributes?.MessageDeduplicationId, Attributes?.MessageGroupId]);
  }
  expect(groups).toEqual([
    ["d-1", "d-1", "customer-1"],
    ["d-1", "d-1-3", "customer-1"],
    ["d-2", "d-2", expect.stringMatching(/^[\da-f]{64}$/)],
    ["d-3", "d-3", "d-3"],
  ]);
});

test("sends a CloudEvent, also with characters that SQS does not take", async () => {
  const queue = await createQueue();
  const data = { text: "\uFFFE\uFFFF\u0000ü😀" };
  expect(await deliver(queue, { event: { data } })).toMatchObject({ ok: true });
  const { Body = "", MessageAttributes } = await receive(queue);
  expect(Body).not.toMatch(/[\uFFFE\uFFFF]/);
  expect(JSON.parse(Body)).toMatchObject({ specversion: "1.0", source: "/shop", data });
  expect(MessageAttributes?.["content-type"]?.StringValue).toBe("application/cloudevents+json");
});

test("fails for good at a queue that is not there, and at a message that is too large", async () => {
  expect(await deliver(`${origin}/000000000000/nowhere`)).toMatchObject({
    retryable: false,
    errorClass: "rejected",
  });
  const event = { data: { text: "x".repeat(1_100_000) } };
  expect(await deliver(await createQueue(), { event })).toMatchObject({
    retryable: false,
    errorClass: "payload_too_large",
  });
});

const fault = (code: string, status = 400): ReceiverAnswer => ({
  status,
  headers: { "x-amzn-query-error": `${code};Sender` },
  body: JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: "Not now" }),
});

test.each<[string, ReceiverAnswer, Partial<NotifierResult>]>([
  ["RequestThrottled", fault("RequestThrottled"), { retryable: true, errorClass: "throttled" }],
  ["KmsThrottled", fault("KmsThrottled"), { retryable: true, errorClass: "throttled" }],
  ["KmsDisabled", fault("KmsDisabled"), { retryable: true, errorClass: "rejected" }],
  [
    "AccessDenied",
    fault("AccessDenied", 403),
    { retryable: false, errorClass: "authentication", response: "AccessDenied: Not now" },
  ],
  ["a fault", fault("InternalError", 503), { retryable: true, errorClass: "http_5xx" }],
  ["a reset", "reset", { retryable: true, errorClass: "connection_reset" }],
])("understands %s", async (_what, answer, expected) => {
  await using receiver = await startReceiver({ otherwise: answer });
  const queue = `${receiver.url}123456789012/orders`;
  expect(await deliver(queue, {}, [receiver.url])).toMatchObject({ ok: false, ...expected });
  expect(verifySignature(await receiver.next())).toBe("eu-central-1/sqs");
  expect(receiver.requests).toHaveLength(1);
});
