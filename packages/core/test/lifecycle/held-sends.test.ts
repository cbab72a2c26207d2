import { describe, expect, test } from "vitest";
import { Modules } from "../../src/contract/container.ts";
import type { Plugin, PluginContext, Sending, SendNext } from "../../src/contract/plugin.ts";
import type { Envelope } from "../../src/contract/provider.ts";
import { isBusbarError } from "../../src/errors/errors.ts";
import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { emitEventStep } from "../../src/workflows/emit-event-step.ts";
import { StepResponse } from "../../src/workflows/step-response.ts";
import { idle } from "../support/manual-clock.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

/** A plugin that holds each send of one kind, until it is told to go on. */
function holding(kind: Sending["kind"]) {
  const gate = createGate();
  let context: PluginContext | undefined;
  const plugin: Plugin = {
    name: "tenants",
    start: (given) => void (context = given),
    async sending<T>(sending: Sending, next: SendNext<T>) {
      if (sending.kind === kind) await gate.opened;
      return next();
    },
  };
  return { plugin, goOn: gate.open, context: () => context as PluginContext };
}

/** What a promise that is pending becomes, without a rejection that nobody handles meanwhile. */
async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => error,
  );
}

const HELD = {
  code: "BUSBAR_EMIT_TIMEOUT",
  message: 'Plugin "tenants" did not answer within 500 ms',
};
const GROUPED = { name: "a", data: 1, metadata: { eventGroupId: "g" } };

describe("a plugin that holds a send", () => {
  test.each([
    ["one event", "emit", { name: "a", data: 1 }],
    ["an event of a group", "stage", GROUPED],
    ["events with and without a group", "emit", [GROUPED, { name: "a", data: 2 }]],
  ] as const)("rejects the emit of %s at its time limit", async (_what, kind, messages) => {
    const { plugin, goOn } = holding(kind);
    const { bus, clock } = await startTestBus({ plugins: [plugin], emitTimeoutMs: 500 });
    const emitted = outcomeOf(bus.emit(messages as never));
    await clock.advance(500);
    expect(await emitted).toMatchObject({
      ...HELD,
      details: { accepted: [], rejected: [], unknown: [] },
    });
    // The caller knows that nothing was sent: it stays so.
    goOn();
    await idle();
    const { counters, groups } = await bus.inspect();
    expect([counters.emitted, groups]).toEqual([0, []]);
  });

  test("rejects a release of a group, which is tried again later", async () => {
    const { plugin, goOn } = holding("release");
    const { bus, clock } = await startTestBus({ plugins: [plugin], emitTimeoutMs: 500 });
    await bus.emit(GROUPED);
    const released = outcomeOf(bus.releaseGroupedEvents("g"));
    await clock.advance(500);
    expect(await released).toMatchObject(HELD);
    goOn();
    await idle();
    await bus.releaseGroupedEvents("g");
    expect((await bus.inspect()).counters.emitted).toBe(1);
  });

  test("rejects what a relay publishes", async () => {
    const { plugin, goOn, context } = holding("relay");
    const staged: Envelope[] = [];
    const outbox: Plugin = {
      name: "outbox",
      staging: { stage: async (_transaction, envelopes) => void staged.push(...envelopes) },
    };
    const { bus, clock } = await startTestBus({ plugins: [plugin, outbox], emitTimeoutMs: 500 });
    await bus.withTransaction("tx").emit("a", 1);
    const published = outcomeOf(context().publishEnvelopes(staged));
    await clock.advance(500);
    expect(await published).toMatchObject(HELD);
    goOn();
    await idle();
    expect((await bus.inspect()).counters.emitted).toBe(0);
  });

  test("rejects an emit within a transaction, and writes nothing afterwards", async () => {
    const { plugin, goOn } = holding("stage");
    const staged: Envelope[] = [];
    const outbox: Plugin = {
      name: "outbox",
      staging: { stage: async (_transaction, envelopes) => void staged.push(...envelopes) },
    };
    const { bus, clock } = await startTestBus({ plugins: [plugin, outbox], emitTimeoutMs: 500 });
    const emitted = outcomeOf(bus.withTransaction("tx").emit("a", 1));
    await clock.advance(500);
    expect(await emitted).toMatchObject(HELD);
    goOn();
    await idle();
    expect(staged).toEqual([]);
  });

  test("fails the step of a workflow that emits", async () => {
    const { plugin } = holding("stage");
    const { bus, clock } = await startTestBus({ plugins: [plugin], emitTimeoutMs: 500 });
    const container = {
      resolve: (name: unknown) => (name === Modules.EVENT_BUS ? bus : undefined),
    };
    const place = createStep("place", async () => new StepResponse("1"));
    const workflow = createWorkflow("placing", () => {
      place();
      emitEventStep({ eventName: "a", data: { id: "1" } });
    });
    const ran = outcomeOf(workflow(container as never).run());
    await clock.advance(500);
    const error = await ran;
    expect(String(error)).toContain(HELD.message);
  });

  test("is named, of several plugins, and the others are not asked any more", async () => {
    const { plugin, goOn } = holding("emit");
    const asked: string[] = [];
    const other = (name: string): Plugin => ({
      name,
      sending: (_sending, next) => {
        asked.push(name);
        return next();
      },
    });
    const plugins = [other("first"), plugin, other("last")];
    const { bus, clock } = await startTestBus({ plugins, emitTimeoutMs: 500 });
    const emitted = outcomeOf(bus.emit("a", 1));
    await clock.advance(500);
    expect(await emitted).toMatchObject(HELD);
    goOn();
    await idle();
    expect(asked).toEqual(["first"]);
  });

  test("shares its time with the provider", async () => {
    const { plugin, goOn } = holding("emit");
    const provider = providerLike(memoryProvider(), { publish: () => new Promise(() => {}) });
    const { bus, clock } = await startTestBus({ provider, plugins: [plugin], emitTimeoutMs: 500 });
    const emitted = outcomeOf(bus.emit({ id: "1", name: "a", data: 1 }));
    await clock.advance(400);
    goOn();
    await clock.advance(100);
    const error = await emitted;
    expect(isBusbarError(error, "BUSBAR_EMIT_TIMEOUT") && error.details.unknown).toEqual(["1"]);
    expect(error).toMatchObject({ message: 'Provider "memory" did not answer within 500 ms' });
  });

  test("lets go when the bus stops", async () => {
    const { plugin, goOn } = holding("emit");
    const { bus } = await startTestBus({ plugins: [plugin] });
    const emitted = outcomeOf(bus.emit("a", 1));
    await bus.stop({ graceMs: 0 });
    expect(await emitted).toMatchObject({ code: "BUSBAR_EMIT_TIMEOUT" });
    goOn();
    await idle();
  });
});

