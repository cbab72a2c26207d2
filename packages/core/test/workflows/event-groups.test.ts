import { afterEach, describe, expect, test, vi } from "vitest";

import { runCausedBy } from "../../src/causality/causality.ts";
import type { IEventBusModule } from "../../src/contract/event-bus-module.ts";
import { BusbarError } from "../../src/errors/errors.ts";
import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { emitEventStep } from "../../src/workflows/emit-event-step.ts";
import type { ReleaseFailure, WorkflowRun } from "../../src/workflows/run-options.ts";
import type { WorkflowData } from "../../src/workflows/workflow-data.ts";
import { makeBus, makeContainer, makeLogger, unhandledRejections } from "./recording-bus.ts";

const fail = createStep("fail", () => {
  throw new Error("failed");
});
const emitting = createWorkflow("emitting", (input: WorkflowData<{ name: string }>) => {
  emitEventStep({ eventName: input.name, data: {} });
});
const emittingAndFailing = createWorkflow("failing", (input: WorkflowData<{ name: string }>) => {
  emitEventStep({ eventName: input.name, data: {} });
  fail();
});

/** A step that does what it is given. */
const doIt = createStep("do-it", (callback: () => unknown) => callback());

/** A step that stages an event by itself, under its own id, once `when` has been reached. */
const stageAfter = createStep("stage-after", async (when: () => unknown, context) => {
  await when();
  const { container, eventGroupId, stepId } = context;
  const event = { name: "by-self", data: {}, metadata: { eventGroupId, stepId } };
  await container.resolve("event_bus").emit(event);
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the events of a run", () => {
  test("are released once, when the run succeeds", async () => {
    const { bus, container } = makeBus();
    const run = await emitting(container).run({ input: { name: "a" } });
    expect(run.release).toBe("released");
    expect(bus.releases).toEqual([run.transaction.eventGroupId]);
    expect(bus.clears).toEqual([]);
    expect(bus.names()).toEqual(["a"]);
  });

  test("are cleared when it fails", async () => {
    const { bus, container } = makeBus();
    const run = await emittingAndFailing(container).run({
      input: { name: "a" },
      throwOnError: false,
    });
    expect(run.release).toBe("none");
    expect(bus.releases).toEqual([]);
    expect(bus.staged.size).toBe(0);
  });

  test("that a step emits by itself into the group are released and cleared, too", async () => {
    const { bus, container } = makeBus();
    const emitBySelf = createStep("by-self", async (_, { container: services, eventGroupId }) => {
      const event = { name: "own", data: {}, metadata: { eventGroupId } };
      await services.resolve("event_bus").emit(event);
    });
    const good = createWorkflow("good", () => {
      emitBySelf();
    });
    const bad = createWorkflow("bad", () => {
      emitBySelf();
      fail();
    });
    await good(container).run();
    await bad(container).run({ throwOnError: false });
    expect(bus.names()).toEqual(["own"]);
    expect(bus.staged.size).toBe(0);
  });

  test("share the given group with what is in it", async () => {
    const { bus, container } = makeBus();
    await bus.emit({ name: "before", data: {}, metadata: { eventGroupId: "g1" } });
    const quiet = createWorkflow("quiet", () => {});
    const run = await quiet(container).run({ context: { eventGroupId: "g1" } });
    expect(run.release).toBe("released");
    expect(bus.names()).toEqual(["before"]);
  });

  test("need no bus when there are none", async () => {
    const readGroup = createStep("read-group", (_, { eventGroupId }) => eventGroupId);
    const reading = createWorkflow("reading", () => {
      readGroup();
    });
    const run = await reading(makeContainer({})).run();
    expect(run.release).toBe("none");
    const quiet = createWorkflow("quiet", () => {});
    const { bus, container } = makeBus();
    expect((await quiet(container).run()).release).toBe("none");
    expect(bus.releases).toEqual([]);
  });

  test("need no groups on the bus when there are none", async () => {
    const refuse = async (): Promise<never> => {
      const details = { provider: "p", option: "eventGroupId" };
      throw new BusbarError("BUSBAR_UNSUPPORTED", "no groups", details);
    };
    const bus = { releaseGroupedEvents: refuse, clearGroupedEvents: refuse };
    const onReleaseFailed = vi.fn();
    const reading = createWorkflow("reading", () => {
      doIt(() => 1);
    });
    const run = await reading(makeContainer({ event_bus: bus })).run({
      context: { eventGroupId: "g1" },
      events: { onReleaseFailed },
    });
    expect(run.release).toBe("none");
    expect(onReleaseFailed).not.toHaveBeenCalled();
  });

  test("of a child that runs as a step are the parent's", async () => {
    const { bus, container } = makeBus();
    const good = createWorkflow("good", () => {
      emitting.runAsStep({ input: { name: "child" } });
      emitEventStep({ eventName: "parent", data: {} });
    });
    const bad = createWorkflow("bad", () => {
      emitting.runAsStep({ input: { name: "lost" } });
      fail();
    });
    await good(container).run();
    expect(bus.names()).toEqual(["child", "parent"]);
    expect(bus.releases).toHaveLength(1);
    await bad(container).run({ throwOnError: false });
    expect(bus.names()).toEqual(["child", "parent"]);
    expect(bus.staged.size).toBe(0);
  });
});

