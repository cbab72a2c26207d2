import { EventEmitter } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { WorkflowData } from "../src/workflows/workflow-data.ts";

/** Loads the package as if it were installed once more. */
async function copy() {
  vi.resetModules();
  const [core, container, memory, plugin, provider, workflows] = await Promise.all([
    import("../src/index.ts"),
    import("../src/container.ts"),
    import("../src/memory.ts"),
    import("../src/plugin.ts"),
    import("../src/provider.ts"),
    import("../src/workflows.ts"),
  ]);
  return { ...core, ...container, ...memory, ...plugin, ...provider, ...workflows };
}

type Copy = Awaited<ReturnType<typeof copy>>;

const one = await copy();
const other = await copy();

const memoryOf = (of: Copy) =>
  of.createMemoryProvider({ name: "memory", channel: new EventEmitter() });

/** An application of one copy, whose provider is of the other, and the names of the events that it has handled. */
async function application(): Promise<{
  container: Awaited<ReturnType<Copy["createApp"]>>["container"];
  finished(): Promise<string[]>;
}> {
  const resolve = other.defineEventModule({ name: "memory", provider: () => memoryOf(other) });
  const app = await one.createApp({ modules: [{ resolve }] }, { signals: false });
  const handled: string[] = [];
  app.bus.subscribe("**", ({ name }) => void handled.push(name), { subscriberId: "all" });
  await app.start();
  return {
    container: app.container,
    async finished() {
      await app.bus.settled();
      await app.stop();
      return handled;
    },
  };
}

describe("two copies of the package in one process", () => {
  test("are two", () => {
    expect(one.BusbarError).not.toBe(other.BusbarError);
    expect(one.StepResponse).not.toBe(other.StepResponse);
  });

  test("know each other's errors, catalogues and plugins", async () => {
    const start = vi.fn();
    const events = other.defineEvents({ "order.placed": z.object({ n: z.number() }) });
    const plugins = [other.definePlugin({ name: "other", start })];
    const bus = one.createEventBus({ provider: memoryOf(other), events, plugins });
    class Mine extends other.PermanentError {}
    const handler = vi.fn(() => {
      throw new Mine("no");
    });
    bus.subscribe("order.placed", handler, { subscriberId: "x", attempts: 5 });
    await bus.start();
    const refused: unknown = await bus
      .emit("order.placed", { n: "no" } as never)
      .catch((error: unknown) => error);
    await bus.emit("order.placed", { n: 1 });
    await bus.settled();
    await bus.stop();

    expect(start).toHaveBeenCalledOnce();
    expect(one.isBusbarError(refused, "BUSBAR_INVALID_EVENT")).toBe(true);
    expect(other.isBusbarError(refused, "BUSBAR_INVALID_EVENT")).toBe(true);
    expect(handler).toHaveBeenCalledOnce();
  });

  test("tell the cause of an event that a handler emits on a bus of the other", async () => {
    const first = one.createEventBus({ provider: memoryOf(one) });
    const second = other.createEventBus({ provider: memoryOf(other) });
    const causes: unknown[] = [];
    first.subscribe("a", async () => void (await second.emit("b", {})), { subscriberId: "a" });
    second.subscribe("b", ({ metadata }) => void causes.push(metadata.causationId), {
      subscriberId: "b",
    });
    await Promise.all([first.start(), second.start()]);
    const ids = await first.emit("a", {});
    await first.settled();
    await second.settled();
    await Promise.all([first.stop(), second.stop()]);
    expect(causes).toEqual(ids);
  });

  test("use each other's steps, workflows, placeholders and responses", async () => {
    const { container, finished } = await application();
    const reserve = other.createStep("reserve", (input: { id: string }) => ({ number: input.id }));
    const price = one.createStep("price", (input: { number: string }) => {
      return new other.StepResponse(input.number.length, "undo");
    });
    const told = other.createWorkflow("told", (input: WorkflowData<{ total: number }>) => {
      other.emitEventStep({ eventName: "order.priced", data: input });
      return new one.WorkflowResponse(other.transform(input, ({ total }) => total * 2));
    });
    const skipping = one.createStep(
      "skipping",
      () => other.StepResponse.skip(),
      () => {
        throw new Error("Nothing was done, so there is nothing to undo");
      },
    );
    const order = one.createWorkflow("order", (input: WorkflowData<{ id: string }>) => {
      const { number } = reserve(input);
      const total = price({ number });
      skipping();
      const doubled = told.runAsStep({ input: { total } });
      other
        .when({ total }, (value) => value.total > 0)
        .then(() => {
          other.emitEventStep({ eventName: "order.placed", data: { total } });
        });
      return new other.WorkflowResponse({ number, doubled });
    });
    const { result } = await order(container).run({ input: { id: "42" } });
    expect(result).toEqual({ number: "42", doubled: 4 });
    expect(await finished()).toEqual(["order.priced", "order.placed"]);
  });

  test("undo what a step of the other says is to be undone, and only this", async () => {
    const { container, finished } = await application();
    const undone: unknown[] = [];
    const undo = (input: unknown): void => void undone.push(input);
    const done = one.createStep("done", () => new other.StepResponse("output", "input"), undo);
    const skipped = one.createStep("skipped", () => other.StepResponse.skip(), undo);
    const half = one.createStep(
      "half",
      () => other.StepResponse.permanentFailure("no", "half"),
      undo,
    );
    const failing = one.createWorkflow("failing", () => {
      done();
      skipped();
      half();
    });
    await expect(failing(container).run()).rejects.toThrow();
    expect(undone).toEqual(["half", "input"]);
    expect(await finished()).toEqual([]);
  });

  test("share the group of a run with a run of the other inside of a step", async () => {
    const { container, finished } = await application();
    const child = other.createWorkflow("child", () => {
      other.emitEventStep({ eventName: "child.done", data: {} });
    });
    const nest = one.createStep("nest", async (_: undefined, context) => {
      await child(context.container).run();
    });
    const fail = one.createStep("fail", () => {
      throw new Error("no");
    });
    const parent = one.createWorkflow("parent", () => {
      nest();
      fail();
    });
    await expect(parent(container).run()).rejects.toThrow();
    expect(await finished()).toEqual([]);
  });
});
