import { describe, expect, test, vi } from "vitest";

import { isBusbarError, PermanentError } from "../../src/errors/errors.ts";
import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { parallelize } from "../../src/workflows/parallelize.ts";
import { StepResponse } from "../../src/workflows/step-response.ts";
import type { StepContext } from "../../src/workflows/step-context.ts";
import { transform } from "../../src/workflows/transform.ts";
import type { WorkflowData } from "../../src/workflows/workflow-data.ts";
import { WorkflowResponse } from "../../src/workflows/workflow-response.ts";
import { makeContainer, makeLogger } from "./recording-bus.ts";

/** A step that keeps what was done and undone in `log`, and one that fails. */
function makeSteps(error: unknown = new Error("failed")) {
  const log: string[] = [];
  const work = createStep(
    "work",
    (name: string) => {
      log.push(name);
      return name;
    },
    (name) => void log.push(`undo ${name}`),
  );
  const fail = createStep("fail", () => {
    throw error;
  });
  return { log, work, fail };
}

describe("a workflow that fails", () => {
  test("undoes its completed steps in reverse order, and rejects with the very error", async () => {
    const error = new Error("failed");
    const { log, work, fail } = makeSteps(error);
    const workflow = createWorkflow("w", () => {
      work("a");
      work("b");
      fail();
      work("c");
    });
    await expect(workflow().run()).rejects.toBe(error);
    expect(log).toEqual(["a", "b", "undo b", "undo a"]);
  });

  test("rejects with what was thrown, also when that is no error", async () => {
    const { fail } = makeSteps("just a string");
    const workflow = createWorkflow("w", () => {
      fail();
    });
    await expect(workflow().run()).rejects.toBe("just a string");
  });

  test("fails also when what was thrown is undefined", async () => {
    const { fail } = makeSteps(null);
    const failWithNothing = createStep("nothing", () => Promise.reject(undefined));
    const workflow = createWorkflow("w", () => {
      failWithNothing();
      fail();
    });
    const run = await workflow().run({ throwOnError: false });
    expect(run.transaction.state).toBe("reverted");
    expect(run.errors).toEqual([{ step: "nothing", action: "invoke", error: undefined }]);
  });

  test("resolves with its errors when throwOnError is false", async () => {
    const error = new Error("failed");
    const { fail } = makeSteps(error);
    const workflow = createWorkflow("w", () => {
      fail();
      return new WorkflowResponse(1);
    });
    const context = { transactionId: "t1", eventGroupId: "g1" };
    const run = await workflow().run({ throwOnError: false, context });
    expect(run).toEqual({
      result: undefined,
      errors: [{ step: "fail", action: "invoke", error }],
      transaction: {
        transactionId: "t1",
        eventGroupId: "g1",
        workflowId: "w",
        state: "reverted",
      },
      release: "none",
    });
  });

  test("undoes the others when a compensation fails, and says which could not be undone", async () => {
    const error = new Error("failed");
    const { log, work, fail } = makeSteps(error);
    const broken = createStep(
      "broken",
      () => 1,
      () => Promise.reject(new Error("cannot undo")),
    );
    const workflow = createWorkflow("w", () => {
      work("a");
      broken();
      work("b");
      fail();
    });
    const caught: unknown = await workflow()
      .run({ context: { transactionId: "t1" } })
      .catch((reason: unknown) => reason);
    expect(log).toEqual(["a", "b", "undo b", "undo a"]);
    if (!isBusbarError(caught, "BUSBAR_COMPENSATION_FAILED")) throw caught;
    expect(caught.cause).toBe(error);
    expect(caught.details).toMatchObject({
      workflowId: "w",
      transactionId: "t1",
      step: "fail",
      compensations: [{ step: "broken", error: { message: "cannot undo" } }],
    });
    const run = await workflow().run({ throwOnError: false });
    expect(run.transaction.state).toBe("failed");
    expect(run.errors.map(({ step, action }) => [step, action])).toEqual([
      ["fail", "invoke"],
      ["broken", "compensate"],
    ]);
  });

  test("lets parallel steps finish, and undoes them in reverse order of completion", async () => {
    const { log, work, fail } = makeSteps();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const slow = createStep(
      "slow",
      async () => {
        await gate;
        log.push("slow");
      },
      () => void log.push("undo slow"),
    );
    const openGate = createStep("open", () => {
      go();
      throw new Error("failed");
    });
    const workflow = createWorkflow("w", () => {
      work("a");
      parallelize(slow(), work("b"), openGate());
      fail();
    });
    const run = await workflow().run({ throwOnError: false });
    expect(run.errors.map(({ step }) => step)).toEqual(["open"]);
    expect(log).toEqual(["a", "b", "slow", "undo slow", "undo b", "undo a"]);
  });

  test("begins no further steps in a child that runs beside the one that failed", async () => {
    const { log, work } = makeSteps();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const waitForGate = createStep("wait", () => gate);
    const child = createWorkflow("child", () => {
      work("a");
      waitForGate();
      work("never");
    });
    const failing = createStep("failing", () => {
      setImmediate(go);
      throw new Error("failed");
    });
    const workflow = createWorkflow("w", () => {
      parallelize(child.runAsStep(), failing());
    });
    await expect(workflow().run()).rejects.toThrow("failed");
    expect(log).toEqual(["a", "undo a"]);
  });

  test("undoes a child as a whole, with the steps around it", async () => {
    const { log, work, fail } = makeSteps();
    const child = createWorkflow("child", (input: WorkflowData<{ name: string }>) => {
      const first = work(input.name);
      work("child-2");
      return new WorkflowResponse({ first });
    });
    const parent = createWorkflow("parent", () => {
      work("a");
      const { first } = child.runAsStep({ input: { name: "child-1" } });
      work(first);
      fail();
    });
    await expect(parent().run()).rejects.toThrow("failed");
    expect(log).toEqual([
      "a",
      "child-1",
      "child-2",
      "child-1",
      "undo child-1",
      "undo child-2",
      "undo child-1",
      "undo a",
    ]);
  });

  test("tells the path of a step that failed in a child", async () => {
    const { fail } = makeSteps();
    const child = createWorkflow("child", () => {
      fail();
    });
    const parent = createWorkflow("parent", () => {
      child.runAsStep();
      child.runAsStep().config({ name: "again" });
    });
    const run = await parent().run({ throwOnError: false });
    expect(run.errors.map(({ step }) => step)).toEqual(["child/fail"]);
  });

  test("is undone when its response cannot be resolved", async () => {
    const { log, work } = makeSteps();
    const workflow = createWorkflow("w", () => {
      const name = work("a");
      return new WorkflowResponse(
        transform(name, () => {
          throw new Error("no response");
        }),
      );
    });
    const run = await workflow().run({ throwOnError: false });
    expect(run.errors).toMatchObject([{ step: "w", action: "invoke" }]);
    expect(log).toEqual(["a", "undo a"]);
  });

  test("writes to the logger only when asked to", async () => {
    const { fail } = makeSteps();
    const workflow = createWorkflow("w", () => {
      fail();
    });
    const logger = makeLogger();
    const container = makeContainer({ logger });
    await workflow(container).run({ throwOnError: false });
    expect(logger.lines).toEqual([]);
    await workflow.run({ container, throwOnError: false, logOnError: true });
    expect(logger.lines).toEqual([{ level: "error", message: 'Workflow "w" failed' }]);
  });
});

