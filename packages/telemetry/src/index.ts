export type {
  Metric,
  MetricAttributes,
  MetricSink,
  Observation,
  RecordValue,
} from "./metrics/metric.ts";
export type { InspectableOutbox, InspectableWebhooks } from "./metrics/sources.ts";
export { telemetry, type Telemetry, type TelemetryOptions } from "./telemetry.ts";
