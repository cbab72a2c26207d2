import { type } from "arktype";
import * as v from "valibot";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type {
  EventCatalogue,
  InferEvents,
  InferReceivedEvents,
} from "../../src/contract/catalogue.ts";
import { defineEvents } from "../../src/events/define-events.ts";

interface Order {
  orderId: string;
  note?: string;
}

const zodSchema = z.object({
  amount: z.coerce.number<string>(),
  currency: z.string().default("EUR"),
  name: z.string().transform((name) => name.length),
});
const valibotSchema = v.object({
  amount: v.pipe(v.string(), v.transform(Number)),
  currency: v.optional(v.string(), "EUR"),
});
const arktypeSchema = type({ amount: "string.numeric.parse", currency: "string = 'EUR'" });
const orderSchema: z.ZodType<Order, Order> = z.object({
  orderId: z.string(),
  note: z.string().exactOptional(),
});

const schemas = {
  "paid.zod": zodSchema,
  "paid.valibot": valibotSchema,
  "paid.arktype": arktypeSchema,
  "order.placed": orderSchema,
};

interface Inputs {
  "paid.zod": { amount: string; currency?: string | undefined; name: string };
  "paid.valibot": { amount: string; currency?: string | undefined };
  "paid.arktype": { amount: string; currency?: string };
  "order.placed": Order;
}

interface Outputs {
  "paid.zod": { amount: number; currency: string; name: number };
  "paid.valibot": { amount: number; currency: string };
  "paid.arktype": { amount: number; currency: string };
  "order.placed": Order;
}

test("what is emitted has the input types of the schemas", () => {
  const events = defineEvents(schemas);
  expectTypeOf<InferEvents<typeof events>>().toEqualTypeOf<Inputs>();
  const parsing = defineEvents(schemas, { validateAtConsume: true });
  expectTypeOf<InferEvents<typeof parsing>>().toEqualTypeOf<Inputs>();
});

test("what is received has the output types only when it is validated at consume", () => {
  const events = defineEvents(schemas);
  expectTypeOf<InferReceivedEvents<typeof events>>().toEqualTypeOf<Inputs>();
  const not = defineEvents(schemas, { validateAtConsume: false });
  expectTypeOf<InferReceivedEvents<typeof not>>().toEqualTypeOf<Inputs>();
  const parsing = defineEvents(schemas, { validateAtConsume: true });
  expectTypeOf<InferReceivedEvents<typeof parsing>>().toEqualTypeOf<Outputs>();
});

test("what is received may be either when the option is not known", () => {
  const perhaps = defineEvents(
    { paid: z.string().transform(Number) },
    { validateAtConsume: Math.random() > 2 },
  );
  type Received = InferReceivedEvents<typeof perhaps>;
  expectTypeOf<Received>().toEqualTypeOf<{ paid: string | number }>();
});

test("the schemas keep their types, so that catalogues can be put together", () => {
  const orders = defineEvents({ "order.placed": orderSchema });
  const payments = defineEvents({ "paid.zod": zodSchema });
  expectTypeOf(payments.schemas["paid.zod"]).toEqualTypeOf<typeof zodSchema>();
  const all = defineEvents({ ...orders.schemas, ...payments.schemas });
  expectTypeOf<InferEvents<typeof all>>().toEqualTypeOf<
    Pick<Inputs, "order.placed" | "paid.zod">
  >();
});

test("a catalogue fits where any catalogue is asked for", () => {
  const parsing = defineEvents(schemas, { validateAtConsume: true });
  expectTypeOf(parsing).toExtend<EventCatalogue<object>>();
  expectTypeOf(parsing).toExtend<EventCatalogue<Inputs, Outputs>>();
  expectTypeOf(parsing).not.toExtend<EventCatalogue<Inputs, Inputs>>();
});

test("what is no Standard Schema does not compile", () => {
  // @ts-expect-error a number is no schema
  defineEvents({ "order.placed": 1 });
  // @ts-expect-error misspelt
  defineEvents({ "order.placed": orderSchema }, { validateAtConsumption: true });
});
