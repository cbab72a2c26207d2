import { describe, expect, test } from "vitest";

import { asBusContainer, type BusFactory, failingReleases } from "./bus-harness.ts";
import { unhandledRejections } from "./recording-bus.ts";
import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { emitEventStep } from "../../src/workflows/emit-event-step.ts";
import { StepResponse } from "../../src/workflows/step-response.ts";
import type { WorkflowData } from "../../src/workflows/workflow-data.ts";

const fail = createStep("fail", () => {
  throw new Error("no stock");
});

/** What the incumbent's workflows get wrong (`D13` to `D18`), on a bus of any make. */
export function testMedusaDefects(name: string, makeHarness: BusFactory): void {
  describe(`workflows on ${name}`, () => {
    test("D13: a release that fails leaves the workflow done, and is tried again", async () => {
      await using harness = await makeHarness();
      const { bus, failures } = failingReleases(harness.bus, 2);
      const undone: string[] = [];
      const reserve = createStep(
        "reserve",
        () => "reserved",
        () => void undone.push("reserve"),
      );
      const workflow = createWorkflow("d13", () => {
        reserve();
        emitEventStep({ eventName: "order.placed", data: { id: 1 } });
      });

      const unhandled = await unhandledRejections(async () => {
        const run = await workflow(asBusContainer(bus)).run();
        expect(run.transaction.state).toBe("done");
        expect(run.release).toBe("pending");
        expect(run.errors).toEqual([]);
        await failures.released;
      });

      expect(unhandled).toEqual([]);
      expect(undone).toEqual([]);
      expect(await harness.published()).toMatchObject([{ name: "order.placed", data: { id: 1 } }]);
    });

    test("D14: onFinish is called when a workflow fails", async () => {
      await using harness = await makeHarness();
      const finished: string[] = [];
      const workflow = createWorkflow("d14", () => {
        emitEventStep({ eventName: "order.placed", data: { id: 1 } });
        fail();
      });

      const running = workflow(asBusContainer(harness.bus)).run({
        events: { onFinish: ({ transaction }) => finished.push(transaction.state) },
      });

      await expect(running).rejects.toThrow("no stock");
      expect(finished).toEqual(["reverted"]);
    });

    test("D15: the events of a run inside of a step are cleared when the parent fails", async () => {
      await using harness = await makeHarness();
      const inner = createWorkflow("d15-inner", () => {
        emitEventStep({ eventName: "stock.reserved", data: { id: 1 } });
      });
      const runInner = createStep("run-inner", async (_, { container }) => {
        const run = await inner(container).run();
        return run.transaction.eventGroupId;
      });
      const outer = createWorkflow("d15-outer", () => {
        runInner();
        fail();
      });

      await expect(outer(asBusContainer(harness.bus)).run()).rejects.toThrow("no stock");

      expect(await harness.published()).toEqual([]);
    });

    test("D16: emitEventStep with a function as data emits what it returns", async () => {
      await using harness = await makeHarness();
      const workflow = createWorkflow("d16", (input: WorkflowData<{ id: number }>) => {
        emitEventStep({ eventName: "sync", data: ({ workflowId }) => ({ workflowId }) });
        emitEventStep({ eventName: "async", data: async () => [{ id: 1 }, { id: 2 }] });
        emitEventStep({ eventName: "placeholder", data: { id: input.id } });
      });

      await workflow(asBusContainer(harness.bus)).run({ input: { id: 3 } });

      expect(await harness.published()).toMatchObject([
        { name: "sync", data: { workflowId: "d16" } },
        { name: "async", data: { id: 1 } },
        { name: "async", data: { id: 2 } },
        { name: "placeholder", data: { id: 3 } },
      ]);
    });

    test("D17: emitEventStep is used twice in a workflow without a name", async () => {
      await using harness = await makeHarness();
      const workflow = createWorkflow("d17", () => {
        emitEventStep({ eventName: "order.placed", data: { id: 1 } });
        emitEventStep({ eventName: "order.placed", data: { id: 2 } });
      });

      await workflow(asBusContainer(harness.bus)).run();

      expect(await harness.published()).toMatchObject([{ data: { id: 1 } }, { data: { id: 2 } }]);
    });

    test("D18: undoing one step keeps the events of the same name of other steps", async () => {
      await using harness = await makeHarness();
      const attempt = createWorkflow("d18-attempt", (input: WorkflowData<{ id: number }>) => {
        emitEventStep({ eventName: "order.changed", data: { id: input.id } });
        fail();
      });
      const tryIt = createStep("try-it", async (id: number, { container }) => {
        const { transaction } = await attempt(container).run({
          input: { id },
          throwOnError: false,
        });
        return new StepResponse(transaction.state);
      });
      const workflow = createWorkflow("d18", () => {
        emitEventStep({ eventName: "order.changed", data: { id: 1 } });
        tryIt(2);
        emitEventStep({ eventName: "order.changed", data: { id: 3 } });
      });

      await workflow(asBusContainer(harness.bus)).run();

      expect(await harness.published()).toMatchObject([{ data: { id: 1 } }, { data: { id: 3 } }]);
    });
  });
}
