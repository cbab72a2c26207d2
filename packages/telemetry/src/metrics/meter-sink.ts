import type { BatchObservableCallback, Meter } from "@opentelemetry/api";
import type { Metric, MetricSink } from "./metric.ts";

/** Sends metrics to a meter of OpenTelemetry. */
export function meterSink(meter: Meter): MetricSink {
  const described = ({ unit, description }: Metric) => ({ unit, description });
  return {
    counter(metric) {
      const counter = meter.createCounter(metric.name, described(metric));
      return (value, attributes) => counter.add(value, attributes);
    },
    histogram(metric) {
      const { buckets } = metric;
      const histogram = meter.createHistogram(metric.name, {
        ...described(metric),
        ...(buckets && { advice: { explicitBucketBoundaries: [...buckets] } }),
      });
      return (value, attributes) => histogram.record(value, attributes);
    },
    observe(gauges, collect) {
      const byMetric = new Map(
        gauges.map((gauge) => [gauge, meter.createObservableGauge(gauge.name, described(gauge))]),
      );
      const callback: BatchObservableCallback = async (result) => {
        for (const { gauge, value, attributes } of await collect()) {
          const observable = byMetric.get(gauge);
          if (observable) result.observe(observable, value, attributes);
        }
      };
      const observables = [...byMetric.values()];
      meter.addBatchObservableCallback(callback, observables);
      return () => meter.removeBatchObservableCallback(callback, observables);
    },
  };
}
