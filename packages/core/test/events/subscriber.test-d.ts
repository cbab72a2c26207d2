import { expectTypeOf, test } from "vitest";
import * as v from "valibot";
import { z } from "zod";
import type { SubscriberConfig } from "../../src/events/subscriber.ts";
import type { ServiceContainer } from "../../src/contract/container.ts";
import type { IEventBusModule } from "../../src/contract/event-bus-module.ts";
import type { InferEvents } from "../../src/contract/catalogue.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import type { EventBus } from "../../src/event-bus.ts";

const schemas = {
  "order.placed": z.object({ amount: z.coerce.number<string>() }),
  "order.shipped": v.object({ carrier: v.string() }),
};
const events = defineEvents(schemas);
const parsing = defineEvents(schemas, { validateAtConsume: true });
type Shop = InferEvents<typeof events>;

test("the event follows the name, and the container is there", () => {
  const handler = events.subscriber("order.placed", ({ event, container, signal }) => {
    expectTypeOf(event.name).toEqualTypeOf<"order.placed">();
    expectTypeOf(event.data).toEqualTypeOf<{ amount: string }>();
    expectTypeOf(container).toEqualTypeOf<ServiceContainer>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
  });
  const config: SubscriberConfig = handler.config;
  void config;
  expectTypeOf(handler.config.event).toEqualTypeOf<"order.placed">();
});

test("arrays and patterns give a union", () => {
  events.subscriber("order.*", async ({ event }) => {
    if (event.name === "order.shipped") {
      expectTypeOf(event.data).toEqualTypeOf<{ carrier: string }>();
    }
  });
  events.subscriber(["order.placed", "order.shipped"], ({ event }) => {
    expectTypeOf(event.name).toEqualTypeOf<keyof Shop>();
  });
});

test("handlers get the output when it is validated at consume", () => {
  parsing.subscriber("order.placed", ({ event }) => {
    expectTypeOf(event.data).toEqualTypeOf<{ amount: number }>();
  });
});

test("wrong names, handlers and policies do not compile", () => {
  // @ts-expect-error no such event
  events.subscriber("order.lost", () => {});
  // @ts-expect-error the data of another event
  events.subscriber("order.placed", ({ event }) => void event.data.carrier);
  // @ts-expect-error no such option
  events.subscriber("order.placed", () => {}, { id: "x" });
});

test("fits a bus, typed or not", () => {
  const handler = events.subscriber("order.*", () => {}, { subscriberId: "log" });
  const use = (typed: EventBus<Shop>, untyped: IEventBusModule) => {
    typed.subscribe(...handler.subscription).unsubscribe(...handler.subscription);
    untyped.subscribe(...handler.subscription).unsubscribe(...handler.subscription);
  };
  void use;
});

test("does not fit a bus of other events", () => {
  const handler = events.subscriber("order.*", () => {});
  const use = (other: EventBus<{ "order.placed": { id: number } }>) => {
    // @ts-expect-error other data
    other.subscribe(...handler.subscription);
  };
  void use;
});

test("with batch, the handler gets the events, and the context of a batch", () => {
  const handler = events.subscriber(
    ["order.placed", "order.shipped"],
    ({ events: batch, ack, fail, attempt }) => {
      for (const event of batch) {
        if (event.name === "order.placed") expectTypeOf(event.data.amount).toBeString();
        if (attempt(event) > 1) ack(event);
        else fail(event, new Error("no"));
      }
    },
    { subscriberId: "orders", batch: { maxEvents: 10 } },
  );
  const config: SubscriberConfig = handler.config;
  void config;
  const add = (bus: EventBus<Shop>, untyped: EventBus) => {
    bus.subscribe(...handler.subscription);
    untyped.subscribe(...handler.subscription);
  };
  void add;
  // @ts-expect-error there is no event, but events
  events.subscriber("order.placed", ({ event }) => void event, {
    subscriberId: "orders",
    batch: { maxEvents: 10 },
  });
});
