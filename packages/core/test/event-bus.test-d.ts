import { createContainer } from "awilix";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { AppContainer } from "../src/app/container.ts";
import {
  containerKey,
  type ScopingContainer,
  type ServiceContainer,
} from "../src/contract/container.ts";
import type { IEventBusModule } from "../src/contract/event-bus-module.ts";
import type { Event } from "../src/contract/event.ts";
import type { DeliveryContext } from "../src/contract/subscriber.ts";
import { createEventBus, type EventBus } from "../src/event-bus.ts";
import type { EventProvider } from "../src/contract/provider.ts";
import { defineEvents } from "../src/events/define-events.ts";
import type { NamedEvent } from "../src/contract/event-patterns.ts";

interface Item {
  sku: string;
}

// Interfaces, which have no index signature, are payloads like any other.
interface Placed {
  orderId: string;
  items: Item[];
}

interface Shop {
  "order.placed": Placed;
  "order.shipped": { orderId: string; carrier: string };
  "order.item.added": Item;
  ping: { at: number };
}

declare const bus: EventBus<Shop>;
declare const busOfAll: EventBus;
declare const provider: EventProvider;

test("emit: data follows the name", () => {
  const ids = bus.emit("order.shipped", { orderId: "1", carrier: "a" }, { attempts: 3 });
  expectTypeOf(ids).toEqualTypeOf<Promise<readonly [string]>>();
  const ping = { name: "ping", data: { at: 1 } } as const;
  expectTypeOf(bus.emit(ping)).toEqualTypeOf<Promise<readonly [string]>>();
  expectTypeOf(bus.emit([ping])).toEqualTypeOf<Promise<readonly string[]>>();
  expectTypeOf(busOfAll.emit("any", 1)).toEqualTypeOf<Promise<readonly [string]>>();
  expectTypeOf(busOfAll.emit([ping])).toEqualTypeOf<Promise<readonly string[]>>();
  void bus.emit("order.placed", { orderId: "1", items: [{ sku: "a" }] });

  // @ts-expect-error no such event
  void bus.emit("order.lost", { orderId: "1" });
  // @ts-expect-error carrier is missing
  void bus.emit("order.shipped", { orderId: "1" });
  // @ts-expect-error carrier is a string
  void bus.emit("order.shipped", { orderId: "1", carrier: 1 });
  // @ts-expect-error an excess member
  void bus.emit("ping", { at: 1, on: 2 });
  // @ts-expect-error data is missing
  void bus.emit("order.shipped");
  // @ts-expect-error a pattern is no name
  void bus.emit("order.*", { orderId: "1" });
  // @ts-expect-error no such option
  void bus.emit("ping", { at: 1 }, { retries: 3 });
});

test("emit: the data of each message follows its name", () => {
  void bus.emit({ name: "ping", data: { at: 1 }, metadata: { eventGroupId: "1" } });
  void bus.emit({ name: "ping", data: { at: 1 } }, { delay: 100 });
  void bus.emit([
    { name: "order.placed", data: { orderId: "1", items: [{ sku: "a" }] }, options: { delay: 1 } },
    { name: "ping", data: { at: 1 }, id: "1" },
  ]);
  void bus.emit([]);
  const placed: Placed[] = [];
  void bus.emit(placed.map((data) => ({ name: "order.placed", data })));

  // @ts-expect-error no such event
  void bus.emit({ name: "order.lost", data: { at: 1 } });
  // @ts-expect-error the data of another event
  void bus.emit({ name: "ping", data: { orderId: "1", carrier: "a" } });
  void bus.emit([
    { name: "ping", data: { at: 1 } },
    // @ts-expect-error the data of another event
    { name: "order.shipped", data: { at: 1 } },
  ]);
  // @ts-expect-error a message takes no data beside it
  void bus.emit({ name: "ping", data: { at: 1 } }, { at: 1 });
});

test("subscribe: the event follows the name", () => {
  const same = bus.subscribe("order.placed", (event, context) => {
    expectTypeOf(event).toEqualTypeOf<NamedEvent<"order.placed", Placed>>();
    expectTypeOf(event).toExtend<Event<Placed>>();
    expectTypeOf(context).toEqualTypeOf<DeliveryContext>();
  });
  expectTypeOf(same).toEqualTypeOf<typeof bus>();
  bus.subscribe("ping", async ({ data }) => void data.at, { subscriberId: "pings", attempts: 3 });
  bus.unsubscribe("ping", ({ data }) => void data.at, { subscriberId: "pings" });

  bus.unsubscribe({ subscriberId: "pings" });
  // @ts-expect-error no such event
  bus.subscribe("order.lost", () => {});
  // @ts-expect-error no such event
  bus.unsubscribe("order.lost", () => {});
  // @ts-expect-error a handler of other data
  bus.subscribe("ping", (event: Event<Placed>) => void event);
  // @ts-expect-error no such option
  bus.subscribe("ping", () => {}, { subscriber: "pings" });
});

