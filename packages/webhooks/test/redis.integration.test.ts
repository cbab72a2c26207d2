import { createEventBus, type EventBus } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { defineAsyncEvents } from "../src/catalogue/define-async-events.ts";
import { type Receiver, startReceiver } from "../src/testing/receiver.ts";
import { webhooks, type WebhooksOptions } from "../src/webhooks.ts";
import { databases, type TestDatabase } from "./support/databases.ts";

const events = defineAsyncEvents({
  "sales.order.created": { resolve: ({ id }: { id: string }) => ({ id, total: 7 }) },
});
const [, createDatabase] = databases.find(([name]) => name === "SQLite")!;
const name = `webhooks-${crypto.randomUUID().slice(0, 8)}`;
const buses: EventBus[] = [];
let database: TestDatabase;
let receiver: Receiver;

beforeAll(async () => {
  database = await createDatabase();
  receiver = await startReceiver();
});

afterEach(async () => {
  await Promise.all(buses.splice(0).map((bus) => bus.stop({ graceMs: 500 })));
});

afterAll(async () => {
  await receiver.close();
  await database.close();
});

async function start(options: Pick<WebhooksOptions, "route" | "dispatch">) {
  const hooks = webhooks({
    events,
    store: database.createStore(),
    encryptionKeys: [{ id: "2026-11", key: Buffer.alloc(32, 7) }],
    http: { allow: ["127.0.0.0/8"], allowHttp: true },
    search: { index: false },
    ...options,
  });
  const provider = redisProvider({ redisUrl: process.env["REDIS_URL"] ?? "" });
  const bus = createEventBus({ name, provider, plugins: [hooks] });
  await bus.start();
  buses.push(bus);
  return hooks;
}

test("over Redis, one process publishes, one matches and one delivers, retries included", async () => {
  const [shop] = await Promise.all([
    start({ route: false, dispatch: false }),
    start({ route: true, dispatch: false }),
    start({ route: false, dispatch: { pollEveryMs: 20 } }),
  ]);
  await shop.subscriptions.create({
    events: ["sales.order.*"],
    destination: receiver.url,
    retry: { type: "schedule", delaysMs: [0], jitter: 0 },
  });
  receiver.answer(503, 200);
  await shop.publish("sales.order.created", { id: "42" });
  const [first, second] = [await receiver.next(), await receiver.next()];
  expect(second.json()).toMatchObject({ type: "sales.order.created", data: { total: 7 } });
  expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
  await expect.poll(() => shop.inspect()).toMatchObject({ waiting: 0, running: 0, dead: 0 });
});
