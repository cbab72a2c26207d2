import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Admin, Consumer } from "@platformatic/kafka";
import { afterEach, describe, expect, test } from "vitest";
import type { NotifierResult } from "../../../src/contract/notifier.ts";
import {
  kafkaNotifier,
  type KafkaNotifierOptions,
  type KafkaRecord,
} from "../../../src/notifiers/kafka.ts";
import {
  notifierRequest,
  type NotifierRequestParts,
  type TestDestination,
  testNotifier,
} from "../../../src/testing.ts";

/** An error as the library makes it. */
class LibraryError extends Error {
  constructor(properties: object) {
    super("Kafka said no");
    Object.assign(this, properties);
  }
}

const refused = { code: "PLT_KFK_NETWORK", cause: new LibraryError({ code: "ECONNREFUSED" }) };

describe("the notifier kafka", () => {
  let topics = new Map<string, (record: KafkaRecord) => Promise<void>>();
  const start = (answer: () => Promise<void>): TestDestination => {
    const arrived: KafkaRecord[] = [];
    const waiting: ((record: KafkaRecord) => void)[] = [];
    const destination = `orders-${randomUUID()}`;
    topics.set(destination, (record) => {
      const take = waiting.shift();
      if (take) take(record);
      else arrived.push(record);
      return answer();
    });
    return {
      destination,
      async next() {
        const { headers, value } =
          arrived.shift() ?? (await new Promise<KafkaRecord>((take) => waiting.push(take)));
        return { id: headers["deliveryid"] ?? "", data: JSON.parse(value.toString()) as unknown };
      },
      connections: 0,
      async close() {
        topics = new Map();
      },
    };
  };
  testNotifier(test, {
    create: () =>
      kafkaNotifier({
        brokers: ["kafka:9092"],
        connect: async () => ({
          async send(record) {
            const topic = topics.get(record.topic);
            if (!topic) throw new LibraryError(refused);
            await topic(record);
          },
          close: async () => {},
        }),
      }),
    accepting: () => start(async () => {}),
    hanging: () => start(() => new Promise(() => {})),
    unreachable: () => "unreachable",
    badSettings: [{ settings: { mode: "batch" }, path: "mode" }],
    badDestinations: ["..", "orders/eu", "kafka://kafka:9092/orders", "x".repeat(250)],
  });
});

const notifiers: ReturnType<typeof kafkaNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});

function deliver(
  options: Partial<KafkaNotifierOptions>,
  parts: Partial<NotifierRequestParts<unknown>> = {},
): Promise<NotifierResult> {
  const notifier = kafkaNotifier({ brokers: ["kafka:9092"], source: "/shop", ...options });
  notifiers.push(notifier);
  const settings = { mode: "binary", timeoutMs: 1_000 } as const;
  return notifier.deliver(notifierRequest({ destination: "orders", ...parts, settings }));
}

test("sends the payload, with the attributes of the CloudEvent as headers", async () => {
  const records: KafkaRecord[] = [];
  const connect = async () => ({
    send: async (record: KafkaRecord) => void records.push(record),
    close: async () => {},
  });
  const delivery = { id: "d-1", sequence: 7, orderingKey: "customer-1" };
  const event = { id: "id-1", scope: "de" };
  expect(await deliver({ connect }, { delivery, event })).toEqual({ ok: true, retryable: false });
  expect(records).toEqual([
    {
      topic: "orders",
      key: "customer-1",
      value: Buffer.from('{"order":{"id":42}}'),
      headers: {
        ce_specversion: "1.0",
        ce_id: "id-1",
        ce_source: "/shop/de",
        ce_type: "order.placed",
        ce_time: "2026-11-30T12:00:00.000Z",
        ce_deliveryid: "d-1",
        ce_scope: "de",
        ce_sequence: "0000000000000007",
        "content-type": "application/json",
        deliveryid: "d-1",
      },
      timestamp: new Date("2026-11-30T12:00:00.000Z"),
    },
  ]);
});

