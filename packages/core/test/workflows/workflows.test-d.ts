import { expectTypeOf } from "vitest";
import * as z from "zod";

import { defineEvents } from "../../src/events/define-events.ts";
import { createEmitEventStep } from "../../src/workflows/typed-emit-event-step.ts";

import {
  createStep,
  createWorkflow,
  emitEventStep,
  parallelize,
  type Placeholder,
  type StepContext,
  StepResponse,
  transform,
  when,
  type WorkflowData,
  WorkflowResponse,
  type WorkflowRun,
} from "../../src/workflows.ts";

interface Order {
  readonly id: string;
  readonly note?: string;
  readonly address: { readonly city: string } | null;
  readonly items: readonly { readonly sku: string; readonly count: number }[];
}

const findOrder = createStep("find", async (input: { id: string }): Promise<Order> => {
  return { id: input.id, address: null, items: [] };
});

// Compensation gets the second argument of StepResponse, and else the output.
createStep(
  "a",
  () => new StepResponse({ id: 1 }, "undo"),
  (input) => expectTypeOf(input).toEqualTypeOf<string>(),
);
createStep(
  "b",
  async () => new StepResponse({ id: 1 }),
  (input) => expectTypeOf(input).toEqualTypeOf<{ id: number }>(),
);
createStep(
  "c",
  (_: number, context) => {
    expectTypeOf(context).toEqualTypeOf<StepContext>();
    if (context.attempt > 1) return StepResponse.permanentFailure("no", 5);
    return new StepResponse("out", "undo" as string);
  },
  (input) => expectTypeOf(input).toEqualTypeOf<string | number>(),
);
const skipping = createStep("d", (flag: boolean) =>
  flag ? new StepResponse("out") : StepResponse.skip(),
);
const nothing = createStep("e", async () => {});
const optional = createStep("f", (input: { a?: string }) => input.a ?? "");
const maybe = createStep("g", (input: string | undefined) => input);

const workflow = createWorkflow("w", (input: WorkflowData<{ id: string; gift: boolean }>) => {
  expectTypeOf(input.id).toEqualTypeOf<WorkflowData<string>>();
  const order = findOrder({ id: input.id });
  findOrder(input);
  expectTypeOf(order).toExtend<WorkflowData<Order>>();
  expectTypeOf(order.items[0]!.sku).toEqualTypeOf<WorkflowData<string | undefined>>();
  expectTypeOf(order.note).toEqualTypeOf<WorkflowData<string | undefined>>();
  expectTypeOf(order.address.city).toEqualTypeOf<WorkflowData<string | undefined>>();
  expectTypeOf(order.config({ name: "x", maxRetries: 1 })).toEqualTypeOf<WorkflowData<Order>>();

  // @ts-expect-error an id is a string
  findOrder({ id: 1 });
  // @ts-expect-error a count is no string
  findOrder({ id: transform(order, ({ items }) => items.length) });
  // @ts-expect-error the input is missing
  findOrder();
  // @ts-expect-error what may be undefined is no string
  findOrder({ id: order.note });
  // @ts-expect-error no such member
  void order.nothing;
  // @ts-expect-error a placeholder is not the value
  const id: string = input.id;
  void id;
  // @ts-expect-error no such option
  order.config({ maxAttempts: 3 });

  expectTypeOf(skipping(true)).toExtend<Placeholder<string | undefined>>();
  expectTypeOf(nothing()).toExtend<Placeholder<undefined>>();
  optional();
  optional({ a: input.id });
  maybe(order.note);
  // @ts-expect-error called without an argument it would get an empty object
  maybe();

  const total = transform(
    { order, factor: 2 },
    (value) => {
      expectTypeOf(value).toEqualTypeOf<{ readonly order: Order; readonly factor: 2 }>();
      return value.order.items.length;
    },
    async (count) => ({ count }),
    ({ count }) => String(count),
  );
  expectTypeOf(total).toEqualTypeOf<WorkflowData<string>>();

  const wrapped = when("is-gift", { gift: input.gift }, ({ gift }) => {
    expectTypeOf(gift).toEqualTypeOf<boolean>();
    return gift;
  }).then(() => ({ found: findOrder({ id: "1" }) }));
  expectTypeOf(wrapped.found.id).toEqualTypeOf<WorkflowData<string | undefined>>();
  const inside = when(input, ({ gift }) => gift).then(() => findOrder(input));
  expectTypeOf(inside).toEqualTypeOf<WorkflowData<Order | undefined>>();

  const [left, right] = parallelize(findOrder(input), optional());
  expectTypeOf(left.id).toEqualTypeOf<WorkflowData<string>>();
  expectTypeOf(right).toExtend<WorkflowData<string>>();

  const ids = emitEventStep({ eventName: "a", data: { id: order.id, deep: [order.items] } });
  expectTypeOf(ids).toExtend<Placeholder<readonly string[]>>();
  emitEventStep({ eventName: "a", data: order });
  emitEventStep({ eventName: "a", data: [order, { id: 1 }], options: { attempts: 3 } });
  emitEventStep({ eventName: "a", data: async ({ stepId }) => ({ stepId }) });
  emitEventStep({ eventName: "a", data: inside });
  // @ts-expect-error no such option
  emitEventStep({ eventName: "a", data: {}, options: { tries: 3 } });
  // @ts-expect-error data is missing
  emitEventStep({ eventName: "a" });
  // @ts-expect-error data is an object
  emitEventStep({ eventName: "a", data: "text" });

  return new WorkflowResponse({ order, ids: [order.id], fixed: 1 as number, maybe: inside });
});

