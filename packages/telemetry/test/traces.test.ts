import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { createEventBus, type EventBus, PermanentError } from "@busbar/core";
import { createStep, createWorkflow, emitEventStep, StepResponse } from "@busbar/core/workflows";
import { localProvider } from "@busbar/local";
import { describe, expect, onTestFinished, test } from "vitest";
import { telemetry, type TelemetryOptions } from "../src/telemetry.ts";
import {
  activeSpan,
  idOf,
  linkedBy,
  parentOf,
  testSpans,
  type TestSpans,
  traceOf,
  useContextManager,
} from "./support/spans.ts";

useContextManager();

type Metadata = Readonly<Record<string, unknown>>;

async function startBus(
  options: TelemetryOptions = {},
): Promise<{ readonly bus: EventBus; readonly spans: TestSpans }> {
  const spans = testSpans();
  const plugin = telemetry({ metrics: false, tracerProvider: spans.provider, ...options });
  const bus = createEventBus({ provider: localProvider(), plugins: [plugin], logger: false });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  await bus.start();
  return { bus, spans };
}

const SEND = { subscriberId: "send-receipt" };

describe("spans", () => {
  test("a send and a run have the attributes of the messaging conventions", async () => {
    const { bus, spans } = await startBus();
    bus.subscribe("order.placed", () => {}, SEND);
    const [id] = await bus.emit("order.placed", { orderId: "42" });
    await bus.settled();
    const shared = {
      "messaging.system": "busbar",
      "messaging.system.name": "busbar",
      "messaging.destination.name": "order.placed",
      "messaging.message.id": id,
      "messaging.message.conversation_id": id,
    };
    const send = spans.only("publish order.placed");
    expect(send.kind).toBe(SpanKind.PRODUCER);
    expect(send.attributes).toEqual({
      ...shared,
      "messaging.operation.name": "publish",
      "messaging.operation.type": "send",
    });
    const run = spans.only("process send-receipt");
    expect(run.kind).toBe(SpanKind.CONSUMER);
    expect(run.attributes).toEqual({
      ...shared,
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.consumer.group.name": "send-receipt",
      "busbar.delivery.attempt": 1,
      "busbar.delivery.outcome": "acknowledged",
    });
    expect(run.status.code).toBe(SpanStatusCode.UNSET);
    expect(spans.all()).toHaveLength(2);
  });

  test("a run begins a trace of its own, with a link to the send", async () => {
    const { bus, spans } = await startBus();
    bus.subscribe("a", () => {}, SEND);
    await spans.within("request", () => bus.emit("a", 1));
    await bus.settled();
    const [request, send] = [spans.only("request"), spans.only("publish a")];
    const run = spans.only("process send-receipt");
    expect(parentOf(send)).toBe(idOf(request));
    expect(parentOf(run)).toBeUndefined();
    expect(traceOf(run)).not.toBe(traceOf(send));
    expect(linkedBy(run)).toEqual([idOf(send)]);
  });

  test('with parent: "child", a run is part of the trace of the emit', async () => {
    const { bus, spans } = await startBus({ parent: "child" });
    bus.subscribe("a", () => {}, SEND);
    await bus.emit("a", 1);
    await bus.settled();
    const [send, run] = [spans.only("publish a"), spans.only("process send-receipt")];
    expect(parentOf(run)).toBe(idOf(send));
    expect(traceOf(run)).toBe(traceOf(send));
    expect(linkedBy(run)).toEqual([]);
  });

  test("each event of a batch has a run of its own, and what the handler emits belongs to the first", async () => {
    const { bus, spans } = await startBus();
    let inHandler: string | undefined;
    bus.subscribe<number>(
      "a",
      async (events, { fail }) => {
        inHandler = activeSpan()?.spanId;
        await bus.emit("b", 1);
        fail(events[1]!, new PermanentError("never"));
      },
      { ...SEND, batch: { maxEvents: 3 } },
    );
    const ids = await bus.emit([1, 2, 3].map((data) => ({ name: "a", data })));
    await bus.settled();
    const runs = spans.all().filter(({ name }) => name === "process send-receipt");
    const outcomes = ids.map((id) => {
      const run = runs.find(({ attributes }) => attributes["messaging.message.id"] === id);
      return run?.attributes["busbar.delivery.outcome"];
    });
    expect(outcomes).toEqual(["acknowledged", "dead", "acknowledged"]);
    const first = runs.find(({ attributes }) => attributes["messaging.message.id"] === ids[0])!;
    expect(inHandler).toBe(idOf(first));
    expect(parentOf(spans.only("publish b"))).toBe(idOf(first));
  });

  test("what a handler emits belongs to its run, whatever metadata it passes on", async () => {
    const { bus, spans } = await startBus();
    let inHandler: string | undefined;
    bus.subscribe(
      "a",
      async ({ metadata }) => {
        inHandler = activeSpan()?.spanId;
        await bus.emit({ name: "b", data: 1, metadata });
      },
      SEND,
    );
    const seen: Metadata[] = [];
    bus.subscribe("b", ({ metadata }) => void seen.push(metadata), { subscriberId: "see" });
    await bus.emit("a", 1);
    await bus.settled();
    const run = spans.only("process send-receipt");
    const second = spans.only("publish b");
    expect(inHandler).toBe(idOf(run));
    expect(parentOf(second)).toBe(idOf(run));
    expect(seen[0]?.["traceparent"]).toBe(`00-${traceOf(second)}-${idOf(second)}-01`);
    expect(linkedBy(spans.only("process see"))).toEqual([idOf(second)]);
  });

  test("a caller without a span of its own passes on a trace in the metadata", async () => {
    const { bus, spans } = await startBus();
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const metadata = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: "a=1" };
    const seen: Metadata[] = [];
    bus.subscribe("a", (event) => void seen.push(event.metadata), SEND);
    await bus.emit({ name: "a", data: 1, metadata });
    await spans.within("request", () => bus.emit({ name: "a", data: 2, metadata }));
    await bus.settled();
    const [first, second] = spans.named("publish a");
    expect(traceOf(first!)).toBe(traceId);
    expect(seen[0]).toMatchObject({
      traceparent: `00-${traceId}-${idOf(first!)}-01`,
      tracestate: "a=1",
    });
    // A state belongs to its trace.
    expect(traceOf(second!)).toBe(traceOf(spans.only("request")));
    expect(seen[1]).not.toHaveProperty("tracestate");
  });

  test("one send of many events is one span", async () => {
    const { bus, spans } = await startBus();
    bus.subscribe("*", () => {}, SEND);
    await bus.emit([
      { name: "a", data: 1 },
      { name: "a", data: 2 },
    ]);
    await bus.emit([
      { name: "a", data: 1 },
      { name: "b", data: 2 },
    ]);
    await bus.settled();
    expect(spans.only("publish a").attributes).toMatchObject({
      "messaging.batch.message_count": 2,
      "messaging.destination.name": "a",
    });
    const mixed = spans.only("publish");
    expect(mixed.attributes["messaging.batch.message_count"]).toBe(2);
    expect(mixed.attributes).not.toHaveProperty("messaging.destination.name");
    const linked = spans.named("process send-receipt").flatMap(linkedBy);
    expect(new Set(linked)).toEqual(new Set([idOf(spans.only("publish a")), idOf(mixed)]));
  });

  test("each attempt has a span, and says what became of it", async () => {
    const { bus, spans } = await startBus();
    bus.subscribe(
      "a",
      () => {
        throw new TypeError("no ink");
      },
      { ...SEND, attempts: 2, backoff: 1 },
    );
    await bus.emit("a", 1);
    await bus.settled();
    const [first, second] = spans.named("process send-receipt");
    expect(first?.attributes).toMatchObject({
      "busbar.delivery.attempt": 1,
      "busbar.delivery.outcome": "retry",
      "busbar.delivery.retry_delay_ms": 1,
      "error.type": "TypeError",
    });
    expect(second?.attributes).toMatchObject({
      "busbar.delivery.attempt": 2,
      "busbar.delivery.outcome": "dead",
      "busbar.reason": "failed",
    });
    expect(second?.status).toEqual({ code: SpanStatusCode.ERROR, message: "no ink" });
    expect(second?.events[0]).toMatchObject({
      name: "exception",
      attributes: { "exception.message": "no ink" },
    });
    const send = spans.only("publish a");
    expect([linkedBy(first!), linkedBy(second!)]).toEqual([[idOf(send)], [idOf(send)]]);
  });

  test("a dead letter that is replayed links to the send of its event", async () => {
    const { bus, spans } = await startBus();
    let isFixed = false;
    bus.subscribe(
      "a",
      () => {
        if (!isFixed) throw new PermanentError("bad");
      },
      SEND,
    );
    await bus.emit("a", 1);
    await bus.settled();
    isFixed = true;
    await bus.deadLetters.replay("send-receipt");
    await bus.settled();
    const outcomes = spans
      .named("process send-receipt")
      .map((span) => [span.attributes["busbar.delivery.outcome"], linkedBy(span)]);
    const sent = [idOf(spans.only("publish a"))];
    expect(outcomes).toEqual([
      ["dead", sent],
      ["acknowledged", sent],
    ]);
  });

  test("a run that takes too long ends when the bus gives it up", async () => {
    const { bus, spans } = await startBus();
    let end = (): void => {};
    const hanging = new Promise<void>((resolve) => (end = resolve));
    bus.subscribe("a", () => hanging, { ...SEND, timeoutMs: 5 });
    await bus.emit("a", 1);
    await bus.settled();
    expect(spans.only("process send-receipt").attributes).toMatchObject({
      "busbar.delivery.outcome": "dead",
      "error.type": "BUSBAR_TIMEOUT",
    });
    end();
    await hanging;
    expect(spans.named("process send-receipt")).toHaveLength(1);
  });

  test("a run that the stop of the bus cuts short is released", async () => {
    const { bus, spans } = await startBus();
    const started = new Promise<void>((resolve) => {
      bus.subscribe(
        "a",
        (_event, { signal }) => {
          resolve();
          return new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason as Error));
          });
        },
        SEND,
      );
    });
    await bus.emit("a", 1);
    await started;
    await bus.stop({ graceMs: 0 });
    const { attributes } = spans.only("process send-receipt");
    expect(attributes["busbar.delivery.outcome"]).toBe("released");
  });

  test("a group keeps the trace of its emit through the release", async () => {
    const { bus, spans } = await startBus();
    bus.subscribe("a", () => {}, SEND);
    await spans.within("request", () =>
      bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } }),
    );
    await spans.within("later", () => bus.releaseGroupedEvents("g"));
    await bus.settled();
    const stage = spans.only("stage a");
    const release = spans.only("release a");
    expect(stage.attributes["messaging.operation.type"]).toBe("create");
    expect(parentOf(stage)).toBe(idOf(spans.only("request")));
    expect(release.kind).toBe(SpanKind.CLIENT);
    expect(parentOf(release)).toBe(idOf(spans.only("later")));
    expect(linkedBy(release)).toEqual([idOf(stage)]);
    expect(linkedBy(spans.only("process send-receipt"))).toEqual([idOf(stage)]);
  });

  test("a workflow's events keep the trace of the workflow", async () => {
    const { bus, spans } = await startBus();
    bus.subscribe("a", () => {}, SEND);
    const place = createStep("place", async () => new StepResponse("1"));
    const workflow = createWorkflow("placing", () => {
      place();
      emitEventStep({ eventName: "a", data: { id: "1" } });
    });
    const container = { resolve: () => bus };
    await spans.within("request", () => workflow(container as never).run());
    await bus.settled();
    const stage = spans.only("stage a");
    expect(traceOf(stage)).toBe(traceOf(spans.only("request")));
    expect(linkedBy(spans.only("process send-receipt"))).toEqual([idOf(stage)]);
  });

  test("an emit that is refused has an error", async () => {
    const { bus, spans } = await startBus();
    bus.addInterceptor(() => {
      throw new RangeError("not today");
    });
    await expect(bus.emit("a", 1)).rejects.toThrow("not today");
    const send = spans.only("publish a");
    expect(send.status.code).toBe(SpanStatusCode.ERROR);
    expect(send.attributes["error.type"]).toBe("RangeError");
  });

  test("without spans, events travel as the caller made them", async () => {
    const metadata = {
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=1",
    };
    const plugins = [telemetry({ metrics: false }), telemetry({ traces: false, metrics: false })];
    for (const plugin of plugins) {
      const bus = createEventBus({ provider: localProvider(), plugins: [plugin], logger: false });
      onTestFinished(() => bus.stop({ graceMs: 0 }));
      await bus.start();
      const seen: Metadata[] = [];
      bus.subscribe("a", (event) => void seen.push(event.metadata), SEND);
      await bus.emit({ name: "a", data: 1, metadata });
      await bus.emit("a", 1);
      await bus.settled();
      expect(seen[0]).toMatchObject({ tracestate: "a=1" });
      expect(seen[1]).not.toHaveProperty("traceparent");
    }
  });

  test("options that are none are refused", () => {
    expect(() => telemetry({ parent: "both" } as never)).toThrow(TypeError);
    expect(() => telemetry({ metrics: {} } as never)).toThrow("counter()");
    expect(() => telemetry({ outbox: {} } as never)).toThrow("inspect()");
  });
});