describe("a run inside of a step", () => {
  test("leaves its events to the run around it, in the same group", async () => {
    const { bus, container } = makeBus();
    let inner: WorkflowRun<unknown> | undefined;
    const outer = createWorkflow("outer", () => {
      emitEventStep({ eventName: "before", data: {} });
      doIt(async () => {
        // Without a container of its own: it gets that of the run around it.
        inner = await emitting.run({ input: { name: "inner" } });
        expect(bus.names()).toEqual([]);
      });
    });
    const run = await outer(container).run();
    expect(inner?.release).toBe("none");
    expect(inner?.transaction.eventGroupId).toBe(run.transaction.eventGroupId);
    expect(inner?.transaction.transactionId).not.toBe(run.transaction.transactionId);
    expect(bus.releases).toHaveLength(1);
    expect(bus.names()).toEqual(["before", "inner"]);
  });

  test("that fails clears its own events, those of runs inside of it included", async () => {
    const { bus, container } = makeBus();
    const middle = createWorkflow("middle", () => {
      doIt(() => emitting.run({ input: { name: "deep" } }));
      fail();
    });
    const outer = createWorkflow("outer", () => {
      emitEventStep({ eventName: "kept", data: {} });
      doIt(() => middle.run({ throwOnError: false }));
    });
    await outer(container).run();
    expect(bus.names()).toEqual(["kept"]);
  });

  test("is independent when it is given a group of its own", async () => {
    const { bus, container } = makeBus();
    const outer = createWorkflow("outer", () => {
      doIt(() => emitting.run({ input: { name: "apart" }, context: { eventGroupId: "g-apart" } }));
      fail();
    });
    await outer(container).run({ throwOnError: false });
    expect(bus.names()).toEqual(["apart"]);
  });

  test("is independent when it begins in a compensation", async () => {
    const { bus, container } = makeBus();
    const undoable = createStep(
      "undoable",
      () => 1,
      (_, { container: services }) => emitting(services).run({ input: { name: "canceled" } }),
    );
    const outer = createWorkflow("outer", () => {
      undoable();
      fail();
    });
    await outer(container).run({ throwOnError: false });
    expect(bus.names()).toEqual(["canceled"]);
  });

  test("is independent when it begins in a handler that the step's emit has called", async () => {
    const { bus, container } = makeBus();
    const outer = createWorkflow("outer", () => {
      doIt(async () => {
        const metadata = { created_at: 0, published_at: 0, correlationId: "e1" };
        const envelope = { id: "e1", name: "placed", data: null, metadata };
        const delivery = { bus, envelope, subscriberId: "mail", isCutShort: false };
        await runCausedBy(delivery, () => emitting(container).run({ input: { name: "handler" } }));
      });
      fail();
    });
    await outer(container).run({ throwOnError: false });
    expect(bus.names()).toEqual(["handler"]);
  });

  test("is independent when it begins after the step has ended", async () => {
    const { bus, container } = makeBus();
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let later: Promise<unknown> = Promise.resolve();
    const outer = createWorkflow("outer", () => {
      doIt(() => {
        later = begun.then(() => emitting(container).run({ input: { name: "later" } }));
      });
      fail();
    });
    await outer(container).run({ throwOnError: false });
    begin();
    await later;
    expect(bus.names()).toEqual(["later"]);
  });

  test("that outlives the run around it is released or cleared as that was", async () => {
    for (const outcome of ["released", "cleared"]) {
      const { bus, container } = makeBus();
      let goOn = (): void => {};
      const gate = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const slow = createWorkflow("slow", () => {
        doIt(() => gate);
        emitEventStep({ eventName: "slow", data: {} });
      });
      let running: Promise<unknown> = Promise.resolve();
      const outer = createWorkflow("outer", () => {
        doIt(() => void (running = slow.run()));
        if (outcome === "cleared") fail();
      });
      await outer(container).run({ throwOnError: false });
      goOn();
      await running;
      expect(bus.names()).toEqual(outcome === "released" ? ["slow"] : []);
      expect(bus.staged.size).toBe(0);
    }
  });
});

