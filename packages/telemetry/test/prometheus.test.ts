import { readFileSync } from "node:fs";
import { createEventBus, PermanentError } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { outbox, sqliteStore } from "@busbar/outbox";
import { defineAsyncEvents, webhooks } from "@busbar/webhooks";
import Database from "libsql";
import { Counter, Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { prometheus } from "../src/prometheus.ts";
import { telemetry } from "../src/telemetry.ts";
import { type Family, parseExposition } from "./support/exposition.ts";
import { grafanaProblems, metricsIn } from "./support/grafana.ts";

const get = (): Request => new Request("http://localhost/metrics");

/** A scrape of a bus that has done everything once. */
async function scrape(): Promise<ReadonlyMap<string, Family>> {
  const metrics = prometheus();
  const store = sqliteStore({ database: new Database(":memory:") });
  const plugin = outbox({ store });
  const hooks = webhooks({
    events: defineAsyncEvents({}),
    store,
    encryptionKeys: [{ id: "1", key: Buffer.alloc(32, 7) }],
  });
  const observed = telemetry({ traces: false, metrics, outbox: plugin, webhooks: hooks });
  const bus = createEventBus({
    name: "shop",
    provider: localProvider(),
    plugins: [observed, plugin, hooks],
    logger: false,
  });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  let runs = 0;
  bus.subscribe(
    "order.placed",
    ({ data }) => {
      runs += 1;
      if (data === "bad") throw new PermanentError("bad");
      if (runs === 1) throw new Error("once");
    },
    { subscriberId: "send-receipt", attempts: 2 },
  );
  bus.subscribe(
    "slow",
    (_event, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      }),
    { subscriberId: 'with "quotes"\\' },
  );
  await bus.start();
  await bus.emit("order.placed", "good");
  await bus.settled();
  await bus.emit("order.placed", "bad");
  await bus.emit("nobody.wants", 1);
  await bus.settled();
  await store.transaction((tx) => bus.withTransaction(tx).emit("order.placed", "good"));
  await plugin.drained();
  await bus.settled();
  const answer = await metrics.handler(get());
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return parseExposition(await answer.text());
}

describe("the endpoint for Prometheus", () => {
  test("answers in the format of Prometheus, without an SDK", async () => {
    const families = await scrape();
    const sample = (name: string) => families.get(name)?.samples ?? [];
    expect(sample("messaging_client_sent_messages_total")).toContainEqual({
      name: "messaging_client_sent_messages_total",
      labels: {
        messaging_system: "busbar",
        messaging_operation_name: "relay",
        messaging_destination_name: "order.placed",
      },
      value: 1,
    });
    const counts = sample("messaging_process_duration_seconds").filter(({ name }) =>
      name.endsWith("_count"),
    );
    expect(counts.map(({ labels, value }) => [labels["error_type"], value])).toEqual([
      ["Error", 1],
      [undefined, 2],
      ["PermanentError", 1],
    ]);
    expect(sample("busbar_subscription_dead_letters")).toContainEqual({
      name: "busbar_subscription_dead_letters",
      labels: {
        busbar_bus: "shop",
        busbar_scope: "process",
        messaging_consumer_group_name: "send-receipt",
      },
      value: 1,
    });
    expect(sample("busbar_webhooks_breakers_open")).toMatchObject([{ value: 0 }]);
  });

  test("forgets the gauges of subscriptions that are gone", async () => {
    const metrics = prometheus();
    const bus = createEventBus({
      provider: localProvider(),
      plugins: [telemetry({ metrics })],
      logger: false,
    });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    bus.subscribe("a", () => {}, { subscriberId: "gone" });
    bus.subscribe("a", () => {}, { subscriberId: "stays" });
    await bus.start();
    expect(await metrics.text()).toContain('"gone"');
    await bus.retire("gone");
    const [first, second] = await Promise.all([metrics.text(), metrics.text()]);
    expect(first).not.toContain('"gone"');
    expect(second).toContain('"stays"');
    parseExposition(first);
  });

  test("puts several buses and the application's own metrics in one answer", async () => {
    const registry = new Registry();
    new Counter({ name: "orders_total", help: "Orders.", registers: [registry] }).inc();
    const metrics = prometheus({ registry });
    for (const name of ["shop", "billing"]) {
      const bus = createEventBus({
        name,
        provider: localProvider(),
        plugins: [telemetry({ metrics })],
        logger: false,
      });
      onTestFinished(() => bus.stop({ graceMs: 0 }));
      await bus.start();
      await bus.emit("a", 1);
    }
    const families = parseExposition(await registry.metrics());
    expect(families.has("orders_total")).toBe(true);
    expect(families.get("messaging_client_sent_messages_total")?.samples).toMatchObject([
      { value: 2 },
    ]);
    const up = families.get("busbar_health")?.samples.filter(({ value }) => value === 1) ?? [];
    expect(up.map(({ labels }) => labels["busbar_bus"])).toEqual(["shop", "billing"]);
  });

  test("only reads", async () => {
    const answer = await prometheus().handler(new Request("http://localhost/", { method: "POST" }));
    expect(answer.status).toBe(405);
  });
});

describe("grafana/busbar.json", () => {
  const board: unknown = JSON.parse(
    readFileSync(new URL("../grafana/busbar.json", import.meta.url), "utf8"),
  );
  test("has what Grafana loads", () => {
    expect(grafanaProblems(board)).toEqual([]);
  });

  test("asks only for metrics and labels that a scrape has", async () => {
    const families = await scrape();
    const known = new Set(
      [...families.values()].flatMap(({ name, type }) =>
        type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const labels = new Set(
      [...families.values()].flatMap(({ samples }) =>
        samples.flatMap((sample) => Object.keys(sample.labels)),
      ),
    );
    const used = metricsIn(board);
    expect(used.names.length).toBeGreaterThan(15);
    expect(used.names.filter((name) => !known.has(name))).toEqual([]);
    // Prometheus adds these to what it scrapes.
    const added = ["instance", "job"];
    expect(used.labels.filter((name) => !labels.has(name) && !added.includes(name))).toEqual([]);
  });
});