test.each<[string, object, Partial<NotifierResult>]>([
  [
    "a record that is too large",
    { code: "PLT_KFK_MULTIPLE", errors: [new LibraryError({ apiId: "MESSAGE_TOO_LARGE" })] },
    { retryable: false, errorClass: "payload_too_large" },
  ],
  [
    "a topic that one may not write to",
    { apiId: "TOPIC_AUTHORIZATION_FAILED" },
    { retryable: false, errorClass: "authentication" },
  ],
  [
    "a topic that is not there",
    { apiId: "UNKNOWN_TOPIC_OR_PARTITION" },
    { retryable: true, errorClass: "rejected" },
  ],
  [
    "too few replicas, as KafkaJS says it",
    { name: "KafkaJSProtocolError", type: "NOT_ENOUGH_REPLICAS", retriable: true },
    { retryable: true, errorClass: "rejected" },
  ],
  [
    "an invalid record",
    { apiId: "INVALID_RECORD", canRetry: false },
    { retryable: false, errorClass: "rejected" },
  ],
  [
    "a wrong password",
    { code: "PLT_KFK_AUTHENTICATION" },
    { retryable: false, errorClass: "authentication" },
  ],
  ["a quota", { apiId: "THROTTLING_QUOTA_EXCEEDED" }, { retryable: true, errorClass: "throttled" }],
  ["a refused connection", refused, { retryable: true, errorClass: "connection_refused" }],
  ["a timeout", { code: "PLT_KFK_TIMEOUT" }, { retryable: true, errorClass: "timeout" }],
])("understands %s", async (_what, properties, expected) => {
  const connect = async () => ({
    send: () => Promise.reject(new LibraryError(properties)),
    close: async () => {},
  });
  expect(await deliver({ connect })).toMatchObject({ ok: false, ...expected });
});

test("says that no broker is there", async () => {
  expect(await deliver({ brokers: ["127.0.0.1:1"] })).toMatchObject({
    ok: false,
    retryable: true,
    errorClass: "connection_refused",
  });
});

test("ends in time at a broker that says nothing, and closes the connection", async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(
      socket
        .resume()
        .on("error", () => {})
        .once("close", () => sockets.delete(socket)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const result = await deliver({ brokers: [`127.0.0.1:${port}`] });
  expect(result).toMatchObject({ ok: false, retryable: true, errorClass: "timeout" });
  await notifiers.pop()?.close?.();
  await expect.poll(() => sockets.size).toBe(0);
  server.close();
});

const brokers = process.env["KAFKA_BROKERS"]?.split(",");
if (brokers === undefined) {
  test.skip("Kafka itself: KAFKA_BROKERS is not set", () => {});
} else {
  describe("the notifier kafka, on Kafka", () => onKafka(brokers));
}

function onKafka(bootstrapBrokers: string[]): void {
  const client = { clientId: "busbar-tests", bootstrapBrokers };
  testNotifier(test, {
    create: () => kafkaNotifier({ brokers: bootstrapBrokers }),
    async accepting() {
      const topic = `orders-${randomUUID()}`;
      const admin = new Admin(client);
      await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
      const consumer = new Consumer({ ...client, groupId: topic });
      const stream = await consumer.consume({ topics: [topic], mode: "earliest" });
      const records = stream[Symbol.asyncIterator]();
      return {
        destination: topic,
        async next() {
          const { value } = await records.next();
          if (!value) throw new Error("The stream of records has ended");
          const headers = [...value.headers].map(([name, text]) => [String(name), String(text)]);
          const { deliveryid = "" } = Object.fromEntries(headers) as { deliveryid?: string };
          return { id: deliveryid, data: JSON.parse(value.value.toString()) as unknown };
        },
        async close() {
          await stream.close();
          await consumer.close();
          await admin.deleteTopics({ topics: [topic] });
          await admin.close();
        },
      };
    },
    badSettings: [{ settings: { mode: "batch" }, path: "mode" }],
    badDestinations: ["..", "orders/eu"],
    patience: 3,
  });
}
