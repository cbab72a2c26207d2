import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  type AsyncEventArgs,
  type AsyncEvents,
  defineAsyncEvents,
} from "../../src/catalogue/define-async-events.ts";

interface Order {
  id: string;
  total: number;
}
interface Orders {
  get(id: string): Promise<Order>;
}

type ArgsIn<Events> = Events extends AsyncEvents<infer Args> ? Args : never;
type PayloadsIn<Events> = Events extends AsyncEvents<object, infer Payloads> ? Payloads : never;

test("arguments and payloads follow from resolvers and schemas", () => {
  const events = defineAsyncEvents({
    "sales.order.created": {
      resolve: ({ id }: { id: string }, { container }) =>
        container.resolve<Orders>("orders").get(id),
      permissions: ["sales.orders.view"],
      example: { id: "42", total: 1 },
    },
    "cms.page.updated": { schema: z.object({ page: z.string() }) },
    "order.placed": {},
    "sales.order.paid": {
      resolve: async (args: { id: string }) => ({ id: args.id, total: 1, paid: true }),
      schema: z.object({ id: z.string(), total: z.number() }),
      validate: true,
      example: { id: "42", total: 1 },
    },
  });
  expectTypeOf<ArgsIn<typeof events>>().toEqualTypeOf<{
    "sales.order.created": { id: string };
    "cms.page.updated": { page: string };
    "order.placed": unknown;
    "sales.order.paid": { id: string };
  }>();
  expectTypeOf<PayloadsIn<typeof events>>().toEqualTypeOf<{
    "sales.order.created": Order;
    "cms.page.updated": { page: string };
    "order.placed": unknown;
    "sales.order.paid": { id: string; total: number };
  }>();
  expectTypeOf<AsyncEventArgs<{ a: { resolve: () => number } }>>().toEqualTypeOf<{ a: unknown }>();
});

test("what does not fit is an error", () => {
  defineAsyncEvents({
    "sales.order.created": {
      resolve: ({ id }: { id: string }) => ({ id }),
      // @ts-expect-error the payload has an id
      example: { number: 1 },
    },
  });
  defineAsyncEvents({
    "sales.order.created": {
      // @ts-expect-error the schema takes a total
      resolve: ({ id }: { id: string }) => ({ id }),
      schema: z.object({ total: z.number() }),
    },
  });
  defineAsyncEvents({
    // @ts-expect-error one of three policies
    "sales.order.created": { resolve: () => 1, whenGone: "ignore" },
  });
});
