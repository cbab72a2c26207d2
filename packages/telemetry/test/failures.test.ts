import type { Span, Tracer, TracerProvider } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { createEventBus, type EventBus, type Logger } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { Counter, Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import type { MetricSink, Observation } from "../src/metrics/metric.ts";
import { prometheus } from "../src/prometheus.ts";
import { telemetry, type TelemetryOptions } from "../src/telemetry.ts";

/** A bus with telemetry, and what it warns of. */
async function startBus(
  options: TelemetryOptions,
): Promise<{ readonly bus: EventBus; readonly warnings: readonly string[] }> {
  const warnings: string[] = [];
  const ignore = (): void => {};
  const warn = (_fields: object, message: string): void => void warnings.push(message);
  const logger: Logger = { debug: ignore, info: ignore, warn, error: warn };
  const bus = createEventBus({ provider: localProvider(), plugins: [telemetry(options)], logger });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  await bus.start();
  return { bus, warnings };
}

/** Emits, retries, and kills deliveries, in and out of a group. Resolves with what became of them. */
async function useBus(bus: EventBus): Promise<readonly unknown[]> {
  const attempts: number[] = [];
  bus.subscribe(
    "a",
    ({ data }, { attempt }) => {
      attempts.push(attempt);
      if (data === "bad" || attempt === 1) throw new RangeError("no ink");
    },
    { subscriberId: "send-receipt", attempts: 2 },
  );
  const ids = await bus.emit([
    { id: "1", name: "a", data: "good" },
    { id: "2", name: "a", data: "bad" },
  ]);
  await bus.emit({ id: "3", name: "unwanted", data: 1, metadata: { eventGroupId: "g" } });
  await bus.releaseGroupedEvents("g");
  await bus.settled();
  const { acknowledged, failed, dead, unrouted } = (await bus.inspect()).counters;
  return [...ids, { runs: attempts.length, acknowledged, failed, dead, unrouted }];
}

const USED = ["1", "2", { runs: 4, acknowledged: 1, failed: 3, dead: 1, unrouted: 1 }];

function throwing(what: string): () => never {
  return () => {
    throw new TypeError(what);
  };
}

/** A provider of tracers whose spans, or whose processor, fail. */
function tracersThat(processor: Partial<SpanProcessor>): TracerProvider {
  const inner = new SimpleSpanProcessor(new InMemorySpanExporter());
  return new BasicTracerProvider({
    spanProcessors: [
      {
        onStart: processor.onStart ?? (() => {}),
        onEnd: processor.onEnd ?? (() => {}),
        forceFlush: () => inner.forceFlush(),
        shutdown: () => inner.shutdown(),
      },
    ],
  });
}

function tracer(startSpan: () => Span): TracerProvider {
  return { getTracer: () => ({ startSpan }) as unknown as Tracer };
}

function sinkThat(record: () => void): MetricSink {
  return { counter: () => record, histogram: () => record, observe: () => () => {} };
}

const spanContext = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: 1,
};

describe("telemetry that fails", () => {
  test.each([
    ["a tracer that throws", tracer(throwing("tracer"))],
    ["a span that throws", tracer(() => ({ spanContext: () => spanContext }) as unknown as Span)],
    ["a processor that throws at the start", tracersThat({ onStart: throwing("start") })],
    ["a processor that throws at the end", tracersThat({ onEnd: throwing("end") })],
  ])("hurts no send and no delivery: %s", async (_what, tracerProvider) => {
    const { bus, warnings } = await startBus({ metrics: false, tracerProvider });
    expect(await useBus(bus)).toEqual(USED);
    expect(warnings.filter((it) => it.startsWith("Telemetry"))).toEqual([
      "Telemetry has failed on spans; further failures of this kind are not logged",
    ]);
    expect(warnings.filter((it) => it.includes("listener"))).toEqual([]);
  });

  test.each([
    ["throws", throwing("sink")],
    ["rejects", () => Promise.reject(new TypeError("sink")) as never],
  ])("hurts no send and no delivery: a sink of metrics that %s", async (_what, record) => {
    const { bus, warnings } = await startBus({ traces: false, metrics: sinkThat(record) });
    expect(await useBus(bus)).toEqual(USED);
    const warned = warnings.filter((it) => it.startsWith("Telemetry"));
    expect(new Set(warned).size).toBe(warned.length);
    expect(warned).toContain(
      'Telemetry has failed on the metric "messaging.process.duration"; further failures of this kind are not logged',
    );
    expect(warnings.filter((it) => it.includes("listener"))).toEqual([]);
  });

  test("loses no values of the other metrics", async () => {
    const recorded: string[] = [];
    const metrics: MetricSink = {
      ...sinkThat(throwing("sink")),
      histogram: ({ name }) =>
        name === "busbar.delivery.lag" ? () => void recorded.push(name) : throwing(name),
    };
    const { bus } = await startBus({ metrics, tracerProvider: tracer(throwing("tracer")) });
    await useBus(bus);
    expect(recorded).toHaveLength(2);
  });

  test("warns once of what does not answer a collection, until it answers again", async () => {
    let collect = async (): Promise<readonly Observation[]> => [];
    const metrics: MetricSink = {
      ...sinkThat(() => {}),
      observe: (_gauges, given) => {
        collect = given;
        return () => {};
      },
    };
    let isAway = true;
    const outbox = {
      inspect() {
        if (isAway) throw new Error("away");
        return Promise.resolve({
          pending: 1,
          delayed: 0,
          staged: 0,
          failed: 0,
          oldestAt: undefined,
        });
      },
    };
    const webhooks = { inspect: () => Promise.reject(new Error("away")) };
    const { warnings } = await startBus({ traces: false, metrics, outbox, webhooks });
    const names = async (): Promise<readonly string[]> =>
      (await collect()).map(({ gauge }) => gauge.name);
    expect(await names()).toContain("busbar.health");
    await names();
    const away = (what: string): string =>
      `Telemetry has failed on ${what}; further failures of this kind are not logged`;
    expect(warnings.toSorted()).toEqual([away("the outbox"), away("webhooks")]);
    isAway = false;
    expect(await names()).toContain("busbar.outbox.events");
    isAway = true;
    await names();
    expect(warnings).toHaveLength(3);
  });
});

test("a metric of the registry that has other labels is refused when telemetry is made", () => {
  const registry = new Registry();
  new Counter({
    name: "busbar_events_unrouted_total",
    help: "of the application",
    labelNames: ["shop"],
    registers: [registry],
  });
  expect(() => telemetry({ traces: false, metrics: prometheus({ registry }) })).toThrow(
    'The registry has a metric "busbar_events_unrouted_total" with other labels: shop, and not messaging_destination_name',
  );
});

test("telemetry of two buses shares the metrics of one registry", () => {
  const registry = new Registry();
  telemetry({ traces: false, metrics: prometheus({ registry }) });
  telemetry({ traces: false, metrics: prometheus({ registry }) });
});
