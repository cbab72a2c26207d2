import { describe, expect, test, vi } from "vitest";
import type { EventBus } from "../../src/event-bus.ts";
import { type RememberingHooks, remembering } from "../support/remembering.ts";
import { idle } from "../support/manual-clock.ts";
import { startTestBus } from "../support/test-bus.ts";
import {
  createStep,
  createWorkflow,
  emitEventStep,
  parallelize,
  transform,
  when,
  WorkflowResponse,
  type WorkflowRunSettings,
} from "../../src/workflows.ts";
import { collect } from "../support/collect.ts";
import { makeContainer } from "./recording-bus.ts";

/** A bus on a provider that stages and releases in one request, and all that is asked of it. */
async function opened(hooks?: RememberingHooks) {
  const { provider, calls } = remembering(hooks);
  const { bus } = await startTestBus({ provider });
  const seen = collect(bus);
  return { bus, calls, seen, container: makeContainer({ event_bus: bus }) };
}

const emit = (data: object) => emitEventStep({ eventName: "a", data });
const undone: string[] = [];
const doing = createStep(
  "do",
  () => "done",
  () => void undone.push("do"),
);
const refusal = new Error("Redis is full");
const refuse = (): Promise<never> => Promise.reject(refusal);

async function groupsOf(bus: EventBus) {
  return (await bus.inspect()).groups;
}

