import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type AsyncMessage, Connection } from "rabbitmq-client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
// @boundaries-ignore what finds the servers of tests
import { ensureProgram } from "../../../../../.ci/servers/programs.mjs";
// @boundaries-ignore what starts the servers of tests
import { startServer } from "../../../../../.ci/servers/start-server.mjs";
import type { NotifierResult } from "../../../src/contract/notifier.ts";
import { amqpNotifier, type AmqpSettings } from "../../../src/notifiers/amqp.ts";
import {
  notifierRequest,
  type NotifierRequestParts,
  type TestDestination,
  testNotifier,
} from "../../../src/testing.ts";

const EXCHANGE = "orders";
const allow = ["127.0.0.1"];

let broker = "amqp://127.0.0.1:1";
let user = { username: "guest", password: "guest" };
/** Of the tests, to see what arrives. */
let connection: Connection;
let stopServer = async (): Promise<void> => {};
beforeAll(async () => {
  let given = process.env["RABBITMQ_URL"];
  if (given === undefined) {
    ensureProgram("rabbitmq");
    const server = await startServer("rabbitmq");
    stopServer = () => server.stop();
    given = server.url;
  }
  const { protocol, host, username, password } = new URL(given);
  broker = `${protocol}//${host}`;
  user = { username, password };
  connection = new Connection(given);
  await connection.exchangeDeclare({ exchange: EXCHANGE, type: "topic" });
}, 60_000);
const notifiers: ReturnType<typeof amqpNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});
afterAll(async () => {
  await connection?.close();
  await stopServer();
});

interface Queue {
  next(): Promise<AsyncMessage>;
  close(): Promise<void>;
}

/** Binds a queue of its own to the exchange. */
async function openQueue(): Promise<Queue> {
  const arrived: AsyncMessage[] = [];
  const waiting: ((message: AsyncMessage) => void)[] = [];
  const channel = await connection.acquire();
  const { queue } = await channel.queueDeclare({ exclusive: true });
  await channel.queueBind({ queue, exchange: EXCHANGE, routingKey: "order.#" });
  await channel.basicConsume({ queue, noAck: true }, (message) => {
    const take = waiting.shift();
    if (take) take(message);
    else arrived.push(message);
  });
  return {
    next() {
      const message = arrived.shift();
      return message ? Promise.resolve(message) : new Promise((resolve) => waiting.push(resolve));
    },
    async close() {
      await channel.queueDelete({ queue });
      await channel.close();
    },
  };
}

async function accepting(): Promise<TestDestination> {
  const { next, close } = await openQueue();
  return {
    destination: broker,
    async next() {
      const { messageId = "", body } = await next();
      return { id: messageId, data: body as unknown };
    },
    close,
  };
}

