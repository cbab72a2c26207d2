import { describe, expect, test } from "vitest";
import type { Middleware } from "../../src/contract/middleware.ts";
import { createTestBus, startTestBus } from "../support/test-bus.ts";

function tracing(name: string, trace: string[]): Middleware {
  return async (_, next) => {
    trace.push(`${name} begins`);
    try {
      await next();
    } finally {
      trace.push(`${name} ends`);
    }
  };
}

describe("middleware", () => {
  test("wraps each run, the first one outermost: options, plugins, use", async () => {
    const trace: string[] = [];
    const { bus } = await startTestBus({
      middleware: [tracing("first", trace), tracing("second", trace)],
      plugins: [{ name: "p", middleware: tracing("plugin", trace) }],
    });
    bus.use(tracing("used", trace));
    bus.subscribe("a", () => void trace.push("handler"));
    await bus.emit("a", 1);
    await bus.settled();
    expect(trace).toEqual([
      "first begins",
      "second begins",
      "plugin begins",
      "used begins",
      "handler",
      "used ends",
      "plugin ends",
      "second ends",
      "first ends",
    ]);
  });

  test("sees the event and the context of each attempt", async () => {
    const { bus } = createTestBus();
    const seen: unknown[] = [];
    bus.use(async ({ event, context }, next) => {
      seen.push([event.name, event.data, context.subscriberId, context.attempt]);
      await next();
    });
    const fail = () => {
      throw new Error("no");
    };
    bus.subscribe("a", fail, { subscriberId: "mail", attempts: 2 });
    await bus.start();
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual([
      ["a", 1, "mail", 1],
      ["a", 1, "mail", 2],
    ]);
  });

  test("that is synchronous and returns next() is fine", async () => {
    const { bus } = await startTestBus();
    let runs = 0;
    bus.use((_, next) => next());
    bus.subscribe("a", () => void runs++);
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toBe(1);
  });

  test.each<[string, Middleware]>([
    ["before next", () => Promise.reject(new Error("no licence"))],
    [
      "after next",
      async (_, next) => {
        await next();
        throw new Error("no licence");
      },
    ],
    [
      "synchronously",
      () => {
        throw new Error("no licence");
      },
    ],
  ])("that fails %s fails the run", async (_, middleware) => {
    const { bus } = await startTestBus({ middleware: [middleware] });
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.deadLetters.list()).items).toMatchObject([
      { reason: "failed", errors: [{ message: "no licence" }] },
    ]);
  });

  test("gets what the handler throws, and may swallow or replace it", async () => {
    const { bus } = await startTestBus();
    const caught: unknown[] = [];
    bus.use(async ({ event }, next) => {
      try {
        await next();
      } catch (error) {
        caught.push((error as Error).message);
        if (event.data === "replace") throw new Error("another", { cause: error });
      }
    });
    bus.subscribe<string>("a", ({ data }) => {
      throw new Error(`no ${data}`);
    });
    await bus.emit("a", "swallow");
    await bus.emit("a", "replace");
    await bus.settled();
    expect(caught).toEqual(["no swallow", "no replace"]);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, dead: 1 });
    expect((await bus.deadLetters.list()).items[0]?.errors[0]?.message).toBe("another");
  });

  test("that does not call next acknowledges without handling", async () => {
    const { bus } = await startTestBus({ middleware: [() => {}] });
    let runs = 0;
    bus.subscribe("a", () => void runs++);
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toBe(0);
    expect((await bus.inspect()).counters.acknowledged).toBe(1);
  });

  test("that does not wait for next still fails with the handler", async () => {
    const { bus } = await startTestBus();
    bus.use((_, next) => {
      void next();
    });
    bus.subscribe("a", () => Promise.reject(new Error("too late to be heard?")));
    await bus.emit("a", 1);
    await bus.settled();

    const { items } = await bus.deadLetters.list();

    expect(items).toMatchObject([{ errors: [{ message: "too late to be heard?" }] }]);
  });

  test("that calls next twice fails with a TypeError, and the handler runs once", async () => {
    const { bus } = await startTestBus();
    let runs = 0;
    bus.use(async (_, next) => {
      await next();
      await next();
    });
    bus.subscribe("a", () => void runs++, { subscriberId: "mail" });
    await bus.emit("a", 1);
    await bus.settled();
    expect(runs).toBe(1);
    expect((await bus.deadLetters.list()).items).toMatchObject([
      { errors: [{ name: "TypeError", message: "Middleware may call next() once" }] },
    ]);
  });

  test("that was added while the bus runs wraps the next run", async () => {
    const { bus } = await startTestBus();
    const trace: string[] = [];
    bus.subscribe<number>("a", ({ data }) => void trace.push(`handler ${data}`));
    await bus.emit("a", 1);
    await bus.settled();
    expect(bus.use(tracing("late", trace))).toBe(bus);
    await bus.emit("a", 2);
    await bus.settled();
    expect(trace).toEqual(["handler 1", "late begins", "handler 2", "late ends"]);
  });

  test("is within the time limit of the subscriber", async () => {
    const { bus, clock } = await startTestBus({ middleware: [() => new Promise(() => {})] });
    bus.subscribe("a", () => {}, { subscriberId: "mail", timeoutMs: 100 });
    await bus.emit("a", 1);
    await clock.advance(100);
    await bus.settled();
    expect((await bus.deadLetters.list()).items[0]?.errors[0]?.code).toBe("BUSBAR_TIMEOUT");
  });

  test("belongs to the run: what it emits has the event as its cause", async () => {
    const { bus } = await startTestBus();
    const causes: unknown[] = [];
    bus.use(async ({ event }, next) => {
      if (event.name === "a") await bus.emit("audited", 1);
      await next();
    });
    bus.subscribe("a", () => {});
    bus.subscribe("audited", ({ metadata }) => void causes.push(metadata.causationId));
    const [id] = await bus.emit("a", 1);
    await bus.settled();
    expect(causes).toEqual([id]);
  });
});