describe("the last events of a workflow", () => {
  test("are staged and released in one request", async () => {
    const { calls, seen, container } = await opened();
    const workflow = createWorkflow("w", () => {
      const first = emit({ n: 1 });
      parallelize(emit({ n: 2 }), emit({ n: 3 }));
      return new WorkflowResponse(first);
    });
    const { result, release } = await workflow(container).run();
    await idle();
    expect(calls).toEqual(["release"]);
    expect(seen.data).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(result).toEqual([seen.events[0]?.id]);
    expect(release).toBe("released");
  });

  test("leave with those that were staged before", async () => {
    const { calls, seen, container } = await opened();
    const workflow = createWorkflow("w", () => {
      emit({ n: 1 });
      doing();
      emit({ n: 2 });
    });
    await workflow(container).run();
    await idle();
    expect(calls).toEqual(["stage", "release"]);
    expect(seen.data).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("leave with what the caller has staged in the group", async () => {
    const { bus, calls, seen, container } = await opened();
    const workflow = createWorkflow("w", () => void emit({ n: 2 }));
    await bus.emit({ name: "a", data: { n: 1 }, metadata: { eventGroupId: "g" } });
    calls.length = 0;
    await workflow(container).run({ context: { eventGroupId: "g" } });
    await idle();
    expect(calls).toEqual(["release"]);
    expect(seen.data).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("are staged and marked first if there are interceptors, which may take long", async () => {
    const { bus, calls, seen, container } = await opened();
    bus.addInterceptor(() => {});
    await createWorkflow("w", () => void emit({ n: 1 }))(container).run();
    await idle();
    expect(calls).toEqual(["stage", "mark", "release"]);
    expect(seen.data).toEqual([{ n: 1 }]);
  });

  test("are emitted by the bus's own method if that was replaced", async () => {
    const { bus, calls, container } = await opened();
    const spy = vi.spyOn(bus, "emit");
    await createWorkflow("w", () => void emit({ n: 1 }))(container).run();
    expect(spy).toHaveBeenCalledOnce();
    expect(calls).toEqual(["stage", "release"]);
  });

  test("are nothing at all when the workflow fails behind them", async () => {
    const { bus, calls, seen, container } = await opened();
    const workflow = createWorkflow("w", () => {
      emit({ n: 1 });
      return new WorkflowResponse(
        transform({}, () => {
          throw new Error("no");
        }),
      );
    });
    await expect(workflow(container).run()).rejects.toThrow("no");
    await idle();
    expect(seen.data).toEqual([]);
    expect(await groupsOf(bus)).toEqual([]);
    expect(calls).toEqual(["stage"]);
  });
});

describe("what a step has emitted is staged", () => {
  /** Runs a workflow that looks, in the middle, at what is staged. */
  async function stagedAt(compose: (look: () => Promise<number>) => void): Promise<number[]> {
    const { bus, container } = await opened();
    const looks: number[] = [];
    const look = async (): Promise<number> => {
      const groups = await groupsOf(bus);
      return looks.push(groups.reduce((sum, { events }) => sum + events, 0));
    };
    await createWorkflow("w", () => compose(look))(container).run();
    return looks;
  }

  test.each<[string, (look: () => Promise<number>) => void]>([
    ["a step", (look) => void createStep("look", look)()],
    ["a condition", (look) => void when({}, async () => (await look()) < 0).then(() => doing())],
    ["a transform", (look) => void emit(transform({}, async () => ({ looks: await look() })))],
    [
      "data",
      (look) => void emitEventStep({ eventName: "b", data: async () => (await look(), {}) }),
    ],
    ["steps at a time", (look) => void parallelize(doing(), createStep("look", look)())],
    ["a child", (look) => void createWorkflow("c", () => void createStep("l", look)()).runAsStep()],
  ])("before %s of its own runs", async (_, compose) => {
    const looks = await stagedAt((look) => {
      emit({ n: 1 });
      compose(look);
    });
    expect(looks).toEqual([1]);
  });

  test("before the result is computed", async () => {
    const { bus, container } = await opened();
    const workflow = createWorkflow("w", () => {
      emit({ n: 1 });
      return new WorkflowResponse(transform({}, async () => (await groupsOf(bus)).length));
    });
    expect((await workflow(container).run()).result).toBe(1);
  });

  test("before a run inside of a step resolves", async () => {
    const { bus, container } = await opened();
    const inner = createWorkflow("inner", () => void emit({ n: 1 }));
    let staged = 0;
    const outer = createStep("outer", async () => {
      await inner(container).run();
      staged = (await groupsOf(bus)).length;
    });
    await createWorkflow("w", () => void outer())(container).run();
    expect(staged).toBe(1);
  });

  test("within its step if that has a time limit or is tried again", async () => {
    let tries = 0;
    const stage: RememberingHooks["stage"] = (through) => (++tries < 3 ? refuse() : through());
    const { calls, seen, container } = await opened({ stage });
    const workflow = createWorkflow("w", () => void emit({ n: 1 }).config({ maxRetries: 2 }));
    await workflow(container).run();
    await idle();
    expect(calls).toEqual(["stage", "stage", "stage", "release"]);
    expect(seen.data).toEqual([{ n: 1 }]);
  });
});

describe("a workflow whose last events", () => {
  const quiet: WorkflowRunSettings<unknown> = { throwOnError: false };

  test.each<[string, RememberingHooks["release"]]>([
    ["is refused", async () => undefined],
    ["is rejected", async () => [{ status: "rejected", code: "refused", reason: "full" }]],
  ])("cannot be staged after the one request %s has failed and is undone", async (_, release) => {
    undone.length = 0;
    const { bus, seen, container } = await opened({ release, stage: refuse });
    const workflow = createWorkflow("w", () => {
      doing();
      emit({ n: 1 });
      emit({ n: 2 });
    });
    const { errors, result, transaction } = await workflow(container).run(quiet);
    await idle();
    expect(errors).toMatchObject([{ step: "emit-event-step", action: "invoke" }]);
    expect(errors[0]?.error).toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
    expect([result, transaction.state]).toEqual([undefined, "reverted"]);
    expect(undone).toEqual(["do"]);
    expect(seen.data).toEqual([]);
    expect(await groupsOf(bus)).toEqual([]);
  });

  test("are staged after all releases them as any group", async () => {
    const { calls, seen, container } = await opened({ release: async () => undefined });
    const { release } = await createWorkflow("w", () => void emit({ n: 1 }))(container).run();
    await idle();
    expect(release).toBe("released");
    expect(calls).toEqual(["release", "stage", "release", "mark", "claim", "complete"]);
    expect(seen.data).toEqual([{ n: 1 }]);
  });

  test("were published, and the answer was lost, publishes them once", async () => {
    const { seen, container, bus } = await opened({
      release: async (publish) => {
        await publish();
        throw new Error("ECONNRESET");
      },
    });
    const { release } = await createWorkflow("w", () => void emit({ n: 1 }))(container).run();
    await idle();
    expect(release).toBe("released");
    expect(seen.data).toEqual([{ n: 1 }]);
    expect(await groupsOf(bus)).toEqual([]);
  });

  test("may have been published is not undone, and publishes them once", async () => {
    undone.length = 0;
    let isAway = true;
    const { seen, container } = await opened({
      release: async () => {
        throw new Error("ECONNRESET");
      },
      stage: (stage) => (isAway ? refuse() : stage()),
    });
    const workflow = createWorkflow("w", () => {
      doing();
      emit({ n: 1 });
    });
    const failures: number[] = [];
    const onReleaseFailed = ({ tries }: { readonly tries: number }): void => {
      failures.push(tries);
      isAway = tries < 2;
    };
    const { release, transaction } = await workflow(container).run({ events: { onReleaseFailed } });
    expect([release, transaction.state]).toEqual(["pending", "done"]);
    await vi.waitFor(() => expect(seen.data).toEqual([{ n: 1 }]), { timeout: 5_000 });
    expect(failures).toEqual([1, 2]);
    expect(undone).toEqual([]);
  });

  test("are being released decides about a run inside of it that ends later", async () => {
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    let answer = (): void => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const { bus, seen, container } = await opened({
      release: async (publish) => {
        begin();
        await answered;
        return publish();
      },
    });
    const inner = createWorkflow("inner", () => {
      createStep("late", () => begun)();
      emit({ n: 2 });
    });
    let late: Promise<unknown> | undefined;
    const forget = createStep("forget", () => {
      late = inner(container).run();
    });
    const run = createWorkflow("w", () => {
      forget();
      emit({ n: 1 });
    })(container).run();
    await begun;
    await idle();
    answer();
    await Promise.all([run, late]);
    await idle();
    expect(seen.data).toHaveLength(2);
    expect(await groupsOf(bus)).toEqual([]);
  });
});