/** Takes connections, and says nothing. */
async function hanging(): Promise<TestDestination> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on("error", () => {})));
  const reached = once(server, "connection");
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    destination: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async next() {
      await reached;
      return { id: "", data: null };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("the notifier amqp", () =>
  testNotifier(test, {
    create: () => amqpNotifier({ allow }),
    accepting,
    hanging,
    unreachable: () => "amqp://127.0.0.1:1/shop",
    settings: { username: "guest", password: "guest", exchange: EXCHANGE },
    badSettings: [
      { settings: { username: "guest" }, path: "password" },
      { settings: { ...user, exchange: "x".repeat(256) }, path: "exchange" },
      { settings: { ...user, mode: "batch" }, path: "mode" },
    ],
    badDestinations: [
      "amqp://10.0.0.1",
      "amqp://guest:guest@127.0.0.1",
      "amqp://127.0.0.1/?heartbeat=1",
      "amqp://127.0.0.1/a/b",
      "https://127.0.0.1/",
      "orders",
    ],
  }));

function deliver(
  settings: Partial<AmqpSettings> = {},
  parts: Partial<NotifierRequestParts<AmqpSettings>> = {},
): Promise<NotifierResult> {
  const notifier = amqpNotifier({ allow, source: "/shop" });
  notifiers.push(notifier);
  const all: AmqpSettings = {
    ...user,
    exchange: EXCHANGE,
    mandatory: true,
    mode: "binary",
    timeoutMs: 10_000,
    ...settings,
  };
  return notifier.deliver(notifierRequest({ destination: broker, settings: all, ...parts }));
}

test("publishes the payload, with the attributes of the CloudEvent as headers", async () => {
  const queue = await openQueue();
  const parts = { delivery: { id: "d-1", sequence: 7 }, event: { id: "id-1", scope: "de" } };
  expect(await deliver({}, parts)).toEqual({ ok: true, retryable: false });
  expect(await queue.next()).toMatchObject({
    routingKey: "order.placed",
    messageId: "d-1",
    contentType: "application/json",
    durable: true,
    timestamp: Date.UTC(2026, 10, 30, 12) / 1_000,
    headers: {
      cloudEvents_specversion: "1.0",
      cloudEvents_id: "id-1",
      cloudEvents_type: "order.placed",
      cloudEvents_source: "/shop/de",
      cloudEvents_deliveryid: "d-1",
      cloudEvents_sequence: "0000000000000007",
    },
    body: { order: { id: 42 } },
  });
  await queue.close();
});

test("publishes the CloudEvent as one JSON in structured mode", async () => {
  const queue = await openQueue();
  expect(await deliver({ mode: "structured", routingKey: "order.new" })).toMatchObject({
    ok: true,
  });
  const { routingKey, contentType, body } = await queue.next();
  expect([routingKey, contentType]).toEqual([
    "order.new",
    "application/cloudevents+json; charset=utf-8",
  ]);
  const json = JSON.parse((body as Buffer).toString()) as unknown;
  expect(json).toMatchObject({ type: "order.placed", data: { order: { id: 42 } } });
  await queue.close();
});

test("fails for now when no queue gets the message, unless the subscription allows that", async () => {
  const settings = { routingKey: "nobody.wants.it" };
  expect(await deliver(settings)).toMatchObject({
    ok: false,
    retryable: true,
    errorClass: "rejected",
    response: "NO_ROUTE",
  });
  expect(await deliver({ ...settings, mandatory: false })).toMatchObject({ ok: true });
});

test("says what is wrong with an exchange, and goes on delivering to the others", async () => {
  const queue = await openQueue();
  const [missing, good] = await Promise.all([deliver({ exchange: "nowhere" }), deliver()]);
  expect(missing).toMatchObject({ ok: false, retryable: true, errorClass: "rejected" });
  expect(good).toMatchObject({ ok: true });
  await queue.close();
});

test("says that the broker refuses the password, and does not show it", async () => {
  const password = "not-the-password";
  const result = await deliver({ password });
  expect(result).toMatchObject({ ok: false, retryable: false, errorClass: "authentication" });
  expect(JSON.stringify(result)).not.toContain(password);
});

test("does not connect to private addresses, not even by a name", async () => {
  const notifier = amqpNotifier({ lookup: async () => ["10.0.0.1"] });
  notifiers.push(notifier);
  const settings: AmqpSettings = {
    ...user,
    exchange: "",
    mandatory: true,
    mode: "binary",
    timeoutMs: 5_000,
  };
  const destination = "amqps://broker.example/";
  expect(await notifier.deliver(notifierRequest({ destination, settings }))).toMatchObject({
    ok: false,
    errorClass: "blocked_address",
  });
});

test("hides the password in its form, and takes TLS only in production", () => {
  const notifier = amqpNotifier({ allowAmqp: false });
  const form = notifier.settings["~standard"].jsonSchema.input({ target: "draft-2020-12" });
  expect(form).toMatchObject({ properties: { password: { writeOnly: true } } });
  expect(notifier.checkDestination("amqp://broker.example", {} as AmqpSettings)).toMatch(/amqps/);
  expect(notifier.checkDestination("amqps://broker.example/%2F", {} as AmqpSettings)).toBe(
    undefined,
  );
});