describe("a run inside of a step that has timed out", () => {
  test("is undone, and has its events cleared, though all of its steps succeed", async () => {
    const { bus, container } = makeBus();
    let beginSecond = (): void => {};
    const second = new Promise<void>((resolve) => {
      beginSecond = resolve;
    });
    const inner = createWorkflow("inner", () => {
      stageAfter(() => second);
    });
    let first: Promise<WorkflowRun<unknown>> | undefined;
    const states: string[] = [];
    const runInner = createStep({ name: "run-inner", timeoutMs: 20, maxRetries: 1 }, async () => {
      if (!first) {
        first = inner.run({ throwOnError: false });
        await first;
      } else {
        beginSecond();
        states.push((await first).transaction.state);
      }
    });
    const outer = createWorkflow("outer", () => {
      runInner();
    });
    await outer(container).run();
    expect(states).toEqual(["reverted"]);
    expect(bus.messages).toMatchObject([{ name: "by-self" }]);
    expect(bus.published).toEqual([]);
  });
});

describe("a release that fails", () => {
  test("is pending, reported, and tried again until it succeeds", async () => {
    const { bus } = makeBus();
    const logger = makeLogger();
    const failures: ReleaseFailure[] = [];
    bus.failing.release = 2;
    const unhandled = await unhandledRejections(async () => {
      const run = await emitting(makeContainer({ event_bus: bus, logger })).run({
        input: { name: "a" },
        context: { eventGroupId: "g1", transactionId: "t1" },
        events: { onReleaseFailed: (failure) => failures.push(failure) },
      });
      expect(run).toMatchObject({ release: "pending", errors: [], transaction: { state: "done" } });
      await bus.next("released");
    });
    expect(unhandled).toEqual([]);
    expect(bus.names()).toEqual(["a"]);
    const common = { eventGroupId: "g1", transactionId: "t1", willRetry: true };
    expect(failures).toMatchObject([
      { ...common, tries: 1, error: { message: "release failed" } },
      { ...common, tries: 2 },
    ]);
    expect(logger.lines.map(({ level }) => level)).toEqual(["warn", "warn", "info"]);
  });

  test("does not keep the process alive", async () => {
    const { bus, container } = makeBus();
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    bus.failing.release = 1;
    await emitting(container).run({ input: { name: "a" } });
    expect(timers()).toBe(before);
    await bus.next("released");
  });

  test("is given up after twenty tries, at intervals of at most 5 seconds", async () => {
    vi.useFakeTimers();
    const { bus } = makeBus();
    const logger = makeLogger();
    const failures: ReleaseFailure[] = [];
    bus.failing.release = Infinity;
    await emitting(makeContainer({ event_bus: bus, logger })).run({
      input: { name: "a" },
      events: {
        onReleaseFailed(failure) {
          failures.push(failure);
          throw new Error("callback");
        },
      },
    });
    await vi.advanceTimersByTimeAsync(100);
    expect(bus.releases).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(199);
    expect(bus.releases).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(bus.releases).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(bus.releases).toHaveLength(20);
    expect(failures.map(({ willRetry }) => willRetry).lastIndexOf(true)).toBe(18);
    expect(vi.getTimerCount()).toBe(0);
    const giveUp = logger.lines.filter(({ message }) => message.includes("giving up"));
    expect(giveUp).toMatchObject([{ level: "error" }]);
  });

  test("after a bus that cannot be resolved any more is no loss", async () => {
    const { bus } = makeBus();
    let disposed = false;
    const container = {
      resolve(name: string | symbol): IEventBusModule {
        if (name !== "event_bus" || disposed) throw new Error(`Could not resolve ${String(name)}`);
        return bus;
      },
    } as ReturnType<typeof makeContainer>;
    const workflow = createWorkflow("w", () => {
      emitEventStep({ eventName: "a", data: {} });
      doIt(() => {
        disposed = true;
      });
    });
    expect((await workflow(container).run()).release).toBe("released");
    expect(bus.names()).toEqual(["a"]);
  });
});

