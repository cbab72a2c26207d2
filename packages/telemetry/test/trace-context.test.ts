import { createTraceState } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import { spanOf, traceMembers } from "../src/traces/trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

describe("the trace context in metadata", () => {
  test("is written and read as W3C Trace Context", () => {
    const state = createTraceState("vendor=1,other=2");
    const members = traceMembers({ traceId, spanId, traceFlags: 1, traceState: state });
    expect(members).toEqual({
      traceparent: `00-${traceId}-${spanId}-01`,
      tracestate: "vendor=1,other=2",
    });
    const read = spanOf({ ...members });
    expect(read).toMatchObject({ traceId, spanId, traceFlags: 1, isRemote: true });
    expect(read?.traceState?.serialize()).toBe("vendor=1,other=2");
  });

  test("an invalid span is not written", () => {
    expect(traceMembers({ traceId: "0".repeat(32), spanId, traceFlags: 0 })).toBeUndefined();
  });

  test("a state that is too long is dropped", () => {
    const traceState = createTraceState(
      `a=${"x".repeat(200)},b=${"x".repeat(200)},c=${"x".repeat(200)}`,
    );
    expect(traceMembers({ traceId, spanId, traceFlags: 0, traceState })).toEqual({
      traceparent: `00-${traceId}-${spanId}-00`,
      tracestate: undefined,
    });
  });

  test.each([
    ["nothing", undefined],
    ["a number", 1],
    ["an empty text", ""],
    ["capitals", `00-${traceId.toUpperCase()}-${spanId}-01`],
    ["version ff", `ff-${traceId}-${spanId}-01`],
    ["more parts than version 00 has", `00-${traceId}-${spanId}-01-x`],
    ["zeros", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a short id", `00-${traceId}-b7ad-01`],
    ["no flags", `00-${traceId}-${spanId}`],
  ])("%s is no trace", (_what, traceparent) => {
    expect(spanOf({ traceparent })).toBeUndefined();
  });

  test("a later version may have more parts", () => {
    expect(spanOf({ traceparent: `01-${traceId}-${spanId}-01-x` })).toMatchObject({ spanId });
  });
});