describe("onFinish", () => {
  test("gets the result of a run that succeeded, and its failure changes nothing", async () => {
    const logger = makeLogger();
    const workflow = createWorkflow("w", () => new WorkflowResponse(1));
    const onFinish = vi.fn(async () => Promise.reject(new Error("callback")));
    const run = await workflow(makeContainer({ logger })).run({ events: { onFinish } });
    expect(run.result).toBe(1);
    expect(onFinish).toHaveBeenCalledExactlyOnceWith(run);
    expect(logger.lines).toMatchObject([{ level: "error" }]);
  });

  test("changes nothing when it throws after a failure", async () => {
    const error = new Error("failed");
    const { fail } = makeSteps(error);
    const workflow = createWorkflow("w", () => {
      fail();
    });
    const onFinish = (): never => {
      throw new Error("callback");
    };
    await expect(workflow().run({ events: { onFinish } })).rejects.toBe(error);
  });
});

describe("retries", () => {
  function makeFlaky(failures: number, error: () => unknown = () => new Error("flaky")) {
    const attempts: StepContext[] = [];
    const invoke = (_: unknown, context: StepContext): number => {
      attempts.push(context);
      if (attempts.length <= failures) throw error();
      return attempts.length;
    };
    return { attempts, invoke };
  }

  test("are as many as maxRetries, under one stepId", async () => {
    const { attempts, invoke } = makeFlaky(2);
    const step = createStep({ name: "flaky", maxRetries: 2, retryIntervalMs: 1 }, invoke);
    const workflow = createWorkflow("w", () => new WorkflowResponse(step()));
    expect((await workflow().run()).result).toBe(3);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(attempts.map(({ stepId }) => stepId)).size).toBe(1);
  });

  test("run out, and are set by config for one use of a step", async () => {
    const { attempts, invoke } = makeFlaky(5);
    const step = createStep("flaky", invoke);
    const workflow = createWorkflow("w", () => {
      step().config({ maxRetries: 1 });
    });
    await expect(workflow().run()).rejects.toThrow("flaky");
    expect(attempts).toHaveLength(2);
  });

  test("are not made after a PermanentError", async () => {
    const { attempts, invoke } = makeFlaky(5, () => new PermanentError("for good"));
    const step = createStep({ name: "flaky", maxRetries: 5 }, invoke);
    const workflow = createWorkflow("w", () => {
      step();
    });
    await expect(workflow().run()).rejects.toThrow("for good");
    expect(attempts).toHaveLength(1);
  });

  test("are given up when a parallel step fails", async () => {
    const { attempts, invoke } = makeFlaky(5);
    const flaky = createStep({ name: "flaky", maxRetries: 5, retryIntervalMs: 600_000 }, invoke);
    const { fail } = makeSteps();
    const workflow = createWorkflow("w", () => {
      parallelize(flaky(), fail());
    });
    const run = await workflow().run({ throwOnError: false });
    expect(attempts).toHaveLength(1);
    expect(run.errors.map(({ step }) => step)).toEqual(["fail", "flaky"]);
    await expect(workflow().run()).rejects.toThrow("failed");
  });

  test("are made of a compensation, too", async () => {
    const { fail } = makeSteps();
    const { attempts, invoke } = makeFlaky(1);
    const step = createStep(
      { name: "step", maxRetries: 1 },
      () => 1,
      (input, context) => invoke(input, context),
    );
    const workflow = createWorkflow("w", () => {
      step();
      fail();
    });
    const run = await workflow().run({ throwOnError: false });
    expect(run.transaction.state).toBe("reverted");
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });
});

