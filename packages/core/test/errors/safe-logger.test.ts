import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";

import { createEventBus } from "../../src/event-bus.ts";
import { createApp } from "../../src/create-app.ts";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "../../src/workflows.ts";
import { loggerFor, safeLogger } from "../../src/errors/safe-logger.ts";
import { memoryProvider } from "../support/test-bus.ts";
import { quoted } from "../../src/errors/quoted.ts";
import { withoutValues } from "../../src/events/schema-issues.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";

describe("safeLogger", () => {
  test("passes on fields and messages, and errors without what they carry", () => {
    const logger = createRecordingLogger();
    const error = Object.assign(new Error("refused"), { query: "SECRET" });
    for (const level of ["debug", "info", "warn", "error"] as const) {
      safeLogger(logger)[level]({ queue: "q", err: error, cause: error }, "It failed");
    }
    expect(logger.lines.map(({ level }) => level)).toEqual(["debug", "info", "warn", "error"]);
    expect(inspect(logger.lines, { depth: Infinity, showHidden: true })).not.toContain("SECRET");
    expect(logger.lines[0]).toMatchObject({
      fields: { queue: "q", err: { message: "refused" }, cause: { message: "refused" } },
      message: "It failed",
    });
  });

  test("says what was thrown when it was no error", () => {
    const logger = createRecordingLogger();
    safeLogger(logger).warn({ err: { card: "SECRET" } }, "It failed");
    expect(logger.lines[0]?.fields).toEqual({ err: new Error("Not an error but [object Object]") });
  });

  test("a message has one line, of bounded length", () => {
    const logger = createRecordingLogger();
    const message = `a\n2026 ERROR forged\r\u001B[31m\u2028\u0085${"x".repeat(10_000)}`;
    safeLogger(logger).error({}, message);
    const [line] = logger.lines;
    expect(line?.message).toMatch(/^a\\n2026 ERROR forged\\r\\u001b\[31m\\u2028\\u0085x+…$/);
    expect(line?.message.length).toBeLessThan(2_100);
  });
});

describe("quoted", () => {
  test.each([
    ["send-receipt", '"send-receipt"'],
    ['a"b\\', '"a\\"b\\\\"'],
    ["a\nb\u2028\u007F", '"a\\nb\\u2028\\u007f"'],
    ["é😀", '"é😀"'],
  ])("quotes %j on one line", (text, expected) => {
    expect(quoted(text)).toBe(expected);
  });

  test("cuts a long text, and no surrogate pair", () => {
    expect(quoted("x".repeat(201))).toBe(`"${"x".repeat(200)}…"`);
    expect(quoted(`${"x".repeat(199)}😀`)).toBe(`"${"x".repeat(199)}…"`);
  });
});

describe("withoutValues", () => {
  test.each([
    [
      `Expected number but received "4111-1111"`,
      { card: "4111-1111" },
      `Expected number but received …`,
    ],
    ["card must be even (was 41117)", { a: [{ card: 41_117 }] }, "card must be even (was …)"],
    ["must be 7 or 8 (was 5)", { count: 5 }, "must be 7 or 8 (was …)"],
    ["received 'a'", ["a"], "received …"],
    ["abcd-efgh and abcd", { a: "abcd", b: "abcd-efgh" }, "… and …"],
    [String.raw`received "a\"bcdef"`, { a: 'a"bcdef' }, "received …"],
    ["Expected string", { a: "s", b: 1, c: null, d: true }, "Expected string"],
  ])("takes values out of %j", (text, data, expected) => {
    expect(withoutValues(text, data)).toBe(expected);
  });

  test("keeps names of members", () => {
    expect(withoutValues('Unrecognized key: "cardNumber"', { cardNumber: "4111" })).toBe(
      'Unrecognized key: "cardNumber"',
    );
  });
});

describe("without a logger", () => {
  /** What is written to the console while the test runs: the method, and the line. */
  function consoleLines(): readonly (readonly [string, string])[] {
    const lines: [string, string][] = [];
    for (const method of ["debug", "info", "log", "warn", "error"] as const) {
      vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
        lines.push([method, args.map(String).join(" ")]);
      });
    }
    return lines;
  }

  async function failTwice(options: Pick<EventBusOptions, "logger">): Promise<void> {
    const bus = createEventBus({ provider: memoryProvider(), ...options });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    const fail = ({ data }: { data: unknown }): never => {
      const cause = new Error("connect ECONNREFUSED 10.0.0.7:25");
      throw Object.assign(new Error("no mail server\nat redis://u:SECRET@mail", { cause }), {
        data,
      });
    };
    bus.subscribe("order.placed", fail, { subscriberId: "send-receipt", attempts: 2 });
    await bus.start();
    await bus.emit("order.placed", { card: "SECRET" });
    await bus.settled();
  }

  test("a failed attempt and a dead letter are a line of the console each", async () => {
    const lines = consoleLines();
    await failTwice({});
    expect(lines.map(([method]) => method)).toEqual(["warn", "error"]);
    const [attempt = "", dead = ""] = lines.map(([, line]) => line);
    const why = "no mail server\\nat redis://…@mail: connect ECONNREFUSED 10.0.0.7:25 at ";
    expect(attempt).toContain(
      `busbar warning: Subscriber "send-receipt" failed attempt 1 of 2; runs again in 0 ms: ${why}`,
    );
    expect(attempt).toMatch(/safe-logger\.test\.ts:\d+:\d+ \(event=order/);
    expect(dead).toContain(
      'busbar error: Subscriber "send-receipt" has a dead letter after 2 attempts',
    );
    expect(`${attempt}${dead}`).not.toMatch(/SECRET|\n/);
  });

  test("false is silence", async () => {
    const lines = consoleLines();
    await failTwice({ logger: false });
    expect(lines).toEqual([]);
  });

  test("what is neither a logger nor false is refused", () => {
    const logger = { log() {} } as never;
    expect(() => createEventBus({ provider: memoryProvider(), logger })).toThrow(
      "createEventBus(): option logger must be a logger, or false: it has no debug()",
    );
  });

  test.for([
    ["an application's", {}, 1],
    ["an application's, silenced by its configuration", { logger: false }, 0],
  ] as const)("%s services find one", async ([, options, count]) => {
    const lines = consoleLines();
    const module = { name: "memory", provider: () => memoryProvider() };
    const app = await createApp({ ...options, modules: [{ resolve: module }] });
    onTestFinished(() => app.stop());
    app.container.resolve("logger").warn({ shop: "north", order: { card: "SECRET" } }, "Late");
    app.container.resolve("logger").info({}, "Nothing special");
    expect(lines).toEqual([["warn", "busbar warning: Late (shop=north)"]].slice(0, count));
  });

  test("a workflow says what its caller might not see", async () => {
    const lines = consoleLines();
    const greet = createStep("greet", () => new StepResponse("hello"));
    const workflow = createWorkflow("greeting", () => new WorkflowResponse(greet()));
    const container = { resolve: () => undefined as never };
    const onFinish = (): Promise<never> => Promise.reject(new Error("too late"));
    await workflow.run({ container, events: { onFinish } });
    expect(lines).toEqual([["error", expect.stringContaining("too late") as string]]);
  });

  test("an error without a message of its own is named by what it holds", () => {
    const lines = consoleLines();
    const refused = Object.assign(new Error("connect ECONNREFUSED ::1:1"), { stack: "" });
    const err = Object.assign(new AggregateError([refused], ""), { stack: "" });
    loggerFor(undefined).error({ err, queues: ["a", "b c"], more: {} }, "No queue");
    expect(lines[0]?.[1]).toBe(
      'busbar error: No queue: AggregateError: connect ECONNREFUSED ::1:1 (queues=a,"b c")',
    );
  });
});
