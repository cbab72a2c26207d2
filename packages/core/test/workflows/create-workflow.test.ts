import { describe, expect, test } from "vitest";

import { createStep } from "../../src/workflows/create-step.ts";
import { createWorkflow } from "../../src/workflows/create-workflow.ts";
import { parallelize } from "../../src/workflows/parallelize.ts";
import { StepResponse } from "../../src/workflows/step-response.ts";
import { transform } from "../../src/workflows/transform.ts";
import { when } from "../../src/workflows/when.ts";
import type { WorkflowData } from "../../src/workflows/workflow-data.ts";
import { WorkflowResponse } from "../../src/workflows/workflow-response.ts";

interface Order {
  readonly order: { readonly id: string; readonly items: readonly { readonly price: number }[] };
}

const echo = createStep("echo", (input: unknown) => input);

describe("createWorkflow", () => {
  test("runs its composer once, at definition", async () => {
    let composed = 0;
    const workflow = createWorkflow("w", () => {
      composed++;
    });
    await workflow().run();
    await workflow().run();
    expect(composed).toBe(1);
  });

  test("passes members of placeholders that are nested in objects and arrays", async () => {
    const workflow = createWorkflow("w", (input: WorkflowData<Order>) => {
      const seen = echo({ ids: [input.order.id, "fixed"], first: input.order.items[0] });
      return new WorkflowResponse({ seen, id: input.order.id });
    });
    const input = { order: { id: "o1", items: [{ price: 5 }] } };
    const { result } = await workflow().run({ input });
    expect(result).toEqual({ seen: { ids: ["o1", "fixed"], first: { price: 5 } }, id: "o1" });
  });

  test("resolves members of what is undefined as undefined", async () => {
    const workflow = createWorkflow("w", (input: WorkflowData<{ a?: { b: { c: number } } }>) => {
      return new WorkflowResponse({ c: input.a.b.c });
    });
    expect((await workflow().run({ input: {} })).result).toEqual({ c: undefined });
  });

  test("passes functions and instances of classes in step input as they are", async () => {
    const date = new Date();
    const compute = (): number => 1;
    const workflow = createWorkflow("w", () => new WorkflowResponse(echo({ date, compute })));
    const { result } = await workflow().run();
    expect(result).toEqual({ date, compute });
  });

  test("gives each run its own copy of what the composer wrote", async () => {
    const push = createStep("push", (list: number[]) => {
      list.push(1);
      return list.length;
    });
    const workflow = createWorkflow("w", () => new WorkflowResponse(push([])));
    await workflow().run();
    expect((await workflow().run()).result).toBe(1);
  });

  test("keeps concurrent runs apart", async () => {
    const workflow = createWorkflow("w", (input: WorkflowData<number>) => {
      const doubled = transform(input, async (value) => value * 2);
      return new WorkflowResponse([echo(doubled), doubled]);
    });
    const runs = await Promise.all([1, 2, 3].map((input) => workflow().run({ input })));
    expect(runs.map(({ result }) => result)).toEqual([
      [2, 2],
      [4, 4],
      [6, 6],
    ]);
    expect(new Set(runs.map(({ transaction }) => transaction.transactionId)).size).toBe(3);
  });

  test("refuses an asynchronous composer", () => {
    const composer = (async () => Promise.reject(new Error("nobody waits"))) as never;
    expect(() => createWorkflow("w", composer)).toThrow(/returned a promise/);
  });

  test("refuses a composer that returns something else than a WorkflowResponse", () => {
    const composer = (() => echo(1)) as never;
    expect(() => createWorkflow("w", composer)).toThrow(/must return a WorkflowResponse/);
  });

  test("refuses a name that is chosen twice", () => {
    expect(() =>
      createWorkflow("w", () => {
        echo(1).config({ name: "same" });
        echo(2).config({ name: "same" });
      }),
    ).toThrow(new TypeError('Workflow "w" has two steps of the name "same"'));
  });

  test("names the uses of a step by itself, around the names that were chosen", async () => {
    const name = createStep("name", (_: unknown, { stepName }) => stepName);
    const workflow = createWorkflow(
      "w",
      () => new WorkflowResponse([name(), name().config({ name: "name-2" }), name()]),
    );
    expect((await workflow().run()).result).toEqual(["name", "name-2", "name-3"]);
  });

  test("refuses what was composed in another workflow, when it runs", async () => {
    let foreign: WorkflowData | undefined;
    createWorkflow("a", () => {
      foreign = echo(1);
    });
    const workflow = createWorkflow("b", () => {
      echo(foreign);
    });
    await expect(workflow().run()).rejects.toThrow(/before it has run, or in another workflow/);
  });

  test("refuses to be run in a composer", async () => {
    const inner = createWorkflow("inner", () => {});
    let running: Promise<unknown> | undefined;
    createWorkflow("outer", () => {
      running = inner().run();
    });
    await expect(running).rejects.toThrow(/runAsStep/);
  });

  test("leaves the composer behind when it throws", () => {
    expect(() =>
      createWorkflow("w", () => {
        throw new Error("composer");
      }),
    ).toThrow("composer");
    expect(() => echo(1)).toThrow(TypeError);
  });

  test("says so when a step resolves a service without a container", async () => {
    const resolve = createStep("resolve", (_, { container }) => container.resolve("mailer"));
    const workflow = createWorkflow("w", () => {
      resolve();
    });
    await expect(workflow().run()).rejects.toThrow(/"w" was run without a container/);
  });
});

