import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import type { Plugin } from "@busbar/core/plugin";
import { telemetry } from "@busbar/telemetry";
import { prometheus } from "@busbar/telemetry/prometheus";

/** How a bus is observed. `api` has no SDK; `sampled` keeps one trace of twenty. */
export type Observation = "off" | "api" | "prometheus" | "sampled" | "on";

/** Takes what it is given, and sends it nowhere: what a network costs is not part of the question. */
const exporter = {
  export: (_items: unknown, done: (result: { code: number }) => void): void => done({ code: 0 }),
  forceFlush: (): Promise<void> => Promise.resolve(),
  shutdown: (): Promise<void> => Promise.resolve(),
};

/** The plugins that observe a bus. Called once in a process: what it sets up is global. */
export function observing(observation: Observation): readonly Plugin[] {
  if (observation === "off") return [];
  if (observation === "api") return [telemetry()];
  if (observation === "prometheus") {
    return [telemetry({ traces: false, metrics: prometheus() })];
  }
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const ratio = observation === "sampled" ? 0.05 : 1;
  const tracerProvider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const meterProvider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 10_000 })],
  });
  return [telemetry({ tracerProvider, meterProvider })];
}
