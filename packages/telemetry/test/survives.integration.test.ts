import { createEventBus, type EventBus, PermanentError } from "@busbar/core";
import type { Plugin } from "@busbar/core/plugin";
import { localProvider } from "@busbar/local";
import { outbox, sqliteStore } from "@busbar/outbox";
import { redisProvider } from "@busbar/redis";
import { defineAsyncEvents, webhooks } from "@busbar/webhooks";
import { startReceiver } from "@busbar/webhooks/testing";
import Database from "libsql";
import { expect, onTestFinished, test } from "vitest";
import { prometheus } from "../src/prometheus.ts";
import { telemetry } from "../src/telemetry.ts";
import { parseExposition } from "./support/exposition.ts";
import {
  idOf,
  linkedBy,
  parentOf,
  testSpans,
  type TestSpans,
  traceOf,
  useContextManager,
} from "./support/spans.ts";

useContextManager();

const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";

function observed(spans: TestSpans): Plugin {
  return telemetry({ metrics: false, tracerProvider: spans.provider });
}

async function start(bus: EventBus): Promise<EventBus> {
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  await bus.start();
  return bus;
}

test("a trace survives Redis, retries, a dead letter, its replay, and a group", async () => {
  const spans = testSpans();
  const name = `telemetry-${crypto.randomUUID()}`;
  const open = (): EventBus =>
    createEventBus({
      name,
      provider: redisProvider({ redisUrl }),
      plugins: [observed(spans)],
      logger: false,
    });
  const worker = open();
  let isFixed = false;
  worker.subscribe(
    "order.placed",
    ({ data }) => {
      if (isFixed || data !== "bad") return;
      throw new PermanentError("bad");
    },
    { subscriberId: "send-receipt" },
  );
  await start(worker);
  const emitter = await start(open());
  await spans.within("request", () => emitter.emit("order.placed", "bad"));
  await expect.poll(() => spans.named("process send-receipt").length).toBe(1);
  isFixed = true;
  await expect
    .poll(
      async () => (await worker.deadLetters.list({ subscriberId: "send-receipt" })).items.length,
    )
    .toBe(1);
  await worker.deadLetters.replay("send-receipt");
  await expect.poll(() => spans.named("process send-receipt").length).toBe(2);
  const send = spans.only("publish order.placed");
  expect(parentOf(send)).toBe(idOf(spans.only("request")));
  const runs = spans.named("process send-receipt");
  expect(runs.map((span) => span.attributes["busbar.delivery.outcome"])).toEqual([
    "dead",
    "acknowledged",
  ]);
  expect(runs.map(linkedBy)).toEqual([[idOf(send)], [idOf(send)]]);

  const grouped = { name: "order.placed", data: 1, metadata: { eventGroupId: "g" } };
  await emitter.emit(grouped);
  await emitter.releaseGroupedEvents("g");
  await expect.poll(() => spans.named("process send-receipt").length).toBe(3);
  const stage = spans.only("stage order.placed");
  expect(linkedBy(spans.only("release order.placed"))).toEqual([idOf(stage)]);
  expect(linkedBy(spans.named("process send-receipt")[2]!)).toEqual([idOf(stage)]);
});

test("gauges of a shared queue say that they are of the whole system", async () => {
  const metrics = prometheus();
  const bus = createEventBus({
    name: `telemetry-${crypto.randomUUID()}`,
    provider: redisProvider({ redisUrl }),
    plugins: [telemetry({ metrics })],
    logger: false,
  });
  bus.subscribe("a", () => {}, { subscriberId: "see" });
  await start(bus);
  const families = parseExposition(await metrics.text());
  const scopeOf = (name: string): unknown => families.get(name)?.samples[0]?.labels["busbar_scope"];
  expect(scopeOf("busbar_subscription_ready")).toBe("system");
  expect(scopeOf("busbar_subscription_paused")).toBe("process");
  expect(scopeOf("busbar_health")).toBe("process");
});

test("events of a group that the outbox keeps are counted as sent by the relay alone", async () => {
  const metrics = prometheus();
  const plugin = outbox({ store: sqliteStore({ database: new Database(":memory:") }) });
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [telemetry({ traces: false, metrics, gauges: false }), plugin],
    logger: false,
  });
  await start(bus);
  await bus.emit({ name: "order.placed", data: 1, metadata: { eventGroupId: "g" } });
  await bus.releaseGroupedEvents("g");
  await plugin.drained();
  const sent = parseExposition(await metrics.text()).get("messaging_client_sent_messages_total");
  expect(
    sent?.samples.map(({ labels, value }) => [labels["messaging_operation_name"], value]),
  ).toEqual([["relay", 1]]);
});

test("a trace survives the outbox, and the relay links to it", async () => {
  const spans = testSpans();
  const store = sqliteStore({ database: new Database(":memory:") });
  const plugin = outbox({ store });
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [observed(spans), plugin],
    logger: false,
  });
  bus.subscribe("order.placed", () => {}, { subscriberId: "send-receipt" });
  await start(bus);
  await spans.within("request", () =>
    store.transaction((tx) =>
      bus.withTransaction(tx).emit([
        { name: "order.placed", data: 1 },
        { name: "order.placed", data: 2 },
      ]),
    ),
  );
  await plugin.drained();
  await bus.settled();
  const stage = spans.only("stage order.placed");
  const relay = spans.only("relay order.placed");
  expect(traceOf(stage)).toBe(traceOf(spans.only("request")));
  expect(traceOf(relay)).not.toBe(traceOf(stage));
  expect(linkedBy(relay)).toEqual([idOf(stage)]);
  expect(spans.named("process send-receipt").map(linkedBy)).toEqual([[idOf(stage)], [idOf(stage)]]);
});

test("a trace reaches the receiver of a webhook", async () => {
  const spans = testSpans();
  const receiver = await startReceiver();
  onTestFinished(() => receiver.close());
  const hooks = webhooks({
    events: defineAsyncEvents({ "order.placed": {} }),
    store: sqliteStore({ database: new Database(":memory:") }),
    encryptionKeys: [{ id: "1", key: Buffer.alloc(32, 7) }],
    http: { allow: ["127.0.0.0/8"], allowHttp: true },
  });
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [observed(spans), hooks],
    logger: false,
  });
  await start(bus);
  await hooks.subscriptions.create({ events: ["*"], destination: receiver.url });
  await spans.within("request", () => bus.emit("order.placed", { orderId: "42" }));
  const { headers } = await receiver.next();
  const send = spans.only("publish order.placed");
  expect(headers["traceparent"]).toBe(`00-${traceOf(send)}-${idOf(send)}-01`);
  expect(traceOf(send)).toBe(traceOf(spans.only("request")));
});
