import { describe, expect, onTestFinished, test } from "vitest";
import type { Plugin, PluginContext, Sending } from "../../src/contract/plugin.ts";
import type { Envelope, StagedEvent } from "../../src/contract/provider.ts";
import { Modules } from "../../src/contract/container.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { emitEventStep } from "../../src/workflows/emit-event-step.ts";
import { StepResponse } from "../../src/workflows/step-response.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

/** A plugin that notes each send, and adds metadata. */
function noting(metadata: Readonly<Record<string, string | undefined>> = { trace: "t" }): {
  readonly plugin: Plugin;
  readonly sends: string[];
  context(): PluginContext;
} {
  const sends: string[] = [];
  let context: PluginContext | undefined;
  const plugin: Plugin = {
    name: "noting",
    start: (given) => void (context = given),
    sending: ({ kind, events }, next) => {
      sends.push(`${kind} ${events.map(({ name }) => name).join(" ")}`);
      return next(metadata);
    },
  };
  return { plugin, sends, context: () => context as PluginContext };
}

/** Delivers to a handler, and resolves with the metadata of what it got. */
function handled(bus: Awaited<ReturnType<typeof startTestBus>>["bus"], name: string) {
  return new Promise<Readonly<Record<string, unknown>>>((resolve) => {
    bus.subscribe(name, ({ metadata }) => resolve(metadata), { subscriberId: `see-${name}` });
  });
}

