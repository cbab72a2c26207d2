import { isSpanContextValid, type SpanContext, trace } from "@opentelemetry/api";
import type { Logger } from "@busbar/core";

/** Finds the span of a line that is written outside of any span. */
export type SpanOfLine = (fields: Readonly<Record<string, unknown>>) => SpanContext | undefined;

/** Returns a logger whose lines have the ids of the trace and span that they belong to. */
export function traceLogger(logger: Logger, spanOfLine: SpanOfLine): Logger {
  const write =
    (level: keyof Logger): Logger["info"] =>
    (fields, message) =>
      logger[level](withIds(fields, spanOfLine), message);
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
}

function withIds(fields: object, spanOfLine: SpanOfLine): object {
  const span =
    trace.getActiveSpan()?.spanContext() ?? spanOfLine(fields as Readonly<Record<string, unknown>>);
  if (!span || !isSpanContextValid(span)) return fields;
  const flags = span.traceFlags.toString(16).padStart(2, "0");
  return { trace_id: span.traceId, span_id: span.spanId, trace_flags: flags, ...fields };
}