test("subscribe: arrays and patterns give a union that the name tells apart", () => {
  bus.subscribe(["ping", "order.shipped"], (event) => {
    expectTypeOf(event.name).toEqualTypeOf<"ping" | "order.shipped">();
    if (event.name === "ping") expectTypeOf(event.data).toEqualTypeOf<{ at: number }>();
  });
  bus.subscribe("order.*", (event) => {
    expectTypeOf(event.name).toEqualTypeOf<"order.placed" | "order.shipped">();
    switch (event.name) {
      case "order.placed":
        expectTypeOf(event.data).toEqualTypeOf<Placed>();
        break;
      case "order.shipped":
        expectTypeOf(event.data.carrier).toEqualTypeOf<string>();
        break;
    }
  });
  bus.subscribe("order.**", (event) => {
    expectTypeOf(event.name).toEqualTypeOf<Exclude<keyof Shop, "ping">>();
  });
  bus.subscribe("*", (event) => {
    expectTypeOf(event.name).toEqualTypeOf<keyof Shop>();
  });
  bus.subscribe(["order.item.*", "ping"], (event) => {
    expectTypeOf(event.name).toEqualTypeOf<"order.item.added" | "ping">();
  });

  // @ts-expect-error matches no event
  bus.subscribe("ordr.*", () => {});
  // @ts-expect-error the second is no event
  bus.subscribe(["ping", "order.lost"], () => {});
});

test("symbols stay untyped", () => {
  const internal = Symbol("internal");
  void bus.emit(internal, { anything: true });
  bus.subscribe(internal, (event: Event<{ anything: boolean }>) => void event.data.anything);
});

test("untyped use goes by IEventBusModule", () => {
  const untyped: IEventBusModule = bus;
  void untyped.emit("order.lost", 1);
  untyped.subscribe("order.lost", (event: Event<number>) => void event);
});

test("handlers get the output only when it is validated at consume", () => {
  const schemas = {
    paid: z.object({ amount: z.coerce.number<string>(), tip: z.int().default(0) }),
  };
  const events = defineEvents(schemas);
  const parsing = defineEvents(schemas, { validateAtConsume: true });
  const passing = createEventBus({ events, provider });
  const parsed = createEventBus({ events: parsing, provider });
  const check = () => {
    passing.subscribe("paid", ({ data }) => {
      expectTypeOf(data).toEqualTypeOf<{ amount: string; tip?: number | undefined }>();
    });
    parsed.subscribe("paid", ({ data }) => {
      expectTypeOf(data).toEqualTypeOf<{ amount: number; tip: number }>();
    });
    void parsed.emit("paid", { amount: "1" });
    // @ts-expect-error the input is a string
    void parsed.emit("paid", { amount: 1 });
  };
  void check;
});

test("the rest of the bus is there", () => {
  expectTypeOf(bus.start).toEqualTypeOf<EventBus["start"]>();
  expectTypeOf(bus.deadLetters).toEqualTypeOf<EventBus["deadLetters"]>();
  const use = async () => {
    await using disposed = bus;
    disposed
      .use(async (_delivery, next) => next())
      .addInterceptor(() => {})
      .subscribe("ping", ({ data }) => void data.at);
  };
  void use;
});

test("a bus within a transaction is typed too", () => {
  const staged = bus.withTransaction({});
  expectTypeOf(staged).toEqualTypeOf<IEventBusModule<Shop>>();
  void staged.emit("ping", { at: 1 });
  // @ts-expect-error no such event
  void staged.emit("order.lost", { at: 1 });
});

test("a bus without a catalogue is untyped", () => {
  expectTypeOf(createEventBus({ provider })).toEqualTypeOf<EventBus>();
});

test("a bus that knows its events stands in for one that does not", () => {
  const any: EventBus = bus;
  void any;
  const ofNone = bus as unknown as EventBus<object>;
  const other: EventBus = ofNone;
  void other;
});

test("next: the event follows the name or the pattern", () => {
  expectTypeOf(bus.next("ping")).resolves.toEqualTypeOf<NamedEvent<"ping", { at: number }>>();
  expectTypeOf(bus.next("order.*", { timeoutMs: 1 })).resolves.toHaveProperty("data");
  expectTypeOf(busOfAll.next("any")).resolves.toEqualTypeOf<Event<any>>(); // oxlint-disable-line typescript/no-explicit-any -- the caller says it
  // @ts-expect-error no such event
  void bus.next("order.lost");
  // @ts-expect-error no such option
  void bus.next("ping", { timeout: 1 });
});

test("a container resolves keys to the types of their services", () => {
  const events = defineEvents({ ping: z.object({ at: z.number() }) });
  const pricing = containerKey<{ priceOf(sku: string): number }>("pricing");
  const check = (container: ServiceContainer, app: AppContainer): void => {
    expectTypeOf(container.resolve(pricing).priceOf("tea")).toEqualTypeOf<number>();
    expectTypeOf(app.resolve(pricing).priceOf("tea")).toEqualTypeOf<number>();
    void container.resolve(events.bus).emit("ping", { at: 1 });
    void app.resolve(events.bus).emit("ping", { at: 1 });
    // @ts-expect-error no such event
    void container.resolve(events.bus).emit("pong", { at: 1 });
    // @ts-expect-error no such event
    void app.resolve(events.bus).emit("pong", { at: 1 });
    expectTypeOf(container.resolve("event_bus")).toEqualTypeOf<IEventBusModule>();
    // A container of Awilix fits as it is.
    const given: ScopingContainer = createContainer();
    void given;
    const own: ScopingContainer = app;
    void own;
  };
  void check;
  expectTypeOf(pricing).toExtend<string>();
});