describe("a step outside of a composer", () => {
  test("is refused", () => {
    expect(() => echo(1)).toThrow(/Step "echo" is used outside of a composer/);
    expect(() => when({}, () => true)).toThrow(TypeError);
    expect(() => transform(1, (value) => value)).toThrow(TypeError);
    expect(() => parallelize()).toThrow(TypeError);
  });
});

describe("a placeholder", () => {
  const uses: Record<string, (input: WorkflowData<Order>) => unknown> = {
    "a template string": (input) => `${input.order.id as unknown as string}`,
    arithmetic: (input) => Number(input.order.items.length) + 1,
    JSON: (input) => JSON.stringify(input),
    "a spread": (input) => ({ ...input }),
    iteration: (input) => [...(input.order.items as unknown as Iterable<unknown>)],
    "an assignment": (input) => Object.assign(input, { order: 1 }),
    in: (input) => "order" in input,
  };
  for (const [name, use] of Object.entries(uses)) {
    test(`is refused in ${name}`, () => {
      const compose = (): unknown =>
        createWorkflow("w", (input: WorkflowData<Order>) => {
          use(input);
        });
      expect(compose).toThrow(TypeError);
      expect(compose).toThrow(/has no value while the workflow is being composed/);
    });
  }

  test("is not a promise", () => {
    createWorkflow("w", (input: WorkflowData<Order>) => {
      expect((input as { then?: unknown }).then).toBeUndefined();
    });
  });
});

describe("transform", () => {
  test("runs lazily, once per run, each function on what the one before returned", async () => {
    let computed = 0;
    const workflow = createWorkflow("w", (input: WorkflowData<Order>) => {
      const total = transform(
        { items: input.order.items },
        ({ items }) => items.map(({ price }) => price),
        async (prices) => prices.reduce((sum, price) => sum + price, 0),
        (sum) => {
          computed++;
          return { sum };
        },
      );
      transform(input, () => computed++);
      return new WorkflowResponse([echo(total), echo(total.sum)]);
    });
    const input = { order: { id: "o1", items: [{ price: 5 }, { price: 6 }] } };
    const { result } = await workflow().run({ input });
    expect(result).toEqual([{ sum: 11 }, 11]);
    expect(computed).toBe(1);
  });

  test("fails the step that needs it when it throws", async () => {
    const error = new Error("cannot compute");
    const workflow = createWorkflow("w", () => {
      const computed = transform({}, () => {
        throw error;
      });
      echo(computed);
    });
    const { errors } = await workflow().run({ throwOnError: false });
    expect(errors).toEqual([{ step: "echo", action: "invoke", error }]);
  });
});

