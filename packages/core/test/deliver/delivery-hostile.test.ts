/* oxlint-disable unicorn/no-thenable */
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Logger } from "../../src/contract/logger.ts";
import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { isBusbarError, isPermanentError } from "../../src/errors/errors.ts";
import { memoryProvider, startTestBus, type TestBusOptions } from "../support/test-bus.ts";

function fail(): never {
  throw new Error("a trap");
}

function throwing(member: string): Error {
  return Object.defineProperty(new Error("x"), member, { get: fail });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const traps = {
  get: fail,
  has: fail,
  getPrototypeOf: fail,
  ownKeys: fail,
  getOwnPropertyDescriptor: fail,
};
const selfCaused = new Error("caused by itself");
selfCaused.cause = selfCaused;

const hostile: readonly (readonly [string, unknown])[] = [
  ["undefined", undefined],
  ["null", null],
  ["a symbol", Symbol("s")],
  ["a function", () => {}],
  ["a BigInt", 10n],
  ["an object without a prototype", Object.create(null)],
  ["a frozen error", Object.freeze(new Error("frozen"))],
  ["an error of another realm", runInNewContext("new Error('far')")],
  ["a proxy whose traps throw", new Proxy({}, traps)],
  ["a proxy of an error whose traps throw", new Proxy(new Error("x"), traps)],
  ["a proxy of a function whose traps throw", new Proxy(() => {}, traps)],
  ["a proxy that was revoked", revoked()],
  ...["name", "message", "stack", "code", "cause", "errors", "details"].map(
    (member) => [`an error whose ${member} throws`, throwing(member)] as const,
  ),
  ["an error whose message is a symbol", Object.assign(new Error("x"), { message: Symbol("m") })],
  [
    "an error whose message is an object",
    Object.assign(new Error("x"), { message: { toString: fail } }),
  ],
  ["an error that is its own cause", selfCaused],
  ["an error whose cause is a proxy", new Error("x", { cause: new Proxy({}, traps) })],
  ["an error whose cause is revoked", new Error("x", { cause: revoked() })],
  ["an AggregateError without errors", Object.assign(new AggregateError([]), { errors: 5 })],
  [
    "an AggregateError of a revoked array",
    Object.assign(new AggregateError([]), { errors: revoked() }),
  ],
  ["an AggregateError of what cannot be read", new AggregateError([revoked(), throwing("name")])],
  ["what only looks like an error", { name: "BusbarError", message: "x", stack: 1 }],
  ["what inspects itself and throws", { [inspect.custom]: fail, [Symbol.toPrimitive]: fail }],
];

/** What no one has handled. */
function strayErrors(): unknown[] {
  const stray: unknown[] = [];
  const note = (error: unknown): number => stray.push(error);
  process.on("unhandledRejection", note);
  onTestFinished(() => void process.off("unhandledRejection", note));
  return stray;
}

async function deadLettersOf(
  subscriber: () => unknown,
  options: TestBusOptions = {},
  context: { readonly timeoutMs?: number } = {},
): Promise<void> {
  const stray = strayErrors();
  const { bus } = await startTestBus(options);
  bus.subscribe("a", subscriber as () => void, { subscriberId: "mail", ...context });
  await bus.emit("a", 1);
  await bus.settled();
  const { items } = await bus.deadLetters.list();
  expect(items).toMatchObject([
    { reason: "failed", attempts: 1, errors: [{ at: expect.any(Date) }] },
  ]);
  const [error] = items[0]?.errors ?? [];
  expect(error?.message).toEqual(expect.any(String));
  expect(error?.name).toEqual(expect.any(String));
  expect((await bus.inspect()).counters).toMatchObject({ failed: 1, dead: 1 });
  expect(stray).toEqual([]);
}

describe.each(hostile)("a subscriber that throws %s", (_, thrown) => {
  test("has failed, at once or later, with a limit of time or without", async () => {
    const atOnce = (): never => {
      throw thrown;
    };
    const later = (): Promise<never> => Promise.reject(thrown as Error);
    for (const subscriber of [atOnce, later]) {
      await deadLettersOf(subscriber);
      await deadLettersOf(subscriber, {}, { timeoutMs: 1000 });
    }
  });

  test("has failed beside another that shares its subscription", async () => {
    const stray = strayErrors();
    const { bus } = await startTestBus();
    for (let count = 0; count < 2; count += 1) {
      bus.subscribe("a", () => {
        throw thrown;
      });
    }
    await bus.emit("a", 1);
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    expect(items[0]?.errors[0]?.message).toMatch(/^2 handlers failed: /);
    expect(stray).toEqual([]);
  });

  test("is told of by a logger that reads all of an error, or fails itself", async () => {
    const read = (fields: object): void => {
      inspect(fields, { depth: 10, getters: true });
      JSON.stringify(fields);
    };
    const reading: Logger = { debug: read, info: read, warn: read, error: read };
    const failing: Logger = { debug: fail, info: fail, warn: fail, error: fail };
    for (const logger of [reading, failing]) {
      const stray = strayErrors();
      const bus = createEventBus({ provider: memoryProvider(), logger });
      onTestFinished(() => bus.stop({ graceMs: 0 }));
      bus.subscribe(
        "a",
        () => {
          throw thrown;
        },
        { subscriberId: "mail", attempts: 2 },
      );
      await bus.start();
      await bus.emit("a", 1);
      await bus.settled();
      expect((await bus.deadLetters.list()).items).toMatchObject([{ attempts: 2 }]);
      expect(stray).toEqual([]);
    }
  });

  test("is no error of the bus, and can be mended", () => {
    expect(isBusbarError(thrown)).toBe(false);
    expect(isPermanentError(thrown)).toBe(false);
  });

  test("fails as middleware, as a schema and as a disposer does", async () => {
    const failing = (): never => {
      throw thrown;
    };
    await deadLettersOf(() => {}, { middleware: [failing] });
    await deadLettersOf(() => {}, { middleware: [(_delivery, next) => next().then(failing)] });

    const stray = strayErrors();
    const { bus } = await startTestBus({
      container: { resolve: fail, createScope: () => ({ resolve: fail, dispose: failing }) },
    });
    bus.subscribe("a", (_event, { container }) => void container, { subscriberId: "scoped" });
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1 });
    expect(stray).toEqual([]);
  });

  test("rejects an emit with it when an interceptor or a schema throws it", async () => {
    const { bus } = await startTestBus();
    bus.addInterceptor(() => {
      throw thrown;
    });
    const rejected = await bus.emit("a", 1).then(
      () => "accepted",
      (error: unknown) => [error],
    );
    expect(rejected).toHaveLength(1);
    expect(Object.is((rejected as unknown[])[0], thrown)).toBe(true);

    const events = defineEvents({
      a: {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: () => {
            throw thrown;
          },
        },
      },
    });
    const typed = createEventBus({ provider: memoryProvider(), events });
    onTestFinished(() => typed.stop({ graceMs: 0 }));
    await typed.start();
    const refused = await typed.emit("a", 1).then(
      () => "accepted",
      () => "refused",
    );
    expect(refused).toBe("refused");
  });
});

