import { describe, expect, test } from "vitest";

import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { emitEventStep } from "../../src/workflows/emit-event-step.ts";
import { releaseEventsStep } from "../../src/workflows/release-events-step.ts";
import { transform } from "../../src/workflows/transform.ts";
import { when } from "../../src/workflows/when.ts";
import type { WorkflowData } from "../../src/workflows/workflow-data.ts";
import { WorkflowResponse } from "../../src/workflows/workflow-response.ts";
import { makeBus } from "./recording-bus.ts";

const fail = createStep("fail", () => {
  throw new Error("failed");
});

describe("emitEventStep", () => {
  test("emits an object, each item of an array, and what a transform gives", async () => {
    const { bus, container } = makeBus();
    const workflow = createWorkflow("w", (input: WorkflowData<{ ids: number[] }>) => {
      emitEventStep({ eventName: "object", data: { first: input.ids[0] } });
      emitEventStep({ eventName: "array", data: [{ id: 1 }, { id: 2 }] });
      const data = transform(input.ids, (ids) => ids.map((id) => ({ id })));
      const ids = emitEventStep({ eventName: "transform", data });
      return new WorkflowResponse(ids);
    });
    const { result } = await workflow(container).run({ input: { ids: [7, 8] } });
    expect(bus.published.map(({ name, data }) => [name, data])).toEqual([
      ["object", { first: 7 }],
      ["array", { id: 1 }],
      ["array", { id: 2 }],
      ["transform", { id: 7 }],
      ["transform", { id: 8 }],
    ]);
    expect(result).toEqual(["id-4", "id-5"]);
  });

  test("passes metadata and options, under the run's group and a stepId of its own", async () => {
    const { bus, container } = makeBus();
    const workflow = createWorkflow("w", (input: WorkflowData<{ source: string }>) => {
      emitEventStep({
        eventName: "a",
        data: {},
        metadata: { source: input.source, eventGroupId: "mine", stepId: "mine" },
        options: { attempts: 3 },
      });
      emitEventStep({ eventName: "b", data: {} });
    });
    const run = await workflow(container).run({ input: { source: "checkout" } });
    const { eventGroupId } = run.transaction;
    expect(bus.messages).toMatchObject([
      { name: "a", metadata: { source: "checkout", eventGroupId }, options: { attempts: 3 } },
      { name: "b", metadata: { eventGroupId } },
    ]);
    const stepIds = bus.messages.map(({ metadata }) => metadata?.stepId);
    expect(new Set([...stepIds, "mine"]).size).toBe(3);
  });

  test("emits nothing for undefined, and then needs no bus", async () => {
    const workflow = createWorkflow("w", () => {
      const skipped = when({}, () => false).then(() => transform({}, () => ({ id: 1 })));
      emitEventStep({ eventName: "a", data: undefined });
      emitEventStep({ eventName: "b", data: () => undefined });
      emitEventStep({ eventName: "c", data: skipped });
    });
    const run = await workflow().run();
    expect(run.release).toBe("none");
  });

  test("stages nothing when its time ran out in its function", async () => {
    const { bus, container } = makeBus();
    let goOn = (): void => {};
    let hasFinished = (): void => {};
    const finished = new Promise<void>((resolve) => {
      hasFinished = resolve;
    });
    const workflow = createWorkflow("w", () => {
      emitEventStep({
        eventName: "late",
        data: async () => {
          await new Promise<void>((resolve) => {
            goOn = resolve;
          });
          queueMicrotask(hasFinished);
          return { id: 1 };
        },
      }).config({ timeoutMs: 5 });
    });
    await expect(workflow(container).run()).rejects.toMatchObject({ code: "BUSBAR_TIMEOUT" });
    goOn();
    await finished;
    await new Promise((resolve) => setImmediate(resolve));
    expect(bus.messages).toEqual([]);
  });

  test("undone, clears the events of its own use only", async () => {
    const { bus, container } = makeBus();
    const workflow = createWorkflow("w", () => {
      emitEventStep({ eventName: "a", data: { id: 1 } });
      emitEventStep({ eventName: "a", data: { id: 2 } });
      fail();
    });
    const run = await workflow(container).run({ throwOnError: false });
    const { eventGroupId } = run.transaction;
    const [first, second] = bus.messages.map(({ metadata }) => metadata?.stepId);
    expect(bus.clears).toEqual([
      { eventGroupId, options: { stepIds: [second] } },
      { eventGroupId, options: { stepIds: [first] } },
      { eventGroupId, options: undefined },
    ]);
  });

  test("fails the workflow when the bus refuses", async () => {
    const { bus, container } = makeBus();
    bus.failing.emit = 1;
    const workflow = createWorkflow("w", () => {
      emitEventStep({ eventName: "a", data: {} });
    });
    await expect(workflow(container).run()).rejects.toThrow("emit failed");
    await expect(workflow().run()).rejects.toThrow(/without a container/);
  });

  test("replaces what a failed attempt of a step has staged", async () => {
    const { bus, container } = makeBus();
    let attempts = 0;
    const inner = createWorkflow("inner", () => {
      emitEventStep({ eventName: "inner", data: {} });
    });
    const flaky = createStep(
      { name: "flaky", maxRetries: 2 },
      async (_, { container: services, eventGroupId, stepId, attempt }) => {
        const data = { attempt };
        const metadata = { eventGroupId, stepId };
        await services.resolve("event_bus").emit({ name: "own", data, metadata });
        await inner(services).run();
        if (++attempts < 3) throw new Error("flaky");
      },
    );
    const workflow = createWorkflow("w", () => {
      flaky();
    });
    await workflow(container).run();
    expect(bus.published).toMatchObject([{ name: "own", data: { attempt: 3 } }, { name: "inner" }]);
  });
});

describe("releaseEventsStep", () => {
  test("releases what was staged so far, also when the workflow fails later", async () => {
    const { bus, container } = makeBus();
    const workflow = createWorkflow("w", () => {
      emitEventStep({ eventName: "before", data: {} });
      releaseEventsStep();
      emitEventStep({ eventName: "after", data: {} });
      fail();
    });
    await expect(workflow(container).run()).rejects.toThrow("failed");
    expect(bus.names()).toEqual(["before"]);
    expect(bus.staged.size).toBe(0);
  });
});
