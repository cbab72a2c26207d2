import { setImmediate as nextTurn } from "node:timers/promises";
import { runInThisContext } from "node:vm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createTestBus } from "../support/test-bus.ts";

afterEach(() => void vi.unstubAllEnvs());

type Bus = ReturnType<typeof createTestBus>["bus"];

/** Evaluates a file that subscribes, as whoever imports it does. */
function evaluate(source: string, bus: Bus, seen: string[], version: string, context = ""): void {
  const code = `(bus, seen) => bus.subscribe(
    ["order.placed", "order.paid"],
    () => void seen.push("${version}"),
    { subscriberId: "mail", ${context} },
  )`;
  const file = runInThisContext(code, { filename: source }) as (bus: Bus, seen: string[]) => void;
  file(bus, seen);
}

async function handledBy(bus: Bus, seen: string[]): Promise<string[]> {
  await bus.start();
  await bus.emit("order.placed", {});
  await bus.settled();
  await bus.stop();
  return seen;
}

describe("a file that is evaluated again", () => {
  test("by another URL replaces its subscriber, and the policy", async () => {
    const { bus } = createTestBus();
    const seen: string[] = [];
    evaluate("file:///app/mail.js", bus, seen, "old");
    evaluate("file:///app/mail.js?t=1", bus, seen, "new", "attempts: 2");
    evaluate("file:///app/mail.js?t=2", bus, seen, "newest", "attempts: 3");
    expect(await handledBy(bus, seen)).toEqual(["newest"]);
  });

  test("while the bus runs replaces its subscriber", async () => {
    const { bus } = createTestBus();
    const seen: string[] = [];
    evaluate("file:///app/mail.js", bus, seen, "old");
    await bus.start();
    await bus.emit("order.placed", {});
    await bus.settled();
    evaluate("file:///app/mail.js?t=1", bus, seen, "new");
    await bus.emit("order.paid", {});
    await bus.settled();
    await bus.stop();
    expect(seen).toEqual(["old", "new"]);
  });

  test("may take the rate from a subscription of batches, and the batches", async () => {
    const { bus, clock } = createTestBus();
    const seen: string[] = [];
    const batch = "batch: { maxEvents: 2 }";
    evaluate("file:///app/mail.js", bus, seen, "slow", `${batch}, rate: { max: 1, perMs: 1e9 }`);
    await bus.start();
    await bus.emit("order.placed", {});
    await bus.settled();
    await bus.emit("order.placed", {});
    await clock.advance(1_000);
    evaluate("file:///app/mail.js?t=1", bus, seen, "quick", batch);
    await bus.settled();
    evaluate("file:///app/mail.js?t=2", bus, seen, "single");
    await bus.emit("order.placed", {});
    await bus.settled();
    await bus.stop();
    expect(seen).toEqual(["slow", "quick", "single"]);
  });

  test("by a development server, which keeps the URL, replaces its subscriber", async () => {
    vi.stubEnv("NODE_ENV", "development");
    const { bus } = createTestBus();
    const seen: string[] = [];
    evaluate("/app/mail.ts", bus, seen, "old");
    await nextTurn();
    evaluate("/app/mail.ts", bus, seen, "new");
    expect(await handledBy(bus, seen)).toEqual(["new"]);
  });
});

describe("two subscribers with one id are a mistake", () => {
  const taken = 'Subscriber "mail" is already subscribed to "order.placed"';

  test.for([
    ["in one file, at once", "development", "/app/mail.ts", false],
    ["in one file, outside of development", undefined, "/app/mail.ts", true],
    ["in two files", "development", "/app/other.ts", true],
    ["in production", "production", "file:///app/mail.ts?t=1", true],
  ] as const)("%s", async ([, env, second, isLater]) => {
    vi.stubEnv("NODE_ENV", env);
    const { bus } = createTestBus();
    evaluate("/app/mail.ts", bus, [], "one");
    if (isLater) await nextTurn();
    expect(() => evaluate(second, bus, [], "two")).toThrow(new TypeError(taken));
  });
});