describe("what plugins do around a send", () => {
  test("wraps each emit once, and adds metadata to all of its events", async () => {
    const { plugin, sends } = noting();
    const { bus } = await startTestBus({ plugins: [plugin] });
    const first = handled(bus, "a");
    const second = handled(bus, "b");
    await bus.emit([
      { name: "a", data: 1 },
      { name: "b", data: 2, metadata: { tenant: "x" } },
    ]);
    expect(await first).toMatchObject({ trace: "t" });
    expect(await second).toMatchObject({ trace: "t", tenant: "x" });
    expect(sends).toEqual(["emit a b"]);
    await bus.emit([]);
    expect(sends).toHaveLength(1);
  });

  test("replaces what the caller has passed on, and removes what is undefined", async () => {
    const { plugin } = noting({ trace: "new", state: undefined });
    const { bus } = await startTestBus({ plugins: [plugin] });
    const seen = handled(bus, "a");
    const metadata = { trace: "old", state: "old", tenant: "x" };
    await bus.emit({ name: "a", data: 1, metadata });
    expect(await seen).toMatchObject({ trace: "new", tenant: "x" });
    expect(await seen).not.toHaveProperty("state");
    expect(metadata).toEqual({ trace: "old", state: "old", tenant: "x" });
  });

  test("sees a group as it is staged and as it is released, and adds metadata to it once", async () => {
    const { plugin, sends } = noting();
    const { bus } = await startTestBus({ plugins: [plugin] });
    const seen = handled(bus, "a");
    await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    expect(sends).toEqual(["stage a"]);
    await bus.releaseGroupedEvents("g");
    expect(sends).toEqual(["stage a", "release a"]);
    expect(await seen).toMatchObject({ trace: "t" });
  });

  test("sees a release that its provider does in one step", async () => {
    const staging = new Map<string, readonly StagedEvent[]>();
    const inner = memoryProvider();
    const groups = new MemoryGroupStaging({
      clock: { now: () => 0, monotonic: () => 0, setTimeout: () => ({ cancel() {} }) },
      publish: (envelopes) => inner.publish(envelopes, { deadline: 1, inHandler: false }),
      onExpired: () => {},
    });
    const known = {
      take: (id: string) => staging.get(id),
      release: async (
        _id: string,
        _events: readonly StagedEvent[],
        envelopes: readonly Envelope[],
      ) => inner.publish(envelopes, { deadline: 1, inHandler: false }),
    };
    const provider = providerLike(inner, {
      groups: {
        stage: async (id, events) => void staging.set(id, events),
        mark: groups.mark.bind(groups),
        claim: groups.claim.bind(groups),
        complete: groups.complete.bind(groups),
        abandon: groups.abandon.bind(groups),
        clear: groups.clear.bind(groups),
        list: groups.list.bind(groups),
        known,
      },
    });
    onTestFinished(() => groups.close());
    const { plugin, sends } = noting();
    const { bus } = await startTestBus({ provider, plugins: [plugin] });
    const seen = handled(bus, "a");
    await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    await bus.releaseGroupedEvents("g");
    expect(sends).toEqual(["stage a", "release a"]);
    expect(await seen).toMatchObject({ trace: "t" });
  });

  test("sees what a workflow emits and releases", async () => {
    const { plugin, sends } = noting();
    const { bus } = await startTestBus({ plugins: [plugin] });
    const seen = handled(bus, "a");
    const container = {
      resolve: (name: unknown) => (name === Modules.EVENT_BUS ? bus : undefined),
    };
    const place = createStep("place", async () => new StepResponse("1"));
    const workflow = createWorkflow("placing", () => {
      place();
      emitEventStep({ eventName: "a", data: { id: "1" } });
    });
    await workflow(container as never).run();
    expect(await seen).toMatchObject({ trace: "t" });
    expect(sends).toEqual(["stage a", "release a"]);
  });

  test("sees what is written within a transaction, and what a relay publishes without changing it", async () => {
    const { plugin, sends, context } = noting();
    const staged: Envelope[] = [];
    const outbox: Plugin = {
      name: "outbox",
      staging: { stage: async (_transaction, envelopes) => void staged.push(...envelopes) },
    };
    const { bus } = await startTestBus({ plugins: [plugin, outbox] });
    const seen = handled(bus, "a");
    await bus.withTransaction("tx").emit("a", 1);
    expect(staged).toMatchObject([{ metadata: { trace: "t" } }]);
    const [envelope] = staged as [Envelope];
    const row = { ...envelope, metadata: { ...envelope.metadata, trace: "of the row" } };
    await context().publishEnvelopes([row]);
    expect(sends).toEqual(["stage a", "relay a"]);
    expect(await seen).toMatchObject({ trace: "of the row" });
  });

  test("decides what an emit resolves with, or rejects with", async () => {
    const hook = (answer: "throw" | "reject" | "skip"): Plugin => ({
      name: "hook",
      sending: (_sending, _next) => {
        const error = new Error("no");
        if (answer === "throw") throw error;
        return answer === "skip" ? Promise.resolve([] as never) : Promise.reject(error);
      },
    });
    for (const answer of ["throw", "reject"] as const) {
      const { bus } = await startTestBus({ plugins: [hook(answer)] });
      await expect(bus.emit("a", 1)).rejects.toThrow("no");
      expect((await bus.inspect()).counters.emitted).toBe(0);
    }
    const { bus } = await startTestBus({ plugins: [hook("skip")] });
    expect(await bus.emit("a", 1)).toEqual([]);
  });

  test("is nested as the plugins are listed, and none may send twice", async () => {
    const steps: string[] = [];
    const plugin = (name: string): Plugin => ({
      name,
      async sending<T>(_sending: Sending, next: () => Promise<T>) {
        steps.push(`${name} begins`);
        const result = await next();
        steps.push(`${name} ends`);
        return result;
      },
    });
    const { bus } = await startTestBus({ plugins: [plugin("outer"), plugin("inner")] });
    await bus.emit("a", 1);
    expect(steps).toEqual(["outer begins", "inner begins", "inner ends", "outer ends"]);

    const twice: Plugin = {
      name: "twice",
      async sending<T>(_sending: Sending, next: () => Promise<T>) {
        await next();
        return next();
      },
    };
    const other = await startTestBus({ plugins: [twice] });
    await expect(other.bus.emit("a", 1)).rejects.toThrow("may call next() once");
    expect((await other.bus.inspect()).counters.emitted).toBe(1);
  });
});