describe("a subscriber that returns", () => {
  test.each([
    ["a thenable whose then throws", Object.defineProperty({}, "then", { get: fail })],
    ["a proxy whose traps throw", new Proxy({}, traps)],
    ["a revoked proxy", revoked()],
    [
      "a promise whose constructor throws",
      Object.defineProperty(Promise.resolve(), "constructor", { get: fail }),
    ],
  ])("%s has failed", async (_, returned) => {
    await deadLettersOf(() => returned);
    await deadLettersOf(() => returned, {}, { timeoutMs: 1000 });
  });

  test("a promise with a then of its own has the outcome of the promise", async () => {
    const { bus } = await startTestBus();
    const returned = Object.assign(Promise.resolve(), { then: fail });
    bus.subscribe("a", () => returned, { subscriberId: "mail" });
    bus.subscribe("a", () => returned, { subscriberId: "limited", timeoutMs: 1000 });
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 2, failed: 0 });
  });

  test("a thenable that answers twice has one outcome", async () => {
    const stray = strayErrors();
    const { bus } = await startTestBus();
    const twice = {
      then(resolve: () => void, reject: (error: unknown) => void): void {
        resolve();
        reject(new Error("again"));
        resolve();
      },
    };
    bus.subscribe("a", () => twice as unknown as Promise<void>, { subscriberId: "mail" });
    await bus.emit("a", 1);
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 0, dead: 0 });
    expect(stray).toEqual([]);
  });
});