test("what was sent stands, however long a plugin goes on afterwards", async () => {
  const plugin: Plugin = {
    name: "audit",
    async sending<T>(_sending: Sending, next: SendNext<T>): Promise<T> {
      await next();
      return new Promise(() => {});
    },
  };
  const { bus, clock, logger } = await startTestBus({ plugins: [plugin], emitTimeoutMs: 500 });
  for (const id of ["1", "2"]) {
    const emitted = bus.emit({ id, name: "a", data: 1 });
    await clock.advance(500);
    expect(await emitted).toEqual([id]);
  }
  const warnings = logger.lines.filter(({ message }) => message.includes('"audit"'));
  expect(warnings).toHaveLength(1);
});

test("a plugin decides about a send that fails at its time limit", async () => {
  const seen: unknown[] = [];
  const plugin: Plugin = {
    name: "audit",
    async sending<T>(_sending: Sending, next: SendNext<T>): Promise<T> {
      try {
        return await next();
      } catch (error) {
        seen.push(error);
        throw new RangeError("not sent");
      }
    },
  };
  const provider = providerLike(memoryProvider(), { publish: () => new Promise(() => {}) });
  const { bus, clock } = await startTestBus({ provider, plugins: [plugin], emitTimeoutMs: 500 });
  const emitted = outcomeOf(bus.emit("a", 1));
  await clock.advance(500);
  expect(await emitted).toBeInstanceOf(RangeError);
  expect(seen).toMatchObject([{ code: "BUSBAR_EMIT_TIMEOUT" }]);
});
