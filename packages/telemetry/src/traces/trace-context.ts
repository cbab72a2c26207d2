import {
  createTraceState,
  isSpanContextValid,
  type SpanContext,
  type TraceState,
} from "@opentelemetry/api";

const VERSION = "00";
/** Characters of `tracestate` that every participant has to carry, and no more than that. */
const MAX_TRACE_STATE = 512;
const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** The members of an event's metadata that carry its trace, as W3C Trace Context names them. */
export type TraceMembers = Readonly<{
  traceparent: string;
  /** Undefined removes a state that belongs to another trace. */
  tracestate: string | undefined;
}>;

/** Returns the members that carry a span. Undefined if there is no span to carry, as without an SDK. */
export function traceMembers(span: SpanContext): TraceMembers | undefined {
  if (!isSpanContextValid(span)) return undefined;
  const flags = span.traceFlags.toString(16).padStart(2, "0");
  return {
    traceparent: `${VERSION}-${span.traceId}-${span.spanId}-${flags}`,
    tracestate: stateText(span.traceState),
  };
}

/** Reads the span that an event was sent in. Undefined if its metadata carries none. */
export function spanOf(metadata: Readonly<Record<string, unknown>>): SpanContext | undefined {
  const { traceparent, tracestate } = metadata;
  if (typeof traceparent !== "string") return undefined;
  const parts = TRACEPARENT.exec(traceparent);
  if (!parts) return undefined;
  const [, traceId = "", spanId = "", flags = "", more] = parts;
  // Later versions may have more parts. This one has none.
  if (more !== undefined && traceparent.startsWith(VERSION)) return undefined;
  const span: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(typeof tracestate === "string" &&
      tracestate !== "" && { traceState: createTraceState(tracestate) }),
  };
  return isSpanContextValid(span) ? span : undefined;
}

function stateText(state: TraceState | undefined): string | undefined {
  const text = state?.serialize();
  return text !== undefined && text !== "" && text.length <= MAX_TRACE_STATE ? text : undefined;
}
