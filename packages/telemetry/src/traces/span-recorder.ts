import {
  context,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { BusNotices } from "@busbar/core";
import type { DeliveryRun, Sending, SendNext } from "@busbar/core/plugin";
import { safeError } from "@busbar/core/provider";
import { ATTR, errorType, type Outcome, SYSTEM } from "../attributes.ts";
import { spanOf, traceMembers } from "./trace-context.ts";

/** Links that a span of many events has at most: what the SDK keeps by default. */
const MOST_LINKS = 128;

/** How each kind of send is called. A send that makes the context of its events is a `PRODUCER`. */
export const OPERATIONS: Readonly<
  Record<Sending["kind"], { readonly name: string; readonly type: "create" | "send" }>
> = {
  emit: { name: "publish", type: "send" },
  stage: { name: "stage", type: "create" },
  release: { name: "release", type: "send" },
  relay: { name: "relay", type: "send" },
};

/** A delivery, as a notice names it. */
type NamedDelivery = Pick<BusNotices["delivered"], "subscriberId" | "attempt"> & {
  readonly event: { readonly id: string };
};

/** Makes spans of what happens in this process. */
export class SpanRecorder {
  readonly #tracer: Tracer;
  readonly #parent: "link" | "child";
  /** The spans of runs that have not ended. */
  readonly #running = new Map<string, Span>();
  #lastFailed: { readonly key: string; readonly span: SpanContext } | undefined;

  constructor(tracer: Tracer, parent: "link" | "child") {
    this.#tracer = tracer;
    this.#parent = parent;
  }

  /** Sends within a span, which the events carry from then on. */
  send<T>(sending: Sending, next: SendNext<T>): Promise<T> {
    const { kind, events } = sending;
    const { name, type } = OPERATIONS[kind];
    const isCreated = kind === "emit" || kind === "stage";
    const [first] = events;
    const destination = events.every((event) => event.name === first?.name)
      ? first?.name
      : undefined;
    const span = this.#tracer.startSpan(
      destination === undefined ? name : `${name} ${destination}`,
      {
        kind: isCreated ? SpanKind.PRODUCER : SpanKind.CLIENT,
        links: isCreated ? [] : linksOf(events),
        attributes: {
          [ATTR.system]: SYSTEM,
          [ATTR.systemName]: SYSTEM,
          [ATTR.operationName]: name,
          [ATTR.operationType]: type,
          ...(destination !== undefined && { [ATTR.destination]: destination }),
          ...(first && events.length === 1
            ? {
                [ATTR.messageId]: first.id,
                [ATTR.conversationId]: first.metadata.correlationId,
              }
            : { [ATTR.batchCount]: events.length }),
        },
      },
      isCreated ? callerOf(first) : context.active(),
    );
    const members = isCreated ? traceMembers(span.spanContext()) : undefined;
    const end = (): void => span.end();
    const fail = (error: unknown): void => {
      recordError(span, error);
      span.end();
    };
    try {
      const sent = context.with(trace.setSpan(context.active(), span), next, undefined, members);
      // The caller waits for the send itself, and not for one promise more.
      sent.then(end, fail);
      return sent;
    } catch (error) {
      fail(error);
      throw error;
    }
  }

  /** Runs a delivery within a span. The span ends when the bus says what became of the run. */
  run(
    { event, context: { subscriberId, attempt } }: DeliveryRun,
    next: () => Promise<void>,
  ): Promise<void> {
    const sent = spanOf(event.metadata);
    const isChild = this.#parent === "child";
    const active = context.active();
    const { correlationId } = event.metadata;
    const span = this.#tracer.startSpan(
      `process ${subscriberId}`,
      {
        kind: SpanKind.CONSUMER,
        links: sent && !isChild ? [{ context: sent }] : [],
        attributes: {
          [ATTR.system]: SYSTEM,
          [ATTR.systemName]: SYSTEM,
          [ATTR.operationName]: "process",
          [ATTR.operationType]: "process",
          [ATTR.destination]: event.name,
          [ATTR.consumerGroup]: subscriberId,
          [ATTR.messageId]: event.id,
          ...(correlationId !== undefined && { [ATTR.conversationId]: correlationId }),
          [ATTR.attempt]: attempt,
        },
      },
      sent && isChild ? trace.setSpanContext(active, sent) : active,
    );
    const key = keyOf({ subscriberId, event, attempt });
    // The same run again: the one before was lost, and will not be heard of.
    this.#running.get(key)?.end();
    this.#running.set(key, span);
    return context.with(trace.setSpan(active, span), next);
  }

  delivered(notice: BusNotices["delivered"]): void {
    const span = this.#take(keyOf(notice));
    if (!span) return;
    span.setAttribute(ATTR.outcome, "acknowledged" satisfies Outcome);
    span.end();
  }

  failed(notice: BusNotices["failed"]): void {
    const { error, delayMs } = notice;
    const key = keyOf(notice);
    const span = this.#running.get(key);
    if (!span) return;
    recordError(span, error);
    this.#lastFailed = { key, span: span.spanContext() };
    // What is dead has a notice of its own, next.
    if (delayMs === undefined) return;
    span.setAttribute(ATTR.outcome, "retry" satisfies Outcome);
    span.setAttribute(ATTR.retryDelay, delayMs);
    this.#take(key)?.end();
  }

  dead(notice: BusNotices["dead"]): void {
    this.#endAs("dead", notice);
  }

  released(notice: BusNotices["released"]): void {
    this.#endAs("released", notice);
  }

  /** Ends the spans of runs that the bus has given up. */
  close(): void {
    for (const span of this.#running.values()) {
      span.setAttribute(ATTR.outcome, "released" satisfies Outcome);
      span.end();
    }
    this.#running.clear();
  }

  /** The span of a run that has failed just now: the bus logs the failure after it has told of it. */
  failedSpan(subscriberId: unknown, eventId: unknown, attempt: unknown): SpanContext | undefined {
    if (typeof subscriberId !== "string" || typeof eventId !== "string") return undefined;
    const key = keyOf({ subscriberId, event: { id: eventId }, attempt: Number(attempt) });
    return this.#lastFailed?.key === key ? this.#lastFailed.span : undefined;
  }

  #endAs(outcome: Outcome, notice: BusNotices["dead"] | BusNotices["released"]): void {
    const span = this.#take(keyOf(notice));
    if (!span) return;
    span.setAttribute(ATTR.outcome, outcome);
    span.setAttribute(ATTR.reason, notice.reason);
    span.end();
  }

  #take(key: string): Span | undefined {
    const span = this.#running.get(key);
    if (span) this.#running.delete(key);
    return span;
  }
}

function keyOf({ subscriberId, event, attempt }: NamedDelivery): string {
  return `${subscriberId}\n${event.id}\n${attempt}`;
}

/**
 * The context that the events are sent in. Outside of any span, it is that of the trace that the caller has passed on
 * in the metadata of the first event, as a caller without OpenTelemetry does.
 */
function callerOf(first: Sending["events"][number] | undefined): Context {
  const active = context.active();
  if (trace.getSpanContext(active) || !first) return active;
  const given = spanOf(first.metadata);
  return given ? trace.setSpanContext(active, given) : active;
}

/** Links to the spans in which events were made, each once. */
function linksOf(events: Sending["events"]): Link[] {
  const links = new Map<string, Link>();
  for (const { metadata } of events) {
    if (links.size === MOST_LINKS) break;
    const sent = spanOf(metadata);
    if (sent) links.set(sent.spanId, { context: sent });
  }
  return [...links.values()];
}

function recordError(span: Span, thrown: unknown): void {
  const error = safeError(thrown);
  span.setAttribute(ATTR.errorType, errorType(thrown));
  span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}
