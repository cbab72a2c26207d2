import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { answerRead } from "./answer.ts";
import type { Metric, MetricAttributes, MetricSink, Observation } from "./metrics/metric.ts";

/** Options of {@link prometheus}. */
export interface PrometheusOptions {
  /**
   * The registry of `prom-client` that gets the metrics, for an application that has metrics of its own. A new one by
   * default.
   */
  readonly registry?: Registry | undefined;
}

/** Metrics for Prometheus, without an SDK of OpenTelemetry. */
export interface Prometheus extends MetricSink {
  /** Answers a scrape with the metrics of this process, in the text format of Prometheus. Needs no `this`. */
  readonly handler: (request: Request) => Promise<Response>;
  /** Resolves with the metrics of this process, in the text format of Prometheus. */
  text(): Promise<string>;
}

/**
 * Makes a place for metrics that a Prometheus server scrapes. Pass it to `telemetry` as `metrics`, and serve its
 * `handler`, behind your own authentication or on a port that only Prometheus reaches.
 *
 * Names are those that an exporter of OpenTelemetry would give: `messaging.process.duration` becomes
 * `messaging_process_duration_seconds`.
 *
 * @example
 * ```ts
 * const metrics = prometheus();
 * const bus = createEventBus({ provider, plugins: [telemetry({ metrics })] });
 * app.get("/metrics", (context) => metrics.handler(context.req.raw));
 * ```
 */
export function prometheus(options: PrometheusOptions = {}): Prometheus {
  const registry = options.registry ?? new Registry();
  const observed = new ObservedGauges(registry);
  return {
    counter(metric) {
      const counter = once(registry, metric, `${nameOf(metric)}_total`, (name) => {
        return new Counter({ ...describe(metric, name), registers: [registry] });
      });
      return (value, attributes) => counter.inc(labelsOf(attributes), value);
    },
    histogram(metric) {
      const histogram = once(registry, metric, nameOf(metric), (name) => {
        const buckets = metric.buckets ? { buckets: [...metric.buckets] } : {};
        return new Histogram({ ...describe(metric, name), ...buckets, registers: [registry] });
      });
      return (value, attributes) => histogram.observe(labelsOf(attributes), value);
    },
    observe: (gauges, collect) => observed.add(gauges, collect),
    text: () => registry.metrics(),
    handler: (request) =>
      answerRead(request, async () => ({
        status: 200,
        type: registry.contentType,
        body: await registry.metrics(),
      })),
  };
}

type Collect = () => Promise<readonly Observation[]>;

/** Gauges whose values are looked up when the registry is read, all of them at once. */
class ObservedGauges {
  readonly #registry: Registry;
  readonly #gauges = new Map<string, Gauge>();
  readonly #collects = new Set<Collect>();
  #underWay: Promise<void> | undefined;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  add(gauges: readonly Metric[], collect: Collect): () => void {
    const added: Collect = () => collect();
    this.#collects.add(added);
    for (const metric of gauges) this.#gaugeOf(metric);
    return () => void this.#collects.delete(added);
  }

  #gaugeOf(metric: Metric): Gauge {
    const name = nameOf(metric);
    const known = this.#gauges.get(name);
    if (known) return known;
    const gauge = new Gauge({
      ...describe(metric, name),
      registers: [this.#registry],
      // The registry reads its metrics in one go: the first one looks, and the others wait for it.
      collect: () => this.#refresh(),
    });
    this.#gauges.set(name, gauge);
    return gauge;
  }

  #refresh(): Promise<void> {
    this.#underWay ??= this.#collect().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #collect(): Promise<void> {
    const observations = await Promise.all([...this.#collects].map((collect) => collect()));
    // A subscription that is gone must not keep its last value.
    for (const gauge of this.#gauges.values()) gauge.reset();
    for (const { gauge, value, attributes } of observations.flat()) {
      this.#gaugeOf(gauge).set(labelsOf(attributes), value);
    }
  }
}

/**
 * The metric of a name: two buses in one process share it.
 *
 * @throws TypeError when the application has a metric of the same name with other labels: it would take no value.
 */
function once<T extends object>(
  registry: Registry,
  metric: Metric,
  name: string,
  make: (name: string) => T,
): T {
  const known = registry.getSingleMetric(name) as (T & HasLabels) | undefined;
  if (!known) return make(name);
  const [has, needs] = [known.labelNames ?? [], metric.attributes.map(plain)].map((labels) =>
    labels.toSorted().join(", "),
  );
  if (has === needs) return known;
  throw new TypeError(
    `The registry has a metric "${name}" with other labels: ${has}, and not ${needs}`,
  );
}

/** What every metric of `prom-client` has, though its types do not say so. */
interface HasLabels {
  readonly labelNames?: readonly string[];
}

function describe(metric: Metric, name: string) {
  return { name, help: metric.description, labelNames: metric.attributes.map(plain) };
}

/** As OpenTelemetry translates names: what is counted stands in braces, and is left out. */
function nameOf({ name, unit }: Metric): string {
  return unit === "s" ? `${plain(name)}_seconds` : plain(name);
}

function labelsOf(attributes: MetricAttributes): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const name in attributes) labels[plain(name)] = attributes[name] as string;
  return labels;
}

function plain(name: string): string {
  return name.replaceAll(".", "_");
}