const emitOrderEvent = createEmitEventStep(
  defineEvents({
    "order.placed": z.object({ orderId: z.string() }),
    "order.shipped": z.object({ carrier: z.string() }),
  }),
);
createWorkflow("typed-events", (given: WorkflowData<{ id: string; count: number }>) => {
  emitOrderEvent({ eventName: "order.placed", data: { orderId: given.id } });
  emitOrderEvent({ eventName: "order.placed", data: [{ orderId: "1" }, { orderId: given.id }] });
  emitOrderEvent({ eventName: "order.shipped", data: async () => ({ carrier: "post" }) });
  // @ts-expect-error no such event
  emitOrderEvent({ eventName: "order.lost", data: {} });
  // @ts-expect-error an id is a string
  emitOrderEvent({ eventName: "order.placed", data: { orderId: given.count } });
  // @ts-expect-error data of another event
  emitOrderEvent({ eventName: "order.placed", data: { carrier: "post" } });
});

interface Result {
  readonly order: Order;
  readonly ids: readonly [string];
  readonly fixed: number;
  readonly maybe: Order | undefined;
}

const input = { id: "1", gift: true };
expectTypeOf(workflow().run({ input })).toEqualTypeOf<Promise<WorkflowRun<Result>>>();
expectTypeOf(workflow.run({ input, throwOnError: true })).resolves.toEqualTypeOf<
  WorkflowRun<Result>
>();
expectTypeOf(workflow().run({ input, throwOnError: false })).resolves.toEqualTypeOf<
  WorkflowRun<Result | undefined>
>();
// @ts-expect-error the input is missing
void workflow().run();
// @ts-expect-error an id is a string
void workflow().run({ input: { id: 1, gift: true } });

createWorkflow("parent", (given: WorkflowData<{ id: string }>) => {
  const child = workflow.runAsStep({ input: { id: given.id, gift: true } });
  expectTypeOf(child.order.id).toEqualTypeOf<WorkflowData<string>>();
  // @ts-expect-error gift is missing
  workflow.runAsStep({ input: { id: given.id } });
  // @ts-expect-error the input is missing
  workflow.runAsStep();
});

const noResponse = createWorkflow("no-response", () => {});
expectTypeOf(noResponse().run()).resolves.toEqualTypeOf<WorkflowRun<undefined>>();
void noResponse.run();

const explicit = createWorkflow<{ id: string }, { city: string }>("explicit", (given) => {
  return new WorkflowResponse({ city: given.id });
});
expectTypeOf(explicit().run({ input })).resolves.toExtend<{ result: { city: string } }>();

// @ts-expect-error a composer is synchronous
createWorkflow("async", async () => {});
