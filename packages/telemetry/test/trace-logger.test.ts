import { createEventBus, type Logger } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { expect, onTestFinished, test } from "vitest";
import { telemetry } from "../src/telemetry.ts";
import { idOf, testSpans, traceOf, useContextManager } from "./support/spans.ts";

useContextManager();

test("lines of handlers, and of the bus about their failures, have the ids of the run", async () => {
  const lines: { readonly message: string; readonly fields: Record<string, unknown> }[] = [];
  const write = (fields: object, message: string): void =>
    void lines.push({ message, fields: { ...fields } });
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const spans = testSpans();
  const observed = telemetry({ metrics: false, tracerProvider: spans.provider });
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [observed],
    logger: observed.withTraceIds(logger),
  });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  bus.subscribe(
    "a",
    (_event, context) => {
      context.logger.info({ order: "42" }, "Sending");
      throw new Error("no ink");
    },
    { subscriberId: "send-receipt", attempts: 2, backoff: 1 },
  );
  await bus.start();
  await bus.emit("a", 1);
  await bus.settled();
  const [first, second] = spans.named("process send-receipt");
  const idsOf = (text: string): readonly unknown[] =>
    lines
      .filter(({ message }) => message.includes(text))
      .map(({ fields }) => [fields["trace_id"], fields["span_id"], fields["trace_flags"]]);
  const [ofFirst, ofSecond] = [first!, second!].map((span) => [traceOf(span), idOf(span), "01"]);
  expect(idsOf("Sending")).toEqual([ofFirst, ofSecond]);
  expect(lines.find(({ message }) => message === "Sending")?.fields).toMatchObject({ order: "42" });
  expect(idsOf("failed attempt")).toEqual([ofFirst]);
  expect(idsOf("has a dead letter")).toEqual([ofSecond]);
  // A line that belongs to no span has no ids.
  const others = lines.filter(({ message }) => /is (ready|connecting)/.test(message));
  expect(others.every(({ fields }) => !("trace_id" in fields))).toBe(true);
});
