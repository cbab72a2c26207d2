import { context, type SpanContext, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll } from "vitest";

/** Spans that have ended, and what makes more. */
export interface TestSpans {
  readonly provider: BasicTracerProvider;
  /** The spans that have ended, in the order of their ends. */
  all(): readonly ReadableSpan[];
  /** The spans with a name, in the order of their ends. */
  named(name: string): readonly ReadableSpan[];
  /** The only span with a name. */
  only(name: string): ReadableSpan;
  /** Calls back within a span of the test. */
  within<T>(name: string, callback: () => Promise<T>): Promise<T>;
}

/** Lets spans be active, in this file. */
export function useContextManager(): void {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  afterAll(() => context.disable());
}

export function testSpans(): TestSpans {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracer = provider.getTracer("test");
  const all = (): readonly ReadableSpan[] => exporter.getFinishedSpans();
  const named = (name: string): readonly ReadableSpan[] =>
    all().filter((span) => span.name === name);
  return {
    provider,
    all,
    named,
    only(name) {
      const [span, ...others] = named(name);
      if (!span || others.length > 0) {
        throw new Error(
          `There are ${all()
            .map((it) => it.name)
            .join(", ")}`,
        );
      }
      return span;
    },
    within: (name, callback) =>
      tracer.startActiveSpan(name, async (span) => {
        try {
          return await callback();
        } finally {
          span.end();
        }
      }),
  };
}

/** The ids of the span that a span belongs to. Undefined if it begins a trace. */
export function parentOf({ parentSpanContext }: ReadableSpan): string | undefined {
  return parentSpanContext?.spanId;
}

/** The ids of the spans that a span has links to. */
export function linkedBy({ links }: ReadableSpan): readonly string[] {
  return links.map((link) => link.context.spanId);
}

export function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId;
}

export function traceOf(span: ReadableSpan): string {
  return span.spanContext().traceId;
}

/** The span that the caller is in. */
export function activeSpan(): SpanContext | undefined {
  return trace.getActiveSpan()?.spanContext();
}
