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
import type { Failures } from "../failures.ts";
import { spanOf, type TraceMembers, traceMembers } from "./trace-context.ts";

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

/** Makes spans of what happens in this process. A span that fails harms nothing else: what it is about goes on. */
export class SpanRecorder {
  readonly #tracer: Tracer;
  readonly #parent: "link" | "child";
  readonly #failures: Failures;
  /** The spans of runs that have not ended. */
  readonly #running = new Map<string, Span>();
  #lastFailed: { readonly key: string; readonly span: SpanContext } | undefined;

  constructor(tracer: Tracer, parent: "link" | "child", failures: Failures) {
    this.#tracer = tracer;
    this.#parent = parent;
    this.#failures = failures;
  }

  /** Sends within a span, which the events carry from then on. */
  send<T>(sending: Sending, next: SendNext<T>): Promise<T> {
    const { kind } = sending;
    const isCreated = kind === "emit" || kind === "stage";
    let span: Span;
    let members: TraceMembers | undefined;
    try {
      span = this.#startSend(sending, isCreated);
      members = isCreated ? traceMembers(span.spanContext()) : undefined;
    } catch (err) {
      this.#failed(err);
      return next();
    }
    const end = (): void => this.#safely(() => span.end());
    const fail = (error: unknown): void =>
      this.#safely(() => {
        recordError(span, error);
        span.end();
      });
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

  #startSend({ kind, events }: Sending, isCreated: boolean): Span {
    const { name, type } = OPERATIONS[kind];
    const [first] = events;
    const destination = events.every((event) => event.name === first?.name)
      ? first?.name
      : undefined;
    return this.#tracer.startSpan(
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
  }

  /** Runs a delivery within a span. The span ends when the bus says what became of the run. */
  run(delivery: DeliveryRun, next: () => Promise<void>): Promise<void> {
    let span: Span;
    try {
      span = this.#startRun(delivery);
    } catch (err) {
      this.#failed(err);
      return next();
    }
    return context.with(trace.setSpan(context.active(), span), next);
  }

  #startRun({ event, context: { subscriberId, attempt } }: DeliveryRun): Span {
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
    return span;
  }

  delivered(notice: BusNotices["delivered"]): void {
    const span = this.#take(keyOf(notice));
    if (!span) return;
    this.#safely(() => {
      span.setAttribute(ATTR.outcome, "acknowledged" satisfies Outcome);
      span.end();
    });
  }

  failed(notice: BusNotices["failed"]): void {
    const { error, delayMs } = notice;
    const key = keyOf(notice);
    const isDead = delayMs === undefined;
    // What is dead has a notice of its own, next.
    const span = isDead ? this.#running.get(key) : this.#take(key);
    if (!span) return;
    this.#safely(() => {
      recordError(span, error);
      this.#lastFailed = { key, span: span.spanContext() };
      if (isDead) return;
      span.setAttribute(ATTR.outcome, "retry" satisfies Outcome);
      span.setAttribute(ATTR.retryDelay, delayMs);
      span.end();
    });
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
      this.#safely(() => {
        span.setAttribute(ATTR.outcome, "released" satisfies Outcome);
        span.end();
      });
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
    this.#safely(() => {
      span.setAttribute(ATTR.outcome, outcome);
      span.setAttribute(ATTR.reason, notice.reason);
      span.end();
    });
  }

  #safely(record: () => void): void {
    try {
      record();
    } catch (err) {
      this.#failed(err);
    }
  }

  #failed(err: unknown): void {
    this.#failures.report("spans", err);
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