describe("when", () => {
  const fold = createStep("fold", ({ paper }: { paper: unknown }) => ({ paper }));
  const workflow = createWorkflow("w", (input: WorkflowData<{ gift: boolean }>) => {
    const inside = when("is-gift", input, ({ gift }) => gift).then(() => {
      const wrapped = echo("wrapped");
      const deeper = when(input, async () => true).then(() => fold({ paper: wrapped }));
      return { wrapped, deeper, fixed: 1 };
    });
    return new WorkflowResponse({ inside, paper: inside.deeper.paper, after: echo(inside.fixed) });
  });

  test("runs its steps, and gives what its callback returned, when the condition holds", async () => {
    const { result } = await workflow().run({ input: { gift: true } });
    expect(result).toEqual({
      inside: { wrapped: "wrapped", deeper: { paper: "wrapped" }, fixed: 1 },
      paper: "wrapped",
      after: 1,
    });
  });

  test("gives undefined when it does not", async () => {
    const { result } = await workflow().run({ input: { gift: false } });
    expect(result).toEqual({ inside: undefined, paper: undefined, after: undefined });
  });

  test("makes steps inside undefined, also when they are used outside", async () => {
    const skipping = createWorkflow("w", () => {
      let step: WorkflowData = undefined as never;
      when({}, () => false).then(() => {
        [step] = parallelize(echo(1), echo(2));
      });
      return new WorkflowResponse([echo({ step })]);
    });
    expect((await skipping().run()).result).toEqual([{ step: undefined }]);
  });

  test("fails the workflow when its condition throws", async () => {
    const error = new Error("condition");
    const failing = createWorkflow("w", () => {
      when({}, () => {
        throw error;
      }).then(() => {});
    });
    const run = await failing().run({ throwOnError: false });
    expect(run.errors).toEqual([{ step: "when", action: "invoke", error }]);
  });

  test("is refused without then, and with an asynchronous callback", () => {
    expect(() =>
      createWorkflow("w", () => {
        when({}, () => true);
      }),
    ).toThrow(/does nothing without \.then/);
    expect(() =>
      createWorkflow("w", () => {
        when({}, () => true).then(async () => {});
      }),
    ).toThrow(/must be synchronous/);
  });
});

describe("parallelize", () => {
  test("runs its steps at the same time", async () => {
    const arrived: (() => void)[] = [];
    const meet = createStep("meet", async (name: string) => {
      await new Promise<void>((resolve) => {
        arrived.push(resolve);
        if (arrived.length === 2) for (const go of arrived) go();
      });
      return name;
    });
    const workflow = createWorkflow("w", () => {
      const [a, b] = parallelize(meet("a"), meet("b").config({ name: "second" }));
      return new WorkflowResponse({ a, b });
    });
    expect((await workflow().run()).result).toEqual({ a: "a", b: "b" });
  });

  test("refuses steps that were called elsewhere", () => {
    expect(() =>
      createWorkflow("w", () => {
        const first = echo(1);
        echo(2);
        parallelize(first, echo(3));
      }),
    ).toThrow(TypeError);
    expect(() =>
      createWorkflow("w", (input: WorkflowData<Order>) => {
        parallelize(input.order);
      }),
    ).toThrow(TypeError);
  });
});

describe("StepResponse", () => {
  test("gives its output on, and skip gives undefined and is not undone", async () => {
    const undone: unknown[] = [];
    const undo = (input: unknown): void => void undone.push(input);
    const output = createStep("output", () => new StepResponse({ id: 1 }, "undo"), undo);
    const plain = createStep("plain", () => 2, undo);
    const skip = createStep("skip", () => StepResponse.skip(), undo);
    const explicit = createStep("explicit", () => new StepResponse(1, undefined), undo);
    const fail = createStep("fail", (input: unknown) => {
      throw input;
    });
    const workflow = createWorkflow("w", () => {
      fail([output().id, plain(), skip(), explicit()]);
    });
    await expect(workflow().run()).rejects.toEqual([1, 2, undefined, 1]);
    expect(undone).toEqual([undefined, 2, "undo"]);
  });
});
