import { type } from "arktype";
import * as v from "valibot";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineEvents } from "../../src/events/define-events.ts";
import { createEmitEventStep } from "../../src/workflows/typed-emit-event-step.ts";
import type { StepContext } from "../../src/workflows/step-context.ts";
import { transform } from "../../src/workflows/transform.ts";
import type { WorkflowData } from "../../src/workflows/workflow-data.ts";

interface Placed {
  orderId: string;
  items: { sku: string }[];
}

const emitEventStep = createEmitEventStep(
  defineEvents(
    {
      "order.placed": z.object({
        orderId: z.string(),
        items: z.array(z.object({ sku: z.string() })),
      }),
      "order.paid": z.object({
        amount: z.coerce.number<string>(),
        currency: z.string().default("EUR"),
      }),
      "user.created": v.object({ email: v.string() }),
      "user.deleted": type({ "reason?": "string" }),
      tags: z.array(z.string()),
      text: z.string(),
    },
    { validateAtConsume: true },
  ),
);

const order = { orderId: "1", items: [{ sku: "a" }] };

test("data is an object or an array of them, by the input type of the schema", () => {
  const compose = () => {
    const ids = emitEventStep({ eventName: "order.placed", data: order });
    expectTypeOf(ids).toExtend<WorkflowData<readonly string[]>>();
    emitEventStep({ eventName: "order.placed", data: [order, order] });
    emitEventStep({ eventName: "order.paid", data: { amount: "1" } });
    emitEventStep({ eventName: "user.created", data: [{ email: "a" }, { email: "b" }] });
    emitEventStep({ eventName: "user.deleted", data: {} });
    emitEventStep({ eventName: "text", data: "a" });
    emitEventStep({
      eventName: "user.created",
      data: { email: "a" },
      metadata: { correlationId: "1" },
      options: { attempts: 3 },
    }).config({ name: "user-created" });

    // @ts-expect-error no such event
    emitEventStep({ eventName: "order.lost", data: order });
    // @ts-expect-error items are missing
    emitEventStep({ eventName: "order.placed", data: { orderId: "1" } });
    // @ts-expect-error the second has the data of another event
    emitEventStep({ eventName: "order.placed", data: [order, { email: "a" }] });
    // @ts-expect-error the input is a string, the output a number
    emitEventStep({ eventName: "order.paid", data: { amount: 1 } });
    // @ts-expect-error no such option
    emitEventStep({ eventName: "user.created", data: { email: "a" }, options: { retries: 3 } });
    // @ts-expect-error data is missing
    emitEventStep({ eventName: "user.created" });
  };
  void compose;
});

test("data is a function of the step's context", () => {
  const compose = () => {
    emitEventStep({
      eventName: "order.placed",
      data: (context) => {
        expectTypeOf(context).toEqualTypeOf<StepContext>();
        return order;
      },
    });
    emitEventStep({ eventName: "order.placed", data: async () => [order] });
    emitEventStep({ eventName: "order.placed", data: async () => undefined });
    // @ts-expect-error the data of another event
    emitEventStep({ eventName: "order.placed", data: () => ({ email: "a" }) });
    // @ts-expect-error the data of another event
    emitEventStep({ eventName: "order.placed", data: async () => [{ email: "a" }] });
  };
  void compose;
});

test("data is, or holds, placeholders", () => {
  const compose = (
    input: WorkflowData<{ order: Placed; email: string; orders: Placed[] }>,
    maybe: WorkflowData<Placed | undefined>,
  ) => {
    emitEventStep({ eventName: "order.placed", data: input.order });
    emitEventStep({ eventName: "order.placed", data: input.orders });
    emitEventStep({ eventName: "order.placed", data: [input.order] });
    emitEventStep({ eventName: "user.created", data: { email: input.email } });
    emitEventStep({
      eventName: "user.created",
      data: { email: "a" },
      metadata: { source: input.email },
      options: { orderingKey: input.email },
    });
    emitEventStep({ eventName: "user.deleted", data: { reason: input.email } });
    emitEventStep({ eventName: "user.deleted", data: [{ reason: input.email }, {}] });
    emitEventStep({ eventName: "order.placed", data: maybe });
    const users = transform({ input }, (values) => [{ email: values.input.email }]);
    emitEventStep({ eventName: "user.created", data: users });

    // @ts-expect-error the placeholder of something else
    emitEventStep({ eventName: "order.placed", data: input.email });
    // @ts-expect-error the placeholder of something else
    emitEventStep({ eventName: "order.placed", data: users });
    // @ts-expect-error the member is the placeholder of something else
    emitEventStep({ eventName: "user.created", data: { email: input.order } });
  };
  void compose;
});

test("a payload that is an array is wrapped in one: its items would be events", () => {
  const compose = () => {
    emitEventStep({ eventName: "tags", data: [["a", "b"]] });
    emitEventStep({ eventName: "tags", data: () => [["a", "b"]] });
    // @ts-expect-error two events of a string each
    emitEventStep({ eventName: "tags", data: ["a", "b"] });
  };
  void compose;
});
