import { type MeterProvider, metrics, trace, type TracerProvider } from "@opentelemetry/api";
import type { Logger } from "@busbar/core";
import type { Plugin, PluginContext, Sending, SendNext } from "@busbar/core/plugin";
import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import { Failures } from "./failures.ts";
import { collectFrom } from "./metrics/collection.ts";
import { meterSink } from "./metrics/meter-sink.ts";
import { type MetricSink, OBSERVED } from "./metrics/metric.ts";
import { MetricRecorder } from "./metrics/recorder.ts";
import type { InspectableBus, InspectableOutbox, InspectableWebhooks } from "./metrics/sources.ts";
import { OPERATIONS, SpanRecorder } from "./traces/span-recorder.ts";
import { traceLogger } from "./traces/trace-logger.ts";

/** The name of the tracer and of the meter. */
const SCOPE = "@busbar/telemetry";

/** Options of {@link telemetry}. */
export interface TelemetryOptions {
  /**
   * Whether spans are made, and events carry their trace in `metadata.traceparent` and `metadata.tracestate`.
   *
   * @default true
   */
  readonly traces?: boolean | undefined;
  /**
   * How the span of a run belongs to the span in which the event was sent.
   *
   * - `link`: the run begins a trace of its own, with a link. A trace then ends with the request that emitted.
   * - `child`: the run is part of the trace of the emit, however much later it is.
   *
   * @default "link"
   */
  readonly parent?: "link" | "child" | undefined;
  /**
   * Whether there are metrics. With `true` they go to the meter of OpenTelemetry. To serve them to Prometheus without
   * an SDK, pass what `prometheus()` of `@busbar/telemetry/prometheus` returns.
   *
   * @default true
   */
  readonly metrics?: boolean | MetricSink | undefined;
  /**
   * Whether this process reports the gauges, such as backlogs. They are of the whole system where the provider is
   * durable, so that one process is enough.
   *
   * @default true
   */
  readonly gauges?: boolean | undefined;
  /** The outbox of the bus, for the gauges of the outbox. None by default. */
  readonly outbox?: InspectableOutbox | undefined;
  /** The webhooks of the bus, for the gauges of webhooks. None by default. */
  readonly webhooks?: InspectableWebhooks | undefined;
  /** Makes the tracer. The global provider of OpenTelemetry by default. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Makes the meter. The global provider of OpenTelemetry by default. */
  readonly meterProvider?: MeterProvider | undefined;
}

const isObjectWith =
  (method: string) =>
  (value: unknown): string | undefined =>
    typeof (value as Record<string, unknown> | null)?.[method] === "function"
      ? undefined
      : `must have a method ${method}()`;

const OPTIONS: Checks<TelemetryOptions> = {
  traces: checks.boolean,
  parent: checks.oneOf("link", "child"),
  metrics: (value) => (typeof value === "boolean" ? undefined : isObjectWith("counter")(value)),
  gauges: checks.boolean,
  outbox: isObjectWith("inspect"),
  webhooks: isObjectWith("inspect"),
  tracerProvider: isObjectWith("getTracer"),
  meterProvider: isObjectWith("getMeter"),
};

/** The telemetry of a bus: a plugin, and a logger that knows its traces. */
export interface Telemetry extends Plugin {
  /**
   * Wraps a logger: lines that are written within a span have its `trace_id`, `span_id` and `trace_flags`. So do the
   * lines with which the bus reports a failed run. Pass the result to `createEventBus`, whose handlers find it in
   * `context.logger`.
   *
   * @example
   * ```ts
   * const observed = telemetry();
   * const bus = createEventBus({ provider, plugins: [observed], logger: observed.withTraceIds(pino()) });
   * ```
   */
  withTraceIds(logger: Logger): Logger;
}

/**
 * Makes a plugin that reports what a bus does to OpenTelemetry: a span for each send and each run, and metrics. List it
 * before other plugins, so that its spans hold what they do. One plugin belongs to one bus.
 *
 * Without an SDK of OpenTelemetry there are no spans, and metrics go nowhere unless `metrics` is a sink.
 *
 * @throws TypeError when an option has a value that it cannot have.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider, plugins: [telemetry()] });
 * ```
 */
export function telemetry(options: TelemetryOptions = {}): Telemetry {
  assertOptions("telemetry()", options, OPTIONS);
  const { traces = true, parent = "link", gauges = true, outbox, webhooks } = options;
  const tracers = options.tracerProvider ?? trace;
  const failures = new Failures();
  const spans = traces ? new SpanRecorder(tracers.getTracer(SCOPE), parent, failures) : undefined;
  const sink = sinkOf(options);
  const recorder = sink && new MetricRecorder(sink, failures);
  const ends: (() => void)[] = [];

  const send = <T>(sending: Sending, next: SendNext<T>): Promise<T> =>
    spans ? spans.send(sending, next) : next();

  return {
    name: "telemetry",

    start({ bus, on, logger, capabilities, role, plugins }: PluginContext) {
      failures.logger = logger;
      ends.push(
        on("delivered", (notice) => {
          spans?.delivered(notice);
          recorder?.ran(notice);
        }),
        on("failed", (notice) => {
          spans?.failed(notice);
          recorder?.ran(notice, { thrown: notice.error });
        }),
        on("dead", (notice) => {
          spans?.dead(notice);
          recorder?.dead(notice);
        }),
        on("released", (notice) => {
          spans?.released(notice);
          recorder?.released(notice);
        }),
      );
      if (!recorder || !sink) return;
      recorder.areGroupsRelayed = plugins.some(({ staging }) => staging?.groups !== undefined);
      ends.push(on("unrouted", (notice) => recorder.unrouted(notice)));
      if (!gauges || role === "tool") return;
      // Plugins are attached to a bus, which has more methods than the contract of modules.
      const inspected = bus as unknown as InspectableBus;
      const isShared = capabilities.durable;
      ends.push(
        sink.observe(Object.values(OBSERVED), () =>
          collectFrom({ bus: inspected, outbox, webhooks, isShared, failures }),
        ),
      );
    },

    stopped() {
      for (const end of ends.splice(0)) end();
      spans?.close();
    },

    ...(spans && { middleware: (delivery, next) => spans.run(delivery, next) }),

    sending(sending, next) {
      if (!recorder) return send(sending, next);
      const startedAt = performance.now();
      const end = (failure?: { readonly thrown: unknown }): void =>
        recorder.sent(sending, OPERATIONS[sending.kind], performance.now() - startedAt, failure);
      try {
        const sent = send(sending, next);
        sent.then(
          () => end(),
          (thrown: unknown) => end({ thrown }),
        );
        return sent;
      } catch (thrown) {
        end({ thrown });
        throw thrown;
      }
    },

    withTraceIds: (logger) =>
      traceLogger(logger, ({ subscriberId, eventId, attempt }) =>
        spans?.failedSpan(subscriberId, eventId, attempt),
      ),
  };
}

function sinkOf({
  metrics: given = true,
  meterProvider,
}: TelemetryOptions): MetricSink | undefined {
  if (typeof given === "object") return given;
  return given ? meterSink((meterProvider ?? metrics).getMeter(SCOPE)) : undefined;
}