describe("permanentFailure", () => {
  test("is not tried again, and undoes the step itself when it was given what with", async () => {
    const { log, work } = makeSteps();
    const half = createStep(
      { name: "half", maxRetries: 3 },
      () => {
        log.push("half");
        return StepResponse.permanentFailure("half done", "half");
      },
      (input) => void log.push(`undo ${input}`),
    );
    const workflow = createWorkflow("w", () => {
      work("a");
      half();
    });
    await expect(workflow().run()).rejects.toThrow("half done");
    expect(log).toEqual(["a", "half", "undo half", "undo a"]);
  });

  test("in a run inside of a step does not undo that step with what is not its own", async () => {
    const { log } = makeSteps();
    const undo = (input: unknown): void => void log.push(`undo ${String(input)}`);
    const half = createStep("half", () => StepResponse.permanentFailure("half done", "half"), undo);
    const inner = createWorkflow("inner", () => {
      half();
    });
    const outerStep = createStep("outer-step", () => inner().run(), undo);
    const outer = createWorkflow("outer", () => {
      outerStep();
    });
    await expect(outer().run()).rejects.toThrow("half done");
    expect(log).toEqual(["undo half"]);
  });
});

describe("timeoutMs", () => {
  test("fails the attempt and aborts its signal", async () => {
    const signals: AbortSignal[] = [];
    const hang = createStep({ name: "hang", timeoutMs: 5 }, async (_, { signal }) => {
      signals.push(signal);
      await new Promise(() => {});
    });
    const workflow = createWorkflow("w", () => {
      hang().config({ maxRetries: 1 });
    });
    const caught: unknown = await workflow()
      .run()
      .catch((error: unknown) => error);
    if (!isBusbarError(caught, "BUSBAR_TIMEOUT")) throw caught;
    expect(caught.details).toEqual({ timeoutMs: 5, what: 'Step "hang"' });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test("lets a step that is fast enough succeed", async () => {
    const step = createStep({ name: "fast", timeoutMs: 60_000 }, async () => 1);
    const workflow = createWorkflow("w", () => new WorkflowResponse(step()));
    expect((await workflow().run()).result).toBe(1);
  });

  test("ends a run inside of the step, which undoes itself", async () => {
    const { log, work } = makeSteps();
    let timedOut = (): void => {};
    const undone = new Promise<void>((resolve) => {
      timedOut = resolve;
    });
    const waitForAbort = createStep("wait", async (_, { signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    const inner = createWorkflow("inner", () => {
      work("a");
      waitForAbort();
      work("never");
    });
    const runInner = createStep({ name: "run-inner", timeoutMs: 5 }, () =>
      inner().run({ events: { onFinish: timedOut } }),
    );
    const outer = createWorkflow("outer", () => {
      runInner();
    });
    await expect(outer().run()).rejects.toMatchObject({ code: "BUSBAR_TIMEOUT" });
    await undone;
    expect(log).toEqual(["a", "undo a"]);
  });
});

describe("createStep", () => {
  test("refuses options that are out of range", () => {
    expect(() => createStep("", () => {})).toThrow(TypeError);
    for (const wrong of [{ maxRetries: -1 }, { retryIntervalMs: NaN }, { timeoutMs: 2 ** 31 }]) {
      expect(() => createStep({ name: "s", ...wrong }, () => {})).toThrow(TypeError);
    }
  });

  test("passes metadata, names and a logger in the step's context", async () => {
    const logger = makeLogger();
    const seen: StepContext[] = [];
    const look = createStep("look", (_, context) => {
      seen.push(context);
      context.logger.info({}, "seen");
    });
    const child = createWorkflow("child", () => {
      look();
    });
    const workflow = createWorkflow("w", () => {
      look();
      child.runAsStep();
    });
    const context = { metadata: { userId: "u1" }, transactionId: "t1" };
    await workflow(makeContainer({ logger })).run({ context });
    expect(seen).toMatchObject([
      { workflowId: "w", stepName: "look", transactionId: "t1", metadata: { userId: "u1" } },
      { workflowId: "child", stepName: "look", transactionId: "t1", metadata: { userId: "u1" } },
    ]);
    expect(seen[0]?.stepId).not.toBe(seen[1]?.stepId);
    expect(logger.lines).toHaveLength(2);
  });
});
