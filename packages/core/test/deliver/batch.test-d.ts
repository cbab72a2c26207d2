import { expectTypeOf, test } from "vitest";
import type { IEventBusModule } from "../../src/contract/event-bus-module.ts";
import type { Event } from "../../src/contract/event.ts";
import type { NamedEvent } from "../../src/contract/event-patterns.ts";
import type {
  BatchContext,
  BatchOptions,
  BatchSubscriber,
  DeliveryContext,
  Subscriber,
  SubscriberContext,
} from "../../src/contract/subscriber.ts";
import type { EventBus } from "../../src/event-bus.ts";

interface Shop {
  "order.placed": { orderId: string };
  "order.shipped": { carrier: string };
  ping: { at: number };
}

declare const bus: EventBus<Shop>;
declare const untyped: EventBus;

const batch = { maxEvents: 50, maxWaitMs: 200 };

test("with batch, the subscriber gets the events of its names, and the context of a batch", () => {
  bus.subscribe(
    "ping",
    (events, context) => {
      expectTypeOf(events).toEqualTypeOf<readonly NamedEvent<"ping", { at: number }>[]>();
      expectTypeOf(context).toEqualTypeOf<BatchContext>();
      context.ack(events[0]!);
    },
    { subscriberId: "pings", batch: { maxEvents: 50 } },
  );
  bus.subscribe(
    "order.*",
    async (events) => {
      for (const event of events) {
        if (event.name === "order.placed") expectTypeOf(event.data.orderId).toBeString();
      }
    },
    { subscriberId: "orders", batch },
  );
  // @ts-expect-error a handler of one event
  bus.subscribe("ping", ({ data }) => void data.at, { subscriberId: "pings", batch });
  // @ts-expect-error no such option
  bus.subscribe("ping", (events) => void events, { subscriberId: "a", batch, attemps: 3 });
});

test("without batch, the subscriber gets one event", () => {
  bus.subscribe(
    "ping",
    (event, context) => {
      expectTypeOf(event).toEqualTypeOf<NamedEvent<"ping", { at: number }>>();
      expectTypeOf(context).toEqualTypeOf<DeliveryContext>();
    },
    { subscriberId: "pings", attempts: 3, rate: { max: 10, perMs: 1_000 } },
  );
  bus.subscribe("ping", (event) => void event.data.at, { subscriberId: "a", batch: undefined });
  // @ts-expect-error a handler of several events, without batch
  bus.subscribe("ping", (events: readonly Event<{ at: number }>[]) => void events, {});
  // @ts-expect-error no such option
  bus.subscribe("ping", () => {}, { subscriberId: "pings", attemps: 3 });
});

test("a bus that does not know its events takes handlers of both kinds", () => {
  untyped.subscribe<{ at: number }>(
    "ping",
    (events, context) => {
      expectTypeOf(events).toEqualTypeOf<readonly Event<{ at: number }>[]>();
      expectTypeOf(context).toEqualTypeOf<BatchContext>();
    },
    { subscriberId: "pings", batch },
  );
  untyped.subscribe<{ at: number }>(
    "ping",
    ({ data }) => {
      expectTypeOf(data).toEqualTypeOf<{ at: number }>();
    },
    { subscriberId: "pings" },
  );
  untyped.subscribe("ping", (event: Event<string>) => void event);
  untyped.unsubscribe("ping", (events: readonly Event[]) => void events, {
    subscriberId: "pings",
    batch,
  });
});

test("a handler of several events needs a context that has a batch", () => {
  const handler: BatchSubscriber<{ at: number }> = () => {};
  const mayLack: SubscriberContext<BatchOptions> = { subscriberId: "a" };
  // @ts-expect-error without batch
  untyped.subscribe("ping", handler, { subscriberId: "a" });
  // @ts-expect-error batch may be missing
  untyped.subscribe("ping", handler, mayLack);
  // @ts-expect-error batch may be missing
  bus.subscribe("ping", handler, mayLack);
  // @ts-expect-error without batch
  (bus as IEventBusModule).subscribe("ping", handler, { subscriberId: "a" });
});

test("unsubscribe takes the handler and the id, without the rest of the context", () => {
  const handler: BatchSubscriber<{ at: number }> = () => {};
  bus.unsubscribe("ping", handler);
  bus.unsubscribe("ping", handler, { subscriberId: "a" });
  bus.unsubscribe("ping", handler, { subscriberId: "a", batch });
  untyped.unsubscribe("ping", handler);
  untyped.unsubscribe("ping", handler, { subscriberId: "a" });
  (bus as IEventBusModule<Shop>).unsubscribe("ping", handler, { subscriberId: "a" });
  bus.unsubscribe("order.*", ({ data }) => void data, { subscriberId: "a" });
  // @ts-expect-error no such event
  bus.unsubscribe("pong", handler, { subscriberId: "a" });
});

test("a context of which nothing more is known is that of a handler of one event", () => {
  const add = (handler: Subscriber<{ at: number }>, context: SubscriberContext) => {
    bus.subscribe("ping", handler, context);
    untyped.subscribe("ping", handler, context);
  };
  const addBatch = (handler: BatchSubscriber<{ at: number }>) => {
    untyped.subscribe("ping", handler, { subscriberId: "a", batch });
    bus.subscribe("ping", handler, { subscriberId: "a", batch });
  };
  void add;
  void addBatch;
});

test("a bus that knows its events is still one that does not", () => {
  const general: IEventBusModule = bus;
  general.subscribe("ping", (events: readonly Event<number>[]) => void events, {
    subscriberId: "a",
    batch,
  });
});