describe("a clear that fails", () => {
  test("leaves the run reverted, and is tried again by the run's own steps", async () => {
    const { bus, container } = makeBus();
    bus.failing.clear = 3;
    await bus.emit({ name: "other", data: {}, metadata: { eventGroupId: "g1", stepId: "s0" } });
    const unhandled = await unhandledRejections(async () => {
      const workflow = createWorkflow("w", () => {
        stageAfter(() => {});
        emitEventStep({ eventName: "a", data: {} });
        fail();
      });
      const run = await workflow(container).run({
        throwOnError: false,
        context: { eventGroupId: "g1" },
      });
      expect(run.transaction.state).toBe("reverted");
      expect(run.errors.map(({ step }) => step)).toEqual(["fail"]);
      await bus.next("cleared");
    });
    expect(unhandled).toEqual([]);
    expect(bus.stagedIn("g1")).toMatchObject([{ name: "other" }]);
  });

  test("of a run inside of a step keeps its events from being released", async () => {
    const { bus, container } = makeBus();
    bus.failing.clear = 3;
    const outer = createWorkflow("outer", () => {
      emitEventStep({ eventName: "kept", data: {} });
      doIt(() => emittingAndFailing.run({ input: { name: "lost" }, throwOnError: false }));
    });
    const run = await outer(container).run();
    expect(run.release).toBe("pending");
    expect(bus.names()).toEqual([]);
    await bus.next("released");
    expect(bus.names()).toEqual(["kept"]);
  });
});

describe("a step that ends after its timeout", () => {
  test("has what it staged cleared when the run has failed", async () => {
    const { bus, container } = makeBus();
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const late = createStep(
      { name: "late", timeoutMs: 5 },
      async (_, { container: services, eventGroupId, stepId }) => {
        await gate;
        const metadata = { eventGroupId, stepId };
        await services.resolve("event_bus").emit({ name: "late", data: {}, metadata });
      },
    );
    const workflow = createWorkflow("w", () => {
      late();
    });
    await expect(workflow(container).run()).rejects.toMatchObject({ code: "BUSBAR_TIMEOUT" });
    const cleared = bus.next("cleared");
    goOn();
    await cleared;
    expect(bus.messages).toMatchObject([{ name: "late" }]);
    expect(bus.staged.size).toBe(0);
  });
});
