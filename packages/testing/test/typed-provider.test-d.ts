import { createEventBus, defineEvents, type NamedEvent } from "@busbar/core";
import type { EventModule, EventProvider } from "@busbar/core/provider";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { testingProvider, type TestingProvider } from "../src/index.ts";

const events = defineEvents({
  "order.placed": z.object({ orderId: z.string() }),
  "order.paid": z.object({ orderId: z.string(), cents: z.number() }),
  "user.created": z.object({ userId: z.string() }),
});
type Placed = NamedEvent<"order.placed", { orderId: string }>;
type Paid = NamedEvent<"order.paid", { orderId: string; cents: number }>;

test("a provider with a catalogue knows the data of its events", async () => {
  const provider = testingProvider({ events, startAt: 0 });
  expectTypeOf(provider.emitted("order.placed")).toEqualTypeOf<readonly Placed[]>();
  expectTypeOf(provider.emitted("order.*")).toEqualTypeOf<readonly (Placed | Paid)[]>();
  expectTypeOf(await provider.next("order.paid")).toEqualTypeOf<Paid>();
  // @ts-expect-error no such event
  provider.emitted("order.lost");
  expectTypeOf(provider).toExtend<EventProvider>();
  expectTypeOf(provider).toExtend<EventModule>();
  createEventBus({ provider, events });
});

test("a provider without one takes the type of the data from the caller", async () => {
  const provider = testingProvider();
  expectTypeOf(provider).toEqualTypeOf<TestingProvider>();
  expectTypeOf(provider.emitted("order.lost")[0]?.data).toBeUnknown();
  const { data } = await provider.next<{ orderId: string }>("order.placed");
  expectTypeOf(data).toEqualTypeOf<{ orderId: string }>();
});
